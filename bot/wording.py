"""Words a notice in the transaction that claims it, or finds that it is not wanted any more."""

from datetime import datetime, timedelta

from handlers import digests, notices, nudges
from handlers.calendar import allowed, deadline_reminder, is_quiet, local_day, next_reminder, out_of_quiet
from handlers.cycles import Cycle
from handlers.messages import Message, dumps, loads
from handlers.progress import stage_of, standings, summary
from handlers.turn import current_cycle
from storage import addresses, assessments, notes, outbox, people, progress, reminders, units
from storage import models as m
from storage.assessments import Assessment
from storage.database import Db
from storage.enrolments import LEFT
from storage.outbox import Outgoing
from storage.people import Person


def worded(db: Db, outgoing: Outgoing, now: datetime, lang: str = "vi") -> str | datetime | None:
    """The Message of *outgoing* as JSON; a time: ask again then; None: it is withdrawn.

    *lang*: of those who have not chosen one.
    """
    cycle = current_cycle(db)
    person = people.by_id(db, outgoing.person_id) if outgoing.person_id else None
    address = addresses.by_id(db, outgoing.address_id)
    if cycle is None or person is None or address is None or notes.paused(db):
        return None
    if address.closed is not None or address.person_id != person.id or person.exempt_reason in LEFT:
        return None
    lang = person.lang or lang
    match outgoing.kind:
        case m.NOTICE:
            found = _opened(db, outgoing, cycle, now, lang)
        case m.REMINDER:
            found = _reminder(db, outgoing, cycle, now, lang)
        case _:
            found = _digest(db, outgoing, cycle, person, now, lang)
    return dumps(found) if isinstance(found, Message) else found


def _opened(db: Db, outgoing: Outgoing, cycle: Cycle, now: datetime, lang: str) -> Message | datetime | None:
    """The first notice of a season, with the deadline as it is now, to who still owes a review."""
    assert outgoing.assessment_id is not None
    assessment = assessments.by_id(db, outgoing.assessment_id)
    if assessment is None or not assessment.owes or assessment.cycle_id != cycle.id or assessment.form_id is None:
        return None
    if cycle.closed or now > cycle.due:
        return None
    if now < cycle.opens:
        return allowed(cycle, cycle.opens)
    if outgoing.channel != "web" and is_quiet(cycle, now):  # a page rings nobody
        return out_of_quiet(cycle, now)
    return notices.opened(lang, cycle, assessment.id)


def _reminder(db: Db, outgoing: Outgoing, cycle: Cycle, now: datetime, lang: str) -> Message | datetime | None:
    """A reminder, if it still applies. Then it is counted, but not on a page.

    It is asked at each claim, for a send may have failed.
    """
    assert outgoing.assessment_id is not None
    if not cycle.runs(now):
        return None
    if is_quiet(cycle, now):
        morning = out_of_quiet(cycle, now)
        return morning if outgoing.expires_at is not None and morning < outgoing.expires_at else None
    reminders.lock(db, outgoing.assessment_id)
    assessment = assessments.by_id(db, outgoing.assessment_id)
    if assessment is None or not assessment.owes or assessment.cycle_id != cycle.id or assessment.form_id is None:
        return None
    if assessment.exempt_reason is not None:  # a review that was submitted before, and returned since
        return None
    asked = asked_for(outgoing)
    if not asked and assessment.snoozed_until is not None and assessment.snoozed_until > now:
        return None
    if outgoing.body is not None:  # a part of it has been sent, and it is counted
        return loads(outgoing.body)
    if not asked and assessment.reminded_at is not None and now < assessment.reminded_at + cycle.minimum_gap:
        return None
    if not _kind(outgoing) and assessment.reminded >= cycle.at_most and not _is_deadline_day(cycle, now):
        return None
    if outgoing.channel != "web":  # a page rings nobody: it counts once it was shown (`bot.shown`)
        count(db, outgoing, cycle, assessment, now, more=not asked)
    return notices.reminder(
        lang,
        cycle,
        assessment.id,
        now,
        state=assessment.state,
        stage=stage_of(db, assessment.state, assessment.form_id, assessment.form_digest, assessment.place),
    )


def _is_deadline_day(cycle: Cycle, now: datetime) -> bool:
    """Whether the deadline's own reminder belongs to this day."""
    own = deadline_reminder(cycle)
    return own is not None and local_day(cycle, own) == local_day(cycle, now)


def _kind(outgoing: Outgoing) -> str:
    """What kind of reminder: ``reminder:<assessment>:<date>[:snooze:<hour> | :nudge:<turn>]``; "" of the schedule."""
    return next(iter(outgoing.key.split(":")[3:4]), "")


def asked_for(outgoing: Outgoing) -> bool:
    """Whether the person asked for this reminder: it uses up none of the automatic ones."""
    return _kind(outgoing) == "snooze"


def count(db: Db, outgoing: Outgoing, cycle: Cycle, assessment: Assessment, now: datetime, *, more: bool) -> None:
    """Count a reminder that goes out now, and keep in its row what undoes that where it does not get out."""
    snoozed_until, before = assessment.snoozed_until, assessment.reminded_at
    this = reminders.Count(
        at=now,
        more=int(more),
        remind_at=next_reminder(
            cycle,
            reminded=assessment.reminded + more,
            reminded_at=now,
            snoozed_until=snoozed_until,
            after=now,
        ),
        reminded_at_before=before,
        remind_at_unsent=next_reminder(
            cycle, reminded=assessment.reminded, reminded_at=before, snoozed_until=snoozed_until, after=now
        ),
    )
    reminders.count(db, assessment.id, this)
    outbox.set_facts(db, outgoing.id, this.facts())


def _digest(db: Db, outgoing: Outgoing, cycle: Cycle, reader: Person, now: datetime, lang: str) -> Message | None:
    """A digest of what its reader may know now, if anything is still to be done. Its counts are kept with it.

    The last one of a season is sent on the closing day after the closing, unless the season was closed early.
    """
    assert outgoing.unit_id is not None
    over = local_day(cycle, now) > local_day(cycle, cycle.closes) or (cycle.closed and now <= cycle.closes)
    if over or now < cycle.opens or is_quiet(cycle, now):
        return None
    unit = units.by_id(db, outgoing.unit_id)
    members = progress.members(db, reader, outgoing.unit_id, cycle.id)
    if unit is not None and members is not None:
        waiting = outbox.with_waiting_reminder(db, [each.assessment_id for each in members], now)
        standing = standings(db, cycle, members, waiting, now)
        numbers = digests.counts(standing)
        if not digests.missing(numbers):
            return None
        outbox.set_facts(db, outgoing.id, numbers)
        before = _before(db, outgoing, cycle, now)
        nudge = nudges.plan(cycle, nudges.others(members, reader), waiting, now).somebody_soon
        return digests.cell(lang, cycle, unit.id, unit.name, standing, now, before, nudge=nudge)
    whole = summary(db, reader, outgoing.unit_id, cycle, now)
    return digests.rollup(lang, cycle, whole, now) if whole and whole.unit.waits else None


def _before(db: Db, outgoing: Outgoing, cycle: Cycle, now: datetime) -> digests.Before | None:
    """The last digest of this unit that this reader was sent."""
    day, keys = local_day(cycle, cycle.opens), []
    while day < local_day(cycle, now):
        keys.append(f"digest:{outgoing.unit_id}:{day}:{outgoing.person_id}")
        day += timedelta(days=1)
    found = outbox.last_facts(db, keys)
    return digests.Before(*found) if found else None
