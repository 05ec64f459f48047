"""How far cells are, from the rows that the asker may see."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from handlers import frozen, rollup
from handlers.cycles import Cycle
from handlers.digests import Group, Standing
from handlers.notices import Stage
from handlers.rollup import FURTHEST, Summary, Tally, furthest_behind_first, total
from handlers.stages import stage
from storage import models as m
from storage import progress, tallies
from storage.database import Db
from storage.people import Person
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


def summary(db: Db, asker: Person, unit_id: int, cycle: Cycle, now: datetime) -> Summary | None:
    """How far all cells under a unit are, for an officer of it or above it; None for others.

    A large unit's is read as the clock kept it a moment ago, unless that stands still: then it is counted here.
    """
    if kept := tallies.fresh(db, asker, unit_id, cycle.id, now):
        return rollup.from_json(*kept)
    whole = progress.rollup(db, asker, unit_id, cycle.id)
    return summed(whole) if whole else None


def summed(whole: Rollup) -> Summary:
    """What a unit's officer is told of the cells under it."""
    cells: list[Tally] = []
    parts: dict[int, list[Tally]] = defaultdict(list)
    for each in whole.cells:
        tally = Tally(each.id, _full_name(whole, each), each.submitted, each.present, each.waits)
        cells.append(tally)
        rest = each.path.removeprefix(whole.path)
        parts[int(rest.partition(".")[0]) if rest else whole.unit_id].append(tally)
    below = furthest_behind_first(total(unit, whole.names[unit], tallies) for unit, tallies in parts.items())
    waiting = [each for each in cells if each.waits]
    return Summary(
        total(whole.unit_id, whole.names[whole.unit_id], below),
        below,
        len(cells),
        len(cells) - len(waiting),
        furthest_behind_first(waiting)[:FURTHEST] if parts.keys() != {each.unit_id for each in cells} else [],
    )


def _full_name(whole: Rollup, cell: Cell) -> str:
    """One that lies deeper is named with what it belongs to, for names repeat."""
    above = [int(unit) for unit in cell.path.removeprefix(whole.path).split(".")[:-2]]
    return f"{cell.name}, {whole.names[above[-1]]}" if above else cell.name
