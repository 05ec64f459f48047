"""Whole conversations, recorded and read by people, come out word for word the same."""

from pathlib import Path

import pytest

from bot import play
from tests.conversation import FOLDER, day_of, played


async def test_every_recorded_conversation_is_still_what_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    transcripts = {file.name: file.read_text("utf-8") for file in sorted(FOLDER.glob("*.txt"))}
    at = day_of(next(iter(transcripts.values())))
    database = play.fresh(play.settings_in(str(tmp_path)), at)
    now = {name: await played(database, lambda: at, text) for name, text in transcripts.items()}
    database.close()
    assert now == transcripts
