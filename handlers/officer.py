"""The officer's view: counts of all cells under the own unit. Names stay in the cells."""

from handlers import digests
from handlers.cycles import Cycle
from handlers.messages import Choice, Message, Move, Tapped
from handlers.progress import standings, summary
from handlers.texts import say
from handlers.turn import Turn
from handlers.words import an_id
from storage import progress, units
from storage.people import Person


def handle(turn: Turn) -> list[Message]:
    """``committee.show[=unit[/page]]`` and ``committee.unit=unit``; whatever else shows the whole again."""
    where = turn.event.value.partition("=")[2] if isinstance(turn.event, Tapped) else ""
    unit, page = (an_id(part) for part in (*where.split("/"), "")[:2])
    return [_shown(turn, unit, page or 0)]


def _shown(turn: Turn, unit: int | None, page: int) -> Message:
    """The unit that was tapped, if it is the person's business, else their own; which one, where they have several."""
    mine = progress.overseen(turn.db, turn.person) if turn.person else ()
    if turn.person is None or not mine:
        return Message(say(turn.lang, "officer.no_unit"))
    if turn.cycle is None:
        return Message(say(turn.lang, "secretary.no_cycle"))
    if unit is not None and (found := _unit(turn, turn.person, turn.cycle, unit, mine, page)):
        return found
    if len(mine) > 1:
        return which(turn, mine)
    whole = _unit(turn, turn.person, turn.cycle, mine[0], mine, page)
    assert whole is not None
    return whole


def which(turn: Turn, mine: tuple[int, ...]) -> Message:
    """The units to choose from."""
    return Message(
        say(turn.lang, "officer.which"),
        tuple(Choice(f"committee.unit={unit}", found.name) for unit in mine if (found := units.by_id(turn.db, unit))),
    )


def _unit(turn: Turn, person: Person, cycle: Cycle, unit_id: int, mine: tuple[int, ...], page: int) -> Message | None:
    """The counts of one unit; None where it is none of the person's business."""
    whole = summary(turn.db, person, unit_id, cycle, turn.now)
    if whole is None:
        return None
    parent = units.by_id(turn.db, unit_id)
    up = (
        None
        if unit_id in mine or parent is None
        else Move(f"committee.unit={parent.parent_id}", say(turn.lang, "officer.up"))
    )
    name = whole.unit.name
    if not whole.below:
        message = Message(say(turn.lang, "officer.empty", unit=name))
    elif [part.unit_id for part in whole.below] == [unit_id]:
        members = progress.nameless(turn.db, person, unit_id, cycle.id) or []
        message = digests.numbers_only(
            turn.lang, cycle, unit_id, name, standings(turn.db, cycle, members, (), turn.now), turn.now
        )
    else:
        message = digests.rollup(turn.lang, cycle, whole, turn.now, page)
    return Message(message.text, message.choices, (*message.moves, up)) if up else message
