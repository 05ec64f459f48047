"""A whole season with everything that goes wrong in one, drawn from a seed: nobody is told twice, in vain, or not."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from storage.database import Database
from tests.conftest import postgres_database, sqlite_database
from tests.scenario.checkers import all_wrong
from tests.scenario.program import Deadly
from tests.scenario.season import Season

FIRST, SEEDS = int(os.environ.get("FIRST_SEED", "0")), int(os.environ.get("SEEDS", "10"))


def a_database(seed: int, request: pytest.FixtureRequest, folder: Path) -> Database:
    """Every fifth season is on PostgreSQL."""
    if seed % 5 == 4:
        return postgres_database(request.getfixturevalue("postgres"))
    return sqlite_database(folder, request.getfixturevalue("sqlite_template"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
async def test_a_season_of_27_days(
    seed: int, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.checkpoints.os", Deadly)
    database = a_database(seed, request, tmp_path)
    season = Season(database, tmp_path, seed)
    try:
        history = await season.play()
    finally:
        database.close()
    assert len(history.turns) > 40 and len(history.told) > 120, "so little happens that it proves nothing"
    wrong = all_wrong(history)
    for each in wrong[:20]:
        print(f"\nseed {seed}: {each}")
        day = timedelta(days=1)
        print("\n".join(history.lines(each.at - day, each.at + day / 4, history.lives.get(each.who))))
    assert [str(each) for each in wrong] == [], f"seed {seed}: make season FIRST_SEED={seed} SEEDS=1"
