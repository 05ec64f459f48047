"""A season is opened, rehearsed, closed, or given another deadline."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from bot.opening import Opening, opening_of
from handlers import cycles as rules
from handlers import forms
from handlers.calendar import allowed, first_reminder, next_reminder
from handlers.cycles import Cycle
from handlers.forms import Form, Problem
from storage import audit, cycles, enrolments, outbox, reminders, season_counts
from storage import models as m
from storage.database import Database, Db


def open_cycle(
    db: Db, cycle: Cycle, known_forms: Mapping[str, Form], now: datetime, lang: str = "vi"
) -> Opening | Problem:
    """Open a season in this transaction: its rules, its frozen forms, a row for everybody, the first notices.

    A Problem where another season is open, or one of this code has been.
    """
    newest = cycles.newest(db)
    if newest is not None and newest.closed_at is None:
        return Problem("season.another_open", {"code": newest.code})
    if any(row.code == cycle.code for row in cycles.every(db)):
        return Problem("season.same_code", {"code": cycle.code})
    frozen = []
    for value, form_id in cycle.forms:
        body = forms.dumps(known_forms[form_id])
        frozen.append((value, form_id, body, forms.digest(body)))
    cycle = replace(cycle, id=cycles.opened(db, cycle.code, rules.dumps(cycle), frozen, now))
    enrolments.add_missing(db, cycle.id, cycle.admitted_before, first_reminder(cycle, now))
    audit.record(db, "cycle.opened", now, cycle_id=cycle.id)
    opening = opening_of(db, cycle, now, lang)
    _put_first_notices(db, cycle, now)
    return opening


def rehearse(
    database: Database, cycle: Cycle, known_forms: Mapping[str, Form], now: datetime, lang: str = "vi"
) -> Opening | Problem:
    """What ``open_cycle`` would do: it is done, looked at and rolled back."""
    with database.engine.connect() as db, db.begin() as transaction:
        found = open_cycle(db, cycle, known_forms, now, lang)
        transaction.rollback()
    return found


def close_cycle(db: Db, cycle: Cycle, now: datetime) -> None:
    """Close a season early: nothing more is taken, and nothing that waits is sent."""
    cycles.close(db, cycle.id, now)
    audit.record(db, "cycle.closed", now, cycle_id=cycle.id)


def move_deadline(db: Db, cycle: Cycle, due: datetime, closes: datetime, now: datetime) -> Cycle | Problem:
    """Give a running season another deadline. Next reminders are set anew, from now on: none is repeated."""
    if not cycle.opens < due <= closes:
        return Problem("season.wrong_order", {})
    moved = replace(cycle, due=due, closes=closes)
    cycles.change(db, cycle.id, rules.dumps(moved))
    reschedule(db, moved, now)
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


def _put_first_notices(db: Db, cycle: Cycle, now: datetime) -> None:
    at = allowed(cycle, max(now, cycle.opens))
    outbox.put_notices(
        db,
        [
            {
                "key": f"opened:{cycle.id}:{each.person_id}",
                "kind": m.NOTICE,
                "address_id": each.address_id,
                "person_id": each.person_id,
                "assessment_id": each.assessment_id,
                "due_at": at,  # it is worded when it is claimed: the deadline may have moved by then
            }
            for each in season_counts.bound(db, cycle.id)
        ],
        now,
    )
