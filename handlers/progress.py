"""How far cells are, from the rows that the asker may see."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from handlers import frozen
from handlers.cycles import Cycle
from handlers.digests import Group, Standing, Tally, total
from handlers.notices import Stage
from handlers.stages import stage
from storage import models as m
from storage.database import Db
from storage.progress import Cell, Member, Rollup

LATELY = timedelta(days=3)  # who was on the page since then is left to its reminders


def standings(
    db: Db, cycle: Cycle, members: Sequence[Member], waiting: Collection[int], now: datetime
) -> list[Standing]:
    """What the secretary is told of each member. *waiting*: the assessments for which a reminder waits."""
    return [_standing(db, cycle, each, each.assessment_id in waiting, now) for each in members]


def _standing(db: Db, cycle: Cycle, each: Member, waits: bool, now: datetime) -> Standing:
    first, last, counts = each.first_submitted_at, each.submitted_at, not each.owes
    return Standing(
        name=each.name,
        group=group(each),
        rings=each.ringing,
        unreached=_is_unreached(cycle, each, waits, now),
        stage=stage_of(db, each.state, each.form_id, each.form_digest, each.place),
        late=counts and first is not None and first > cycle.due,
        reopened=m.is_reopened(each.state, each.place),
        corrected=counts and first is not None and last is not None and first <= cycle.due < last,
        reason=each.exempt_reason if each.state == m.EXEMPT else None,
        submitted_at=last,
        first_submitted_at=first,
    )


def _is_unreached(cycle: Cycle, each: Member, waits: bool, now: datetime) -> bool:
    """Whether no reminder gets to them: nothing rings, and they have no page, or have not been on it lately.

    Where a reminder waits for the page to show it, *lately* is the time that is kept between two reminders.
    """
    if each.ringing or not each.passive:
        return not each.ringing
    seen = max((at for at in (each.active_at, each.reminded_at) if at), default=None)
    return seen is None or now - seen > (cycle.minimum_gap if waits else LATELY)


def group(member: Member) -> Group:
    """In which group a member is counted, each in exactly one: how far they are. How they are reached is a mark."""
    match member.state:
        case m.SUBMITTED | m.ACCEPTED:
            return "submitted"
        case m.EXEMPT:
            return "exempt"
        case m.PAPER:
            return "paper"
    if member.form_id is None:
        return "no_form"
    match member.state:
        case m.RETURNED:
            return "returned"
        case m.IN_PROGRESS:
            return "in_progress"
        case _:
            return "not_started" if member.linked else "unlinked"


def stage_of(db: Db, state: str, form_id: int | None, form_digest: str | None, place: str) -> Stage | None:
    """Where somebody who has begun stopped; None before that, and after submitting."""
    if state not in (m.IN_PROGRESS, m.RETURNED) or form_id is None or form_digest is None:
        return None
    return stage(frozen.form(db, form_id, form_digest), place)


def tallies(whole: Rollup) -> list[Tally]:
    """The counts of each cell; one that lies deeper is named with what it belongs to, for names repeat."""
    return [
        Tally(
            each.id,
            _full_name(whole, each),
            submitted=each.states.get(m.SUBMITTED, 0) + each.states.get(m.ACCEPTED, 0),
            present=sum(number for state, number in each.states.items() if state != m.EXEMPT),
            waits=sum(each.states.get(state, 0) for state in m.OWES),
        )
        for each in whole.cells
    ]


def _full_name(whole: Rollup, cell: Cell) -> str:
    above = [int(unit) for unit in cell.path.removeprefix(whole.path).split(".")[:-2]]
    return f"{cell.name}, {whole.names[above[-1]]}" if above else cell.name


def below(whole: Rollup) -> list[Tally]:
    """The counts of what lies right below a unit; a unit with members of its own stands among them itself."""
    parts: dict[int, list[Tally]] = defaultdict(list)
    for each, tally in zip(whole.cells, tallies(whole), strict=True):
        rest = each.path.removeprefix(whole.path)
        parts[int(rest.partition(".")[0]) if rest else whole.unit_id].append(tally)
    return [total(unit, whole.names[unit], cells) for unit, cells in parts.items()]
