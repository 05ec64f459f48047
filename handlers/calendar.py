"""Working days, quiet hours, and when a reminder is due."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from handlers.cycles import Cycle

DAY = timedelta(days=1)


def moment(cycle: Cycle, day: date, at: time) -> datetime:
    """A local day and time as a moment, in UTC: moments of one zone do not compare across a change of its clock."""
    return datetime.combine(day, at, cycle.zone).astimezone(UTC)


def local_day(cycle: Cycle, at: datetime) -> date:
    """The day it is at *at* where the organisation is."""
    return cycle.local(at).date()


def is_working_day(cycle: Cycle, day: date) -> bool:
    """Whether people work that day: the weekdays of the season but the days off, and the days worked in exchange."""
    return day in cycle.days_on or (day.weekday() in cycle.week and day not in cycle.days_off)


def working_day(cycle: Cycle, day: date) -> date:
    """*day*, or the next day on which people work."""
    while not is_working_day(cycle, day):
        day += DAY
    return day


def is_quiet(cycle: Cycle, at: datetime) -> bool:
    """Whether nobody may be disturbed at *at*."""
    return not cycle.quiet_until <= cycle.local(at).time() < cycle.quiet_from


def quiet_begins(cycle: Cycle, day: date) -> datetime:
    """When the quiet hours of the evening begin: what was meant for that day is no longer sent from then on."""
    return moment(cycle, day, cycle.quiet_from)


def out_of_quiet(cycle: Cycle, at: datetime) -> datetime:
    """*at*, or the end of the quiet hours it falls in."""
    if not is_quiet(cycle, at):
        return at.astimezone(UTC)
    local = cycle.local(at)
    day = local.date() + (DAY if local.time() >= cycle.quiet_from else 0 * DAY)
    return moment(cycle, day, cycle.quiet_until)


def allowed(cycle: Cycle, at: datetime) -> datetime:
    """*at*, or the first moment after it that is in no quiet hour and on no day off. A day put off keeps its time."""
    at = out_of_quiet(cycle, at)
    day = local_day(cycle, at)
    worked = working_day(cycle, day)
    return at if worked == day else moment(cycle, worked, cycle.local(at).time())


@lru_cache(maxsize=16)
def schedule(cycle: Cycle) -> tuple[datetime, ...]:
    """The moments of the reminder slots in order, each moved out of the quiet hours and onto a working day.

    Slots that meet on one day are one; those before the opening or after the closing are left out.
    """
    due = local_day(cycle, cycle.due)
    by_day: dict[date, datetime] = {}
    for at in sorted(allowed(cycle, moment(cycle, due + slot.days * DAY, slot.at)) for slot in cycle.slots):
        if cycle.opens <= at <= cycle.closes:
            by_day.setdefault(local_day(cycle, at), at)
    return tuple(by_day.values())


def deadline_reminder(cycle: Cycle) -> datetime | None:
    """The slot of the deadline: the last one that is not after it; None where the season has none.

    Neither the limit of reminders nor what a person asked for takes it away.
    """
    return max((at for at in schedule(cycle) if at <= cycle.due), default=None)


def digest_begins(cycle: Cycle, day: date) -> datetime | None:
    """From when on secretaries are sent the digest of a local *day*; None: no digest that day.

    On working days and on the closing day. Where the season closes before the digest's hour, or at it, the last digest
    comes a minute after, so that it says who never submitted.
    """
    closing_day = local_day(cycle, cycle.closes)
    if not local_day(cycle, cycle.opens) <= day <= closing_day:
        return None
    at = moment(cycle, day, cycle.digest_at)
    if day == closing_day:
        return at if at < cycle.closes else cycle.closes.astimezone(UTC) + timedelta(minutes=1)
    return at if is_working_day(cycle, day) else None


def next_reminder(
    cycle: Cycle,
    *,
    reminded: int,
    reminded_at: datetime | None,
    snoozed_until: datetime | None,
    after: datetime,
) -> datetime | None:
    """When somebody who owes is to be reminded next, always later than *after*; None: no more.

    *reminded* is how many reminders they got so far without asking for them, *reminded_at* the last of any kind. What
    they asked for themselves (*snoozed_until*) comes first: neither the limit, the gap nor a day off stands in its way,
    the quiet hours do. The limit never stands in the way of the deadline's own reminder.
    """
    if snoozed_until is not None and snoozed_until > after:
        asked = out_of_quiet(cycle, snoozed_until)
        return asked if asked <= cycle.closes else None
    slots = schedule(cycle)
    if reminded >= cycle.at_most:
        slots = tuple(slot for slot in slots if slot == deadline_reminder(cycle))
    for slot in slots:
        if reminded_at is not None and slot <= reminded_at:
            continue
        at = slot if reminded_at is None else allowed(cycle, max(slot, reminded_at + cycle.minimum_gap))
        if reminded >= cycle.at_most and local_day(cycle, at) != local_day(cycle, slot):
            continue  # the deadline's own reminder belongs to its day
        if after < at <= cycle.closes:
            return at
    return None


def first_reminder(cycle: Cycle, after: datetime) -> datetime | None:
    """When somebody who was never reminded is to be, always later than *after*; None: never."""
    return next_reminder(cycle, reminded=0, reminded_at=None, snoozed_until=None, after=after)
