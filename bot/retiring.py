"""A bot that is ours no more: its addresses are closed, and who has no other must join anew."""

from datetime import datetime
from pathlib import Path

from bot import tables
from bot.listing import some
from handlers.texts import say
from storage import audit, notes, retiring
from storage.database import Db

CHANNEL = "telegram"


def retire_bot(db: Db, bot: str, now: datetime, lang: str, out: Path | None) -> list[str]:
    """Close the addresses of an old bot; what became of them, for the operator. It is recorded."""
    done = retiring.retire(db, CHANNEL, bot)
    for name in notes.beginning(db, f"{notes.STOPPED}{CHANNEL}:{bot}:"):
        notes.write(db, name, None)
    if done.closed:
        audit.record(db, "bot.retired", now)
    if out:
        with tables.private(out) as file:
            tables.write(file, ["member_code"], [[code] for code in done.anew])
    lines = [say(lang, "retired.done", bot=bot, closed=done.closed, moved=done.moved, withdrawn=done.withdrawn)]
    if done.anew:
        lines.append(say(lang, "retired.anew", count=len(done.anew), codes=some(lang, done.anew)))
    return lines
