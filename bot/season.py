"""A season is opened, rehearsed, closed, or given another deadline."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from bot.opening import Opening, opening_of
from bot.season_opening import MOST, begin, go_on, refused, resumed
from handlers import cycles as rules
from handlers.calendar import next_reminder
from handlers.cycles import Cycle
from handlers.forms import Form, Problem
from storage import audit, cycles, outbox, reminders
from storage.database import Database, Db


def open_cycle(
    db: Db, cycle: Cycle, known_forms: Mapping[str, Form], now: datetime, lang: str = "vi"
) -> Opening | Problem:
    """Open a season in this one transaction: its rules, its frozen forms, a row for everybody, the first notices.

    A Problem where another season is open, or one of this code has been. Beside a running program see
    ``season_opening.open_in_batches``.
    """
    opening = opening_of(db, cycle, now, lang)
    began = begin(db, cycle, known_forms, now)
    if isinstance(began, Problem):
        return began
    while go_on(db, began, now, MOST) is not None:
        pass
    return replace(opening, cycle=began)


def rehearse(database: Database, cycle: Cycle, now: datetime, lang: str = "vi") -> Opening | Problem:
    """What ``open_cycle`` would do. Only reads."""
    with database.transaction(read_only=True) as db:
        return refused(db, cycle) or opening_of(db, resumed(db, cycle) or cycle, now, lang)


def close_cycle(db: Db, cycle: Cycle, now: datetime) -> None:
    """Close a season early: nothing more is taken, and nothing that waits is sent."""
    cycles.close(db, cycle.id, now)
    audit.record(db, "cycle.closed", now, cycle_id=cycle.id)


def reopen_cycle(
    db: Db, cycle: Cycle, now: datetime, *, due: datetime | None = None, closes: datetime | None = None
) -> Cycle | Problem:
    """Open the season again that was closed last. Next reminders are set anew, from now on; what was withdrawn when it
    was closed is not sent any more.

    A Problem where a newer season is being opened, or its time is over and it is given no other deadline.
    """
    if newer := cycles.opening(db):
        return Problem("season.half_open", {"code": newer.code})
    again = replace(cycle, due=due or cycle.due, closes=closes or cycle.closes, closed=False)
    if not cycle.opens < again.due <= again.closes:
        return Problem("season.wrong_order", {})
    if again.closes <= now:
        return Problem("season.over", {"code": cycle.code})
    cycles.reopen(db, cycle.id)
    cycles.change(db, cycle.id, rules.dumps(again))
    reschedule(db, again, now)
    audit.record(db, "cycle.reopened", now, cycle_id=cycle.id)
    return again


def move_deadline(db: Db, cycle: Cycle, due: datetime, closes: datetime, now: datetime) -> Cycle | Problem:
    """Give a running season another deadline. Next reminders are set anew, from now on: none is repeated."""
    if not cycle.opens < due <= closes:
        return Problem("season.wrong_order", {})
    moved = replace(cycle, due=due, closes=closes)
    cycles.change(db, cycle.id, rules.dumps(moved))
    reschedule(db, moved, now)
    outbox.reword_first_notices(db, moved.closes)
    audit.record(db, "cycle.deadline_moved", now, cycle_id=cycle.id)
    return moved


def reschedule(db: Db, cycle: Cycle, now: datetime) -> None:
    """Set the next reminder of everybody who owes, always later than *now*."""
    reminders.set_next(
        db,
        [
            (
                assessment,
                next_reminder(
                    cycle, reminded=reminded, reminded_at=reminded_at, snoozed_until=snoozed_until, after=now
                ),
            )
            for assessment, reminded, reminded_at, snoozed_until in reminders.owing(db, cycle.id)
        ],
    )
