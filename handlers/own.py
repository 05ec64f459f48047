"""A person's own assessment: found, or why there is nothing to fill in; and loaded to be filled in."""

import re
from collections.abc import Mapping
from datetime import timedelta

from handlers import frozen
from handlers.cycles import Cycle, Taken
from handlers.draft import Filling
from handlers.forms import Form
from handlers.messages import Message
from handlers.notices import deadline, when
from handlers.texts import say
from handlers.turn import Turn
from handlers.words import fold
from storage import models as m
from storage import units
from storage.assessments import Assessment
from storage.database import Db
from storage.people import Person

CUTS_AT = {"telegram": 4096}  # UTF-16 units of a message: the app sends a longer text as several
AT_ONCE = timedelta(minutes=1)  # from one piece of such a text to the next, on a poor line too
_PARTY = re.compile(r"(?:đảng bộ|chi bộ)(?: cơ sở)?\s+", re.IGNORECASE)


def assessment(turn: Turn) -> Assessment | Message:
    """The person's own assessment in the present cycle, or in kind words why there is none to fill in."""
    if turn.person is None or turn.cycle is None:
        return Message(say(turn.lang, "fill.no_cycle"))
    found = turn.group.assessment(turn.person.id)
    if found is None:
        return Message(say(turn.lang, "fill.nobody"))
    if found.state == m.EXEMPT:
        if found.exempt_reason:
            return Message(say(turn.lang, "fill.exempt", reason=found.exempt_reason))
        return Message(say(turn.lang, "fill.exempt_plain"))
    if found.state == m.PAPER:
        return Message(say(turn.lang, "fill.paper"))
    if found.form_id is None:
        return Message(say(turn.lang, "fill.no_form"))
    return found


def taken(turn: Turn, assessment: Assessment) -> Taken:
    """Whether an answer or a submission of theirs is taken now: after the closing only of who is just writing."""
    assert turn.cycle is not None
    return turn.cycle.accepts(turn.now, assessment.active_at if assessment.editable else None)


def in_grace(turn: Turn, assessment: Assessment) -> bool:
    """Whether they may still submit after the closing, because they were writing."""
    assert turn.cycle is not None
    return turn.now > turn.cycle.closes and taken(turn, assessment) == "late"


def until(turn: Turn, assessment: Assessment) -> str:
    """Until when theirs is taken, in words."""
    assert turn.cycle is not None
    closes = when(turn.lang, turn.cycle, turn.cycle.closes)
    if in_grace(turn, assessment):
        return say(turn.lang, "fill.grace_again" if assessment.submitted_at else "fill.grace", closes=closes)
    if assessment.reopened:
        return say(turn.lang, "fill.until", closes=closes)
    return deadline(turn.lang, turn.cycle, turn.now)


def form(db: Db, assessment: Assessment) -> Form:
    """The frozen form of an assessment that has one."""
    assert assessment.form_id is not None
    assert assessment.form_digest is not None
    return frozen.form(db, assessment.form_id, assessment.form_digest)


def filling(turn: Turn, assessment: Assessment) -> Filling:
    """The assessment as it stands, to be filled in. A review that is not started has no answers: all were withdrawn."""
    assert turn.person is not None
    assert turn.cycle is not None
    questions = form(turn.db, assessment)
    known = {} if assessment.state == m.NOT_STARTED else turn.group.answers(assessment)
    confirmed = all(known.get(f.id) or (f.id in known and not f.required) for f in questions.fields)
    return Filling(
        assessment=assessment.id,
        form=questions,
        answers=known,
        place=assessment.place,
        revision=assessment.revision,
        lang=turn.lang,
        facts={} if confirmed else _facts(turn, turn.person, turn.cycle),
        levels=turn.cycle.levels,
        today=turn.cycle.local(turn.now).date(),
        cuts_at=CUTS_AT.get(turn.address.channel, 0),
        at_once=assessment.active_at is not None and turn.now - assessment.active_at <= AT_ONCE,
        final=in_grace(turn, assessment),
    )


def _facts(turn: Turn, person: Person, cycle: Cycle) -> Mapping[str, str]:
    """What is known already of what the header asks. People confirm it; what they change stays theirs."""
    cell = organisation = units.by_id(turn.db, person.unit_id)
    while organisation and organisation.kind not in ("organisation", "base_cell") and organisation.parent_id:
        organisation = units.by_id(turn.db, organisation.parent_id)
    roles = [role for role in ("secretary", "deputy") if person.unit_id in person.units_as(role)]
    retired = "huu" in fold(person.position or "").split()  # a workplace they left is not offered
    return {
        "year": str(cycle.year),
        "name": person.name,
        "birth_date": person.birth_date.isoformat(),
        "unit": cell.name if cell else "",
        "position": person.position or "",
        "party_position": say(turn.lang, f"fill.{roles[0]}") if roles else "",
        "workplace": "" if retired or organisation is None else _PARTY.sub("", organisation.name, count=1),
    }
