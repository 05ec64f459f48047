"""A season is opened in batches, beside a running program: nobody sees it before its last row is there.

Every batch is one small transaction, which notes how far it came. After a kill ``cycle open`` goes on from there: while
rows are missing with the same rules, once the season is shown with the rules that are stored.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from bot.checkpoints import checkpoint
from handlers import cycles as rules
from handlers import forms
from handlers.calendar import allowed, first_reminder
from handlers.cycles import Cycle
from handlers.forms import Form, Problem
from handlers.turn import cycle_of
from storage import audit, cycles, enrolments, notes, outbox, people, pulse, season_counts
from storage import models as m
from storage.cycles import CycleRow
from storage.database import Database, Db, one_at_a_time

OPENING = 7150434  # two commands that open the same season take turns
NOTE = "opening"  # how far it is: "<cycle>:<the last person who has a row>", then "<cycle>:<the last one told>"
FEWEST, MOST = 500, 4_000  # people in one batch
QUICK, SLOW = 0.02, 0.04  # seconds: after a batch that took less or more, the next one is larger or smaller


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A season that is being opened, or was stopped half way."""

    code: str
    since: datetime  # when its rows were begun, or the last one was there
    shown: bool  # every row is there, and people see it
    untold: int  # once it is shown: who can be written to and was not put the first notice


def unfinished(db: Db) -> Unfinished | None:
    """The season that `cycle open` has not done with: rows are missing, or first notices. Only reads."""
    if half := cycles.opening(db):
        return Unfinished(half.code, pulse.opened_at(db, half.id), shown=False, untold=0)
    at, _, last = (notes.read(db, NOTE) or "0:0").partition(":")
    row = cycles.newest(db)
    if row is None or row.closed_at is not None or row.id != int(at):
        return None
    untold = season_counts.left(db, row.id, after=int(last))
    return Unfinished(row.code, pulse.opened_at(db, row.id), shown=True, untold=untold) if untold else None


def resumed(db: Db, cycle: Cycle) -> Cycle | None:
    """The season as it is stored, where *cycle* has its code and was stopped among its first notices."""
    row = next(iter(cycles.every(db)), None)
    if row is None or row.opening or row.closed_at is not None or row.code != cycle.code or not _under_way(db, row):
        return None
    return cycle_of(db, row)


def refused(db: Db, cycle: Cycle) -> Problem | None:
    """Why this season cannot be opened: another one is open or half opened, or one of this code has been."""
    for row in cycles.every(db):
        if row.closed_at is None and not _goes_on(db, row, cycle):
            return Problem("season.half_open" if row.opening else "season.another_open", {"code": row.code})
        if row.closed_at is not None and row.code == cycle.code:
            return Problem("season.same_code", {"code": cycle.code})
    return None


def begin(db: Db, cycle: Cycle, known_forms: Mapping[str, Form], now: datetime) -> Cycle | Problem:
    """Make the season with its rules and its frozen forms, or find it half opened: to go on with, as it is stored."""
    one_at_a_time(db, OPENING)
    if problem := refused(db, cycle):
        return problem
    if stored := resumed(db, cycle):
        return stored
    if (newest := next(iter(cycles.every(db)), None)) and newest.closed_at is None:
        return replace(cycle, id=newest.id)
    frozen = []
    for value, form_id in cycle.forms:
        body = forms.dumps(known_forms[form_id])
        frozen.append((value, form_id, body, forms.digest(body)))
    cycle = replace(cycle, id=cycles.make(db, cycle.code, rules.dumps(cycle), frozen, now))
    notes.write(db, NOTE, f"{cycle.id}:0")
    return cycle


def go_on(db: Db, cycle: Cycle, now: datetime, size: int) -> int | None:
    """Do the next batch: rows first, then the first notices. How many people it was about; None: nothing is left."""
    one_at_a_time(db, OPENING)
    at, _, last = (notes.read(db, NOTE) or "0:0").partition(":")
    if int(at) != cycle.id:
        return None
    if cycles.opening(db) is None:
        page = season_counts.page(db, cycle.id, after=int(last), limit=size)
        put_first_notices(db, cycle, page, now)
        notes.write(db, NOTE, f"{cycle.id}:{page[-1].person_id}" if page else None)
        return len(page) or None
    ids = people.ids_after(db, int(last), size)
    if not ids:
        cycles.show(db, cycle.id, now)
        audit.record(db, "cycle.opened", now, cycle_id=cycle.id)
        notes.write(db, NOTE, f"{cycle.id}:0")
        return 0
    remind_at = first_reminder(cycle, now)
    enrolments.add_missing(db, cycle.id, cycle.admitted_before, remind_at, after=int(last), until=ids[-1])
    notes.write(db, NOTE, f"{cycle.id}:{ids[-1]}")
    return len(ids)


def open_in_batches(
    database: Database,
    cycle: Cycle,
    known_forms: Mapping[str, Form],
    now: datetime,
    *,
    rest: Callable[[float], None] = time.sleep,
    done: Callable[[int], None] = lambda people: None,
) -> Problem | None:
    """Open a season, or go on with a half opened one; a Problem where that cannot be.

    After each batch it rests as long as that took, so that turns get their share of the database. *done* is told how
    many people each batch was about.
    """
    began = database.written(lambda db: begin(db, cycle, known_forms, now))
    if isinstance(began, Problem):
        return began
    size = FEWEST
    while True:
        start = time.perf_counter()
        count = database.written(partial(go_on, cycle=began, now=now, size=size))
        checkpoint("opening.batch")
        if count is None:
            return None
        done(count)
        took = time.perf_counter() - start
        size = min(MOST, size * 2) if took < QUICK else max(FEWEST, size // 2) if took > SLOW else size
        rest(max(took, QUICK))


def discard(database: Database, cycle_id: int, *, rest: Callable[[float], None] = time.sleep) -> None:
    """Take away a half opened season, in batches: nobody has seen it. Stopped half way it can be opened after all."""

    def some(db: Db) -> int:
        one_at_a_time(db, OPENING)
        half = cycles.opening(db)
        if half is None or half.id != cycle_id:
            return 0
        gone = cycles.discard(db, cycle_id, MOST)
        notes.write(db, NOTE, f"{cycle_id}:0" if gone else None)  # from the first row on
        return gone

    while database.written(some):
        rest(QUICK)


def put_first_notices(db: Db, cycle: Cycle, page: list[season_counts.Bound], now: datetime) -> None:
    """Tell those of *page* who can be written to that the season has begun."""
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
                "expires_at": cycle.closes,
                "due_at": at,  # it is worded when it is claimed: the deadline may have moved by then
            }
            for each in page
            if each.address_id is not None
        ],
        now,
    )


def _goes_on(db: Db, row: CycleRow, cycle: Cycle) -> bool:
    """Whether opening *cycle* goes on with the season of *row*, whose deadline may have moved once it is shown."""
    same = row.digest == cycles.digest(rules.dumps(cycle)) if row.opening else row.code == cycle.code
    return same and _under_way(db, row)


def _under_way(db: Db, row: CycleRow) -> bool:
    """Whether a season is half opened: rows or first notices are missing."""
    return row.opening or (notes.read(db, NOTE) or "").startswith(f"{row.id}:")
