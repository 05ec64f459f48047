"""Words a reminder or a digest in the transaction that claims it, or finds that it is not wanted any more."""

from datetime import datetime, timedelta

from handlers import digests, notices
from handlers.calendar import is_quiet, local_day, next_reminder
from handlers.cycles import Cycle
from handlers.messages import Message, dumps
from handlers.progress import below, stage_of, standings, tallies
from handlers.turn import current_cycle
from storage import addresses, assessments, notes, outbox, people, progress, reminders, units
from storage import models as m
from storage.database import Db
from storage.outbox import Outgoing
from storage.people import Person


def worded(db: Db, outgoing: Outgoing, now: datetime, lang: str = "vi") -> str | None:
    """The Message of *outgoing* as JSON; None: it is withdrawn. *lang*: of those who have not chosen one."""
    cycle = current_cycle(db)
    person = people.by_id(db, outgoing.person_id) if outgoing.person_id else None
    address = addresses.by_id(db, outgoing.address_id)
    if cycle is None or person is None or address is None or notes.paused(db):
        return None
    running = not cycle.closed and cycle.opens <= now <= cycle.closes
    theirs = address.closed is None and address.person_id == person.id
    if not running or not theirs or is_quiet(cycle, now):
        return None
    lang = person.lang or lang
    if outgoing.kind == m.REMINDER:
        message = _reminder(db, outgoing, cycle, now, lang)
    else:
        message = _digest(db, outgoing, cycle, person, now, lang)
    return dumps(message) if message else None


def _reminder(db: Db, outgoing: Outgoing, cycle: Cycle, now: datetime, lang: str) -> Message | None:
    """A reminder, if it still applies: then it is counted."""
    assert outgoing.assessment_id is not None
    reminders.lock(db, outgoing.assessment_id)
    assessment = assessments.by_id(db, outgoing.assessment_id)
    if assessment is None or not assessment.owes or assessment.cycle_id != cycle.id or assessment.form_id is None:
        return None
    kind = outgoing.key.split(":")[3:4]  # reminder:<assessment>:<date>[:snooze | :nudge:<n>]
    if kind != ["snooze"]:
        if assessment.snoozed_until is not None and assessment.snoozed_until > now:
            return None
        if assessment.reminded_at is not None and now < assessment.reminded_at + cycle.minimum_gap:
            return None
    if not kind and assessment.reminded >= cycle.at_most:
        return None
    if outgoing.channel != "web":  # a page rings nobody: what waits there was not a reminder sent
        following = next_reminder(
            cycle,
            reminded=assessment.reminded + 1,
            reminded_at=now,
            snoozed_until=assessment.snoozed_until,
            after=now,
        )
        reminders.count(db, assessment.id, now, following)
    return notices.reminder(
        lang,
        cycle,
        assessment.id,
        now,
        state=assessment.state,
        stage=stage_of(db, assessment.state, assessment.form_id, assessment.form_digest, assessment.place),
        submitted_before=assessment.submitted_at is not None,
    )


def _digest(db: Db, outgoing: Outgoing, cycle: Cycle, reader: Person, now: datetime, lang: str) -> Message | None:
    """A digest of what its reader may know now, if anything is still to be done. Its counts are kept with it."""
    assert outgoing.unit_id is not None
    unit = units.by_id(db, outgoing.unit_id)
    members = progress.members(db, reader, outgoing.unit_id, cycle.id)
    if unit is not None and members is not None:
        standing = standings(db, cycle, members)
        numbers = digests.counts(standing)
        if not digests.missing(numbers):
            return None
        outbox.set_facts(db, outgoing.id, numbers)
        before = _before(db, outgoing, cycle, now)
        return digests.cell(lang, cycle, unit.id, unit.name, standing, now, before)
    whole = progress.rollup(db, reader, outgoing.unit_id, cycle.id)
    if whole is None:
        return None
    cells = tallies(whole)
    if not any(each.waits for each in cells):
        return None
    parts = below(whole)
    total = digests.total(whole.unit_id, whole.names[whole.unit_id], parts)
    return digests.rollup(lang, cycle, total, parts, cells, now)


def _before(db: Db, outgoing: Outgoing, cycle: Cycle, now: datetime) -> digests.Before | None:
    """The last digest of this unit that this reader was sent."""
    day, keys = local_day(cycle, cycle.opens), []
    while day < local_day(cycle, now):
        keys.append(f"digest:{outgoing.unit_id}:{day}:{outgoing.person_id}")
        day += timedelta(days=1)
    found = outbox.last_facts(db, keys)
    return digests.Before(*found) if found else None
