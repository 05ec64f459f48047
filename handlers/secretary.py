"""The secretary's view of the own cell, and reminding those who have not submitted. No answers are read."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from handlers import digests, nudges
from handlers.cycles import Cycle
from handlers.messages import Choice, Message, Move, Tapped
from handlers.notices import when
from handlers.progress import standings
from handlers.texts import say
from handlers.turn import Turn
from handlers.words import an_id
from storage import notes, outbox, progress, units
from storage.progress import Member


def handle(turn: Turn) -> list[Message]:
    """``cell.show[=unit]``, ``cell.nudge=unit``, ``cell.nudge_yes=unit``; whatever else shows the cell again."""
    name, _, unit = turn.event.value.partition("=") if isinstance(turn.event, Tapped) else ("", "", "")
    view = {"cell.nudge": nudge, "cell.nudge_yes": nudged}.get(name, overview)
    return [_with_cell(turn, an_id(unit), view)]


def _with_cell(turn: Turn, tapped: int | None, view: "View") -> Message:
    """Run *view* on the cell that was tapped, if it is one of the person's own; else show the only one they have."""
    mine = tuple(dict.fromkeys(turn.person.units_as(*progress.SECRETARIES))) if turn.person else ()
    if turn.person is None or not mine:
        return Message(say(turn.lang, "secretary.no_cell"))
    if turn.cycle is None:
        return Message(say(turn.lang, "secretary.no_cycle"))
    if tapped not in mine and len(mine) > 1:
        return which(turn, mine)
    chosen, view = (tapped, view) if tapped in mine else (mine[0], overview)
    members = progress.members(turn.db, turn.person, chosen, turn.cycle.id)
    assert members is not None
    return view(turn, turn.cycle, chosen, members)


def which(turn: Turn, mine: tuple[int, ...]) -> Message:
    """The cells to choose from."""
    return Message(
        say(turn.lang, "secretary.which"),
        tuple(Choice(f"cell.show={unit}", found.name) for unit in mine if (found := units.by_id(turn.db, unit))),
    )


def overview(turn: Turn, cycle: Cycle, unit: int, members: list[Member]) -> Message:
    """The digest, on demand."""
    found = units.by_id(turn.db, unit)
    name = found.name if found else ""
    waiting = outbox.with_waiting_reminder(turn.db, [each.assessment_id for each in members], turn.now)
    plan = nudges.plan(cycle, nudges.others(members, turn.person), waiting, turn.now)
    standing = standings(turn.db, cycle, members, waiting, turn.now)
    message = digests.cell(turn.lang, cycle, unit, name, standing, turn.now, None, nudge=bool(plan.now))
    return replace(message, moves=()) if _refusal(turn, cycle) else message


def nudge(turn: Turn, cycle: Cycle, unit: int, members: list[Member]) -> Message:
    """Who would be reminded and how often they were already, to be confirmed."""
    if refusal := _refusal(turn, cycle):
        return Message(say(turn.lang, refusal), moves=(_back(turn, unit),))
    plan = _plan(turn, cycle, members)
    lines = []
    if rung := [each for each in plan.now if each.ringing]:
        names = "\n".join(f"• {_history(turn, cycle, each)}" for each in rung)
        lines.append(say(turn.lang, "secretary.confirm", number=len(rung), at=_from(turn, cycle, plan.at), names=names))
    elif not plan.now:
        lines.append(say(turn.lang, "secretary.nobody"))
    if plan.cooling:
        hours = f"{cycle.minimum_gap.total_seconds() / 3600:g}"
        lines.append(say(turn.lang, "secretary.cooling", hours=hours, names=_names(plan.cooling)))
    if plan.asked:
        lines.append(say(turn.lang, "secretary.asked", names=_names(plan.asked)))
    if plan.waiting:
        lines.append(say(turn.lang, "secretary.waiting", names=_names(plan.waiting)))
    if plan.passive:
        lines.append(say(turn.lang, "secretary.passive", names=_names(plan.passive)))
    if plan.call:
        lines.append(say(turn.lang, "secretary.call", names=_names(plan.call)))
    send = (Move(f"cell.nudge_yes={unit}", say(turn.lang, "secretary.send")),) if plan.now else ()
    return Message("\n\n".join(lines), moves=(*send, _back(turn, unit)))


def nudged(turn: Turn, cycle: Cycle, unit: int, members: list[Member]) -> Message:
    """Remind them: decided anew from what is true now, so that tapping twice reminds once."""
    if refusal := _refusal(turn, cycle):
        return Message(say(turn.lang, refusal), moves=(_back(turn, unit),))
    plan = _plan(turn, cycle, members)
    outbox.put_notices(turn.db, nudges.rows(turn.db, cycle, plan, turn.key), turn.now)
    lines = []
    if rung := len(plan.now) - len(plan.passive):
        name = "nudged" if plan.at <= turn.now else "nudged_later"
        lines.append(say(turn.lang, f"secretary.{name}", number=rung, at=when(turn.lang, cycle, plan.at)))
    if plan.passive:
        lines.append(say(turn.lang, "secretary.nudged_page", names=_names(plan.passive)))
    if not lines:
        lines.append(say(turn.lang, "secretary.nobody"))
    return Message("\n".join(lines), moves=(_back(turn, unit, again=True),))


def _plan(turn: Turn, cycle: Cycle, members: list[Member]) -> nudges.Plan:
    others = nudges.others(members, turn.person)
    waiting = outbox.with_waiting_reminder(turn.db, [each.assessment_id for each in others], turn.now)
    return nudges.plan(cycle, others, waiting, turn.now)


View = Callable[[Turn, Cycle, int, list[Member]], Message]


def _refusal(turn: Turn, cycle: Cycle) -> str | None:
    if not cycle.runs(turn.now):
        return "secretary.closed"
    return "secretary.paused" if notes.paused(turn.db) else None


def _history(turn: Turn, cycle: Cycle, member: Member) -> str:
    if member.reminded_at is None:
        return say(turn.lang, "secretary.never_reminded", name=member.name)
    at = f"{cycle.local(member.reminded_at):%d/%m}"
    return say(turn.lang, "secretary.reminded", name=member.name, number=member.reminded, at=at)


def _from(turn: Turn, cycle: Cycle, at: datetime) -> str:
    if at <= turn.now:
        return say(turn.lang, "secretary.now")
    return say(turn.lang, "secretary.later", at=when(turn.lang, cycle, at))


def _names(members: list[Member]) -> str:
    return ", ".join(member.name for member in members)


def _back(turn: Turn, unit: int, *, again: bool = False) -> Move:
    return Move(f"cell.show={unit}", say(turn.lang, "secretary.again" if again else "secretary.back"))
