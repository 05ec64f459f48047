"""Plays recorded conversations again: ``python -m tests.conversation`` writes them anew after a change of words.

A transcript is what ``kiemdiem chat --as CODE --record FILE`` writes. Those in ``tests/conversations`` are played one
after another on one demo database, so that the secretary sees what the member did before.
"""

import asyncio
import io
import re
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from bot import logs, play
from storage.database import Database

FOLDER = Path(__file__).with_name("conversations")


async def played(database: Database, now: Callable[[], datetime], transcript: str) -> str:
    """The transcript as it comes out now: the same person says the same lines."""
    heading, *lines = transcript.splitlines()
    code = re.fullmatch(r"# (\S+), .*", heading)
    assert code is not None, heading
    out = io.StringIO()
    seat = play.Seat(database, play.settings_in("."), now, code[1], out)
    await seat.take()
    out.write(f"{heading}\n\n")
    for line in lines:
        if line.startswith("> "):
            await seat.says(line[2:])
    return out.getvalue()


def day_of(transcript: str) -> datetime:
    """Nine in the morning of the day in its heading, when the demo began."""
    day = datetime.fromisoformat(transcript.splitlines()[0].rpartition(", ")[2])
    return datetime.combine(day, play.MORNING, play.settings_in(".").zone)


async def rewrite(folder: str) -> None:
    """Play all of them and keep what came out."""
    files = sorted(FOLDER.glob("*.txt"))
    at = day_of(files[0].read_text("utf-8"))
    database = play.fresh(play.settings_in(folder), at)
    for file in files:
        file.write_text(await played(database, lambda: at, file.read_text("utf-8")), "utf-8")
    database.close()


if __name__ == "__main__":
    logs.set_up("WARNING")
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(rewrite(place))
