"""The operator's commands for what is stuck: messages that do not get out, turns that failed."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bot.inbox import Inbox, from_json
from handlers.messages import Said
from handlers.texts import say
from storage import audit, incoming, notes, stuck
from storage.database import Database, Db
from storage.incoming import Kept

AT_MOST = 200  # lines of a list


def outbox_lines(db: Db, now: datetime, lang: str) -> list[str]:
    """What does not get out, the oldest first: key, kind, channel, state, for how long, why. Never words."""
    rows = stuck.listed(db, now, AT_MOST)
    left = sum(stuck.counts(db, now).values()) - len(rows)
    table = [(r.key, r.kind, r.channel, r.state, age(now - r.due_at), r.why or "-") for r in rows]
    return [
        *([say(lang, "stuck.paused")] if notes.paused(db) else []),
        *(in_columns(table) or [say(lang, "stuck.nothing")]),
        *([say(lang, "stuck.more", count=left)] if left else []),
    ]


def inbox_lines(db: Db, now: datetime, lang: str) -> list[str]:
    """The turns that failed, the oldest first: key, for how long, kind of error, whether the person went on since."""
    rows = incoming.kept(db)
    table = [
        (kept.key, age(now - kept.at), kept.failed, say(lang, "stuck.went_on") if went_on(db, kept) else "-")
        for kept in rows[:AT_MOST]
    ]
    left = len(rows) - len(table)
    return [
        *(in_columns(table) or [say(lang, "stuck.nothing")]),
        *([say(lang, "stuck.more", count=left)] if left else []),
    ]


def went_on(db: Db, kept: Kept) -> bool:
    """Whether words were kept and their writer answered something since: run again, the words would land in the
    question that is open now. A tap names its question and does no harm."""
    came, writer = from_json(kept.payload)
    return isinstance(came.event, Said) and writer is not None and stuck.went_on(db, writer, kept.at)


async def replay(inbox: Inbox, database: Database, key: str | None, lang: str) -> tuple[list[str], bool]:
    """Run one kept turn again, or all of them but those whose writer went on since; what came of each, and whether
    all went well."""
    rows = await database.read(incoming.kept)
    if key is not None:
        rows = [kept for kept in rows if kept.key == key]
        if not rows:
            return [say(lang, "stuck.not_kept", row=key)], False
    lines, well = [], True
    for kept in rows:
        if key is None and await database.read(lambda db, kept=kept: went_on(db, kept)):  # type: ignore[misc]
            lines.append(say(lang, "stuck.left", row=kept.key))
            continue
        try:
            ran = await inbox.replay(kept)
        except Exception as error:
            lines.append(say(lang, "stuck.failed_again", row=kept.key, error=type(error).__name__))
            well = False
        else:
            lines.append(say(lang, "stuck.replayed" if ran else "stuck.not_kept", row=kept.key))
    return lines or [say(lang, "stuck.nothing")], well


def retry(db: Db, key: str | None, now: datetime, lang: str) -> tuple[str, bool]:
    """Send one message again, or every refused one; what came of it, and whether it was done."""
    if key is None:
        return say(lang, "stuck.retried", count=stuck.retry_refused(db, now)), True
    outcome = stuck.retry(db, key, now)
    return say(lang, f"stuck.retry_{outcome}", row=key), outcome == "done"


def drop(db: Db, key: str, now: datetime, lang: str) -> tuple[str, bool]:
    """Never send a message; what came of it, and whether it was done."""
    outcome = stuck.drop(db, key, now)
    return say(lang, f"stuck.drop_{outcome}", row=key), outcome == "done"


def give_up(db: Db, key: str, now: datetime, lang: str) -> tuple[str, bool]:
    """Never run a kept turn again; what came of it, and whether it was done."""
    if not incoming.give_up(db, key):
        return say(lang, "stuck.not_kept", row=key), False
    audit.record(db, "inbox.given_up", now)
    return say(lang, "stuck.given_up", row=key), True


def age(span: timedelta) -> str:
    """How long, in its two largest units: ``3d 4h``."""
    minutes = max(0, int(span.total_seconds()) // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    return f"{days}d {hours}h" if days else f"{hours}h {minutes}m" if hours else f"{minutes}m"


def in_columns(table: Iterable[Sequence[str]]) -> list[str]:
    """The rows as lines, their cells below one another."""
    rows = list(table)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
