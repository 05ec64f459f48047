"""What the clock does: remind, digest, close, tidy, tally. Each in one transaction; running one twice is harmless."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from handlers.calendar import (
    digest_begins,
    is_quiet,
    is_working_day,
    local_day,
    moment,
    next_reminder,
    out_of_quiet,
    quiet_begins,
)
from handlers.cycles import Cycle
from handlers.progress import summed
from handlers.rollup import to_json
from handlers.turn import current_cycle
from storage import cycles, job_runs, notes, outbox, progress, readers, reminders, tallies, tidying
from storage import models as m
from storage.database import Db
from storage.readers import Reader

BATCH = 500  # reminders in one transaction: a turn that waits for it waits a few hundredths of a second
KEYS_KEPT = timedelta(days=30)  # after the cycle closed
BODIES_KEPT = timedelta(days=7)  # after sending
ATTEMPTS_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Done:
    """What a job found to do and how many messages it put out. *more*: call it again, there is more to do."""

    expected: int = 0
    put_out: int = 0
    more: bool = False


def remind(db: Db, now: datetime, cycle: Cycle) -> Done:
    """Put a reminder for each of the next BATCH assessments whose time has come, and set the time of their next one.

    A time whose day is over (the clock stood still) is not made up for: only a slot of today is, once. While
    everything is paused the times move on and nothing is put.
    """
    found = reminders.due(db, now, BATCH)
    today = local_day(cycle, now)
    begins = moment(cycle, today, time(0)) - timedelta(microseconds=1)
    silent = notes.paused(db) or is_quiet(cycle, now) or cycle.closed
    rows: list[dict[str, Any]] = []
    times: list[tuple[int, datetime | None]] = []
    for each in found:
        if not each.owes or each.cycle_id != cycle.id:
            times.append((each.id, None))
            continue
        at: datetime | None = each.remind_at
        if each.remind_at <= begins:
            at = next_reminder(
                cycle,
                reminded=each.reminded,
                reminded_at=each.reminded_at,
                snoozed_until=each.snoozed_until,
                after=begins,
            )
        if at is None or at > now:
            times.append((each.id, at))
            continue
        goes_out = not silent and each.address_id is not None
        asked_for = each.snoozed_until is not None and at == out_of_quiet(cycle, each.snoozed_until)
        if goes_out:
            asked = f":snooze:{cycle.local(at):%H%M}" if asked_for else ""
            rows.append(
                {
                    "key": f"reminder:{each.id}:{today}{asked}",
                    "kind": m.REMINDER,
                    "address_id": each.address_id,
                    "person_id": each.person_id,
                    "assessment_id": each.id,
                    "due_at": now,
                    "expires_at": quiet_begins(cycle, today),
                }
            )
        following = next_reminder(
            cycle,
            reminded=each.reminded + (goes_out and not asked_for),
            reminded_at=now if goes_out else each.reminded_at,
            snoozed_until=each.snoozed_until,
            after=now,
        )
        times.append((each.id, following))
    reminders.set_next(db, times)
    put_out = outbox.put_notices(db, rows, now)
    job_runs.record(db, "remind", now, expected=len(rows), put_out=put_out)
    return Done(len(rows), put_out, more=len(found) == BATCH)


def digest(db: Db, now: datetime, cycle: Cycle) -> Done:
    """Put today's digests: to secretaries and deputies from ``digest_at``, to officers from ``officer_digest_at``.

    On working days while the cycle runs, to secretaries on the closing day too, until the quiet hours. Each is worded
    when it is claimed, and withdrawn where there is nothing to say; a reader who can be reached only later in the day
    gets it then.
    """
    today = local_day(cycle, now)
    begins = digest_begins(cycle, today)
    who: list[Reader] = []
    if cycle.opens <= now and not (cycle.closed or notes.paused(db) or is_quiet(cycle, now)):
        if begins is not None and now >= begins:
            who += readers.secretaries(db, cycle.id)
        officers_begin = moment(cycle, today, cycle.officer_digest_at)
        if is_working_day(cycle, today) and officers_begin <= now <= cycle.closes:
            who += readers.officers(db)
    rows = [
        {
            "key": f"digest:{each.unit_id}:{today}:{each.person_id}",
            "kind": m.DIGEST,
            "address_id": each.address_id,
            "person_id": each.person_id,
            "unit_id": each.unit_id,
            "due_at": now,
            "expires_at": quiet_begins(cycle, today),
        }
        for each in who
    ]
    put_out = outbox.put_notices(db, rows, now)
    job_runs.record(db, "digest", now, expected=len(rows), put_out=put_out)
    return Done(len(rows), put_out)


@dataclass(frozen=True, slots=True)
class Counted:
    """What large units looked like at a time: which they are, and those that look different from what is kept."""

    at: datetime
    cycle_id: int
    units: list[int]
    changed: dict[int, dict[str, Any]]


def count(db: Db, now: datetime) -> Counted | None:
    """Count every large unit, for ``tally`` to keep. It only reads, and may take long: no turn waits for it."""
    cycle = current_cycle(db)
    if cycle is None:
        return None
    found = {each.unit_id: to_json(summed(each)) for each in progress.large(db, cycle.id, tallies.LARGE)}
    kept = tallies.kept(db, cycle.id) if found else {}
    return Counted(now, cycle.id, list(found), {unit: one for unit, one in found.items() if one != kept.get(unit)})


def tally(db: Db, found: Counted) -> Done:
    """Keep what ``count`` found."""
    tallies.keep(db, found.cycle_id, found.units, found.changed)
    job_runs.record(db, tallies.JOB, found.at, expected=0, put_out=0)
    return Done()


def close(db: Db, now: datetime) -> Done:
    """Close the cycle once nobody may be typing any more. The digests of the closing day are still sent."""
    cycle = current_cycle(db)
    ends = cycle is not None and not cycle.closed and now > cycle.closes + cycle.grace_at_most
    if cycle is not None and ends:
        digest(db, now, cycle)
        cycles.close(db, cycle.id, now, also=(m.REMINDER,))
    job_runs.record(db, "close", now, expected=int(ends), put_out=int(ends))
    return Done(int(ends), int(ends))


def tidy(db: Db, now: datetime) -> Done:
    """Forget what is no longer needed: bodies that were sent, keys of a cycle long closed, wrong attempts."""
    newest = cycles.newest(db)
    gone = tidying.empty_bodies(db, now - BODIES_KEPT, BATCH) + tidying.forget_attempts(db, now - ATTEMPTS_KEPT)
    if newest and newest.closed_at and newest.closed_at + KEYS_KEPT <= now:
        gone += tidying.forget_keys(db, newest.closed_at + KEYS_KEPT, BATCH)
    job_runs.record(db, "tidy", now, expected=gone, put_out=gone)
    return Done(gone, gone, more=gone >= BATCH)
