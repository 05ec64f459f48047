"""The real program is killed at every durable boundary, and at any moment: nothing is lost, nothing is there twice."""

import asyncio
import itertools
import random
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage import models as m
from storage.database import Database
from tests import town
from tests.conftest import postgres_database, sqlite_database
from tests.postgres import Postgres
from tests.siege import Siege

POINTS = (
    "turn.received", "turn.before_commit", "turn.committed",
    "send.before_claim", "send.claimed", "send.marked",
)  # fmt: skip


def act(siege: Siege) -> None:
    """Two people write, one submits twice, each has a reminder or a notice."""
    with siege.database.transaction() as db:
        submit = town.completes(db, 3)
    siege.said[3] = ["Việc đã làm"]
    siege.notify(m.REMINDER, [1])
    siege.notify(m.NOTICE, [2])
    for number in range(2):
        siege.says(1, f"An kể {number}")
        siege.says(2, f"Bình kể {number}")
    siege.taps(3, submit)
    siege.taps(3, submit)


async def story(database: Database, **settings: Any) -> int:
    """The whole story with one crash; how many there were."""
    async with Siege(database) as siege:
        act(siege)
        await siege.survives(siege.program(**settings))
        assert siege.wrong() == [], (settings, siege.programs[0].log.decode())
        return siege.crashes


@pytest.mark.parametrize("name", ["send.accepted", *(pytest.param(each, marks=pytest.mark.slow) for each in POINTS)])
async def test_killed_at_a_named_point(sqlite: Database, name: str) -> None:
    assert await story(sqlite, CRASH_AT=name) == 1


@pytest.mark.slow
async def test_killed_right_after_confirming(sqlite: Database) -> None:
    async with Siege(sqlite) as siege:
        program = siege.program(CRASH_AT="turn.confirmed")
        await program.start()
        siege.says(1, "một")
        await siege.done()
        siege.says(1, "hai")  # it comes in the answer to the call that confirmed the first
        await siege.survives(program)
        assert (siege.crashes, siege.wrong()) == (1, [])


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_killed_at_the_nth_point_for_every_n_until_a_run_ends_uncrashed_on_sqlite(
    tmp_path: Path, sqlite_template: bytes
) -> None:
    await until_it_ends((sqlite_database(tmp_path, sqlite_template) for _ in itertools.count()), stride=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_killed_at_every_third_point_until_a_run_ends_uncrashed_on_postgresql(postgres: Postgres) -> None:
    await until_it_ends((postgres_database(postgres) for _ in itertools.count()), stride=3)


async def until_it_ends(databases: Iterator[Database], stride: int) -> None:
    """The story killed at its first, second, third ... point."""
    for number in itertools.count(1, stride):
        with closing(next(databases)) as database:
            if await story(database, CRASH_AT_N=number) == 0:
                assert number > 20
                return


@pytest.mark.slow
async def test_killed_at_any_moment_for_25_seconds(sqlite: Database) -> None:
    random.seed(31)
    async with Siege(sqlite, people=30) as siege:
        siege.notify(m.REMINDER, range(1, 31))
        siege.notify(m.NOTICE, range(1, 31))
        writing = asyncio.create_task(_write(siege, 25))
        while not writing.done():
            program = siege.program()
            await program.start()
            await asyncio.sleep(random.uniform(1.0, 3.0))
            await program.stop(signal.SIGKILL)
            siege.crashes += 1
        await siege.survives(siege.program())
        assert siege.wrong() == []
        print(f"{siege.crashes} kills, {len(siege.updates)} answers")
        assert siege.crashes >= 6
        assert len(siege.updates) > 100


async def _write(siege: Siege, seconds: float) -> None:
    """Everybody goes on writing."""
    ends = asyncio.get_running_loop().time() + seconds
    for number in itertools.count():
        siege.says(random.randint(1, siege.people), f"mẩu {number}")
        await asyncio.sleep(0.1)
        if asyncio.get_running_loop().time() > ends:
            return


@pytest.mark.slow
async def test_a_broadcast_that_is_killed_goes_on_where_it_stopped_at_the_same_pace(sqlite: Database) -> None:
    async with Siege(sqlite, people=300) as siege:
        siege.notify(m.REMINDER, range(1, 301))
        program = siege.program(KIEMDIEM_PACE=28.8)
        await program.start()
        await siege.api.until(lambda: sum(len(user.received) for user in siege.api.users.values()) > 100, 30)
        await program.stop(signal.SIGKILL)
        siege.crashes += 1
        await siege.survives(program)
        assert siege.wrong() == []
        at = [time for time, method, _ in siege.api.accepted if method == "sendMessage"]
        assert max(sum(first <= time < first + 1 for time in at) for first in at) <= 30
        assert len(at) >= 300 - 64
