"""How far a cell is, and how far all cells are, in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from handlers.answers import number
from handlers.calendar import local_day
from handlers.cycles import Cycle
from handlers.messages import Choice, Message, Move
from handlers.notices import Stage, left, when
from handlers.rollup import Summary, Tally
from handlers.texts import say

Group = Literal["submitted", "returned", "in_progress", "not_started", "unlinked", "no_form", "paper", "exempt"]
STAGES: tuple[Group, ...] = ("returned", "in_progress", "not_started")
MISSING: tuple[Group, ...] = (*STAGES, "unlinked", "no_form")
OTHERS: tuple[Group, ...] = ("paper", "exempt")
ACTIONS = ("no_form", "unlinked", "call", "not_started", "returned", "in_progress")
"""Whose trouble is to be dealt with first: what no reminder can mend comes before what one can."""
BY_CHANNEL = {"web_only", "unreachable"}  # groups of version 0.1: its counts tell nothing of stages
ON_A_PAGE = 8  # units offered at once


@dataclass(frozen=True, slots=True)
class Standing:
    """One member as the secretary sees them: never what they wrote."""

    name: str
    group: Group
    stage: Stage | None = None
    rings: bool = True  # an open address on a channel that rings
    unreached: bool = False  # no reminder gets to them
    late: bool = False  # the first time: a correction after the deadline makes nobody late
    reopened: bool = False  # submitted, and being changed all the same
    corrected: bool = False  # on time the first time, and again after the deadline
    reason: str | None = None
    submitted_at: datetime | None = None  # the last time
    first_submitted_at: datetime | None = None

    @property
    def is_silent(self) -> bool:
        """Whether nothing can ring them, though something is still to be done that a reminder could help with."""
        return self.group in STAGES and not self.rings

    @property
    def is_to_be_called(self) -> bool:
        """Whether something is still to be done that no reminder helps with."""
        return self.is_silent and self.unreached


@dataclass(frozen=True, slots=True)
class Before:
    """The last digest that this reader was sent."""

    at: datetime
    counts: Mapping[str, int]


def counts(standings: Iterable[Standing]) -> dict[str, int]:
    """How many members are in each group."""
    found: dict[str, int] = dict.fromkeys(("submitted", *MISSING, *OTHERS), 0)
    for each in standings:
        found[each.group] += 1
    return found


def missing(numbers: Mapping[str, int]) -> int:
    """How many have still to submit."""
    return sum(numbers.get(group, 0) for group in MISSING)


def present(numbers: Mapping[str, int]) -> int:
    """How many are reviewed at all: everybody but the exempt."""
    return sum(numbers.values()) - numbers.get("exempt", 0)


def percent(lang: str, part: int, whole: int) -> str:
    """A share in whole per cent, rounded down: 100 is only all."""
    return say(lang, "digest.percent", number=100 * part // whole if whole else 100)


def cell(
    lang: str,
    cycle: Cycle,
    unit_id: int,
    name: str,
    standings: Sequence[Standing],
    now: datetime,
    before: Before | None,
    *,
    nudge: bool,
) -> Message:
    """How far a cell is: who submitted, who did not and why, what changed, and the one thing to do.

    *nudge*: whether there is anybody whom the reader may remind.
    """
    numbers = counts(standings)
    head = [_head(lang, cycle, name, numbers, now)]
    new = [_again(lang, each) for each in standings if _is_new(each, before)]
    if new:
        head.append(say(lang, "digest.new", names=", ".join(new)))
    if late := sum(each.late for each in standings):
        head.append(say(lang, "digest.late", number=late))
    if corrected := [_with_times(lang, cycle, each) for each in standings if each.corrected]:
        head.append(say(lang, "digest.corrected", number=len(corrected), names=", ".join(corrected)))
    if cycle.runs(now) and (reopened := [each.name for each in standings if each.reopened]):
        head.append(say(lang, "digest.reopened", number=len(reopened), names=", ".join(reopened)))
    groups = [_group(lang, group, standings) for group in (*MISSING, *OTHERS)]
    calls = [each.name for each in standings if each.is_to_be_called]
    tail = [_changed(lang, numbers, before), _action(lang, cycle, numbers, calls, now, nudge)]
    blocks = ("\n".join(filter(None, lines)) for lines in (head, groups, tail))
    moves = (Move(f"cell.nudge={unit_id}", say(lang, "secretary.nudge")),) if nudge and cycle.runs(now) else ()
    return Message("\n\n".join(filter(None, blocks)), moves=moves)


def _head(lang: str, cycle: Cycle, name: str, numbers: Mapping[str, int], now: datetime) -> str:
    return say(
        lang,
        "digest.head",
        unit=name,
        day=f"{local_day(cycle, now):%d/%m/%Y}",
        submitted=numbers["submitted"],
        present=present(numbers),
        share=percent(lang, numbers["submitted"], present(numbers)),
        left=left(lang, cycle, now),
    )


def _is_new(each: Standing, before: Before | None) -> bool:
    return bool(before and each.group == "submitted" and each.submitted_at and each.submitted_at > before.at)


def _group(lang: str, group: Group, standings: Sequence[Standing]) -> str:
    names = [_named(lang, each) for each in standings if each.group == group]
    return say(lang, f"digest.{group}", number=len(names), names=", ".join(names)) if names else ""


def _named(lang: str, each: Standing) -> str:
    """A name with the stage it stopped at and whether nothing rings there, or the reason why it is exempt."""
    notes = []
    if each.reason:
        notes.append(each.reason)
    elif each.stage and each.stage[0] > each.stage[1]:
        notes.append(say(lang, "digest.in_review"))
    elif each.stage:
        notes.append(say(lang, "digest.stage", number=each.stage[0], total=each.stage[1]))
    if each.is_silent:
        notes.append(say(lang, "digest.silent"))
    return f"{each.name} ({'; '.join(notes)})" if notes else each.name


def _again(lang: str, each: Standing) -> str:
    """A name, with a note where it was not submitted for the first time."""
    again = each.submitted_at != each.first_submitted_at
    return say(lang, "digest.again", name=each.name) if again else each.name


def _with_times(lang: str, cycle: Cycle, each: Standing) -> str:
    """A name with the first and the last time it was submitted."""
    assert each.first_submitted_at is not None
    assert each.submitted_at is not None
    first, last = when(lang, cycle, each.first_submitted_at), when(lang, cycle, each.submitted_at)
    return say(lang, "digest.times", name=each.name, first=first, last=last)


def _changed(lang: str, numbers: Mapping[str, int], before: Before | None) -> str:
    if before is None:
        return ""
    compared = ["submitted", *MISSING, *OTHERS]
    if BY_CHANNEL & before.counts.keys():
        compared = [group for group in compared if group not in STAGES]
    steps = {group: numbers[group] - before.counts.get(group, 0) for group in compared}
    changes = [f"{say(lang, f'digest.short_{group}')} {step:+d}" for group, step in steps.items() if step]
    if not changes:
        return say(lang, "digest.unchanged")
    return say(lang, "digest.changed", changes=", ".join(changes).replace("-", "−"))


def _action(
    lang: str, cycle: Cycle, numbers: Mapping[str, int], calls: Sequence[str], now: datetime, nudge: bool
) -> str:
    if not cycle.runs(now) and now >= cycle.opens and (left_out := missing(numbers)):
        return say(lang, "digest.do_closed", number=left_out)
    waiting = {**numbers, "call": len(calls)}
    first = next((what for what in ACTIONS if waiting[what]), None)
    if first is None:
        return say(lang, "digest.do_nothing")
    if first in STAGES and not nudge:
        return say(lang, "digest.do_wait")
    return say(lang, f"digest.do_{first}", number=waiting[first], names=", ".join(calls))


def rollup(lang: str, cycle: Cycle, whole: Summary, now: datetime, page: int = 0) -> Message:
    """How far the units right below one are, the furthest behind first, with the cells that need help most.

    One of them is chosen by its number.
    """
    unit = whole.unit
    pages = max(1, -(-len(whole.below) // ON_A_PAGE))
    page = min(max(page, 0), pages - 1)
    shown = whole.below[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]
    head = say(
        lang,
        "officer.head",
        unit=unit.name,
        day=f"{local_day(cycle, now):%d/%m/%Y}",
        count=_count(lang, unit),
        cells=whole.cells,
        done=whole.done,
        left=left(lang, cycle, now),
    )
    if whole.as_of:
        head = f"{head} {say(lang, 'officer.as_of', time=f'{cycle.local(whole.as_of):%H:%M}')}"
    blocks = [head, "\n".join(_line(lang, each) for each in shown)]
    if whole.furthest:
        blocks.append(say(lang, "officer.furthest", lines="\n".join(_line(lang, each) for each in whole.furthest)))
    moves = [Move(f"committee.show={unit.unit_id}/{page + 1}", say(lang, "officer.more"))] if page + 1 < pages else []
    return Message(
        "\n\n".join(blocks),
        tuple(Choice(f"committee.unit={each.unit_id}", each.name) for each in shown),
        tuple(moves),
    )


def numbers_only(
    lang: str, cycle: Cycle, unit_id: int, name: str, standings: Sequence[Standing], now: datetime
) -> Message:
    """How far one cell is, for somebody who may know counts and no names."""
    numbers = counts(standings)
    groups = [
        say(lang, "officer.group", name=say(lang, f"digest.short_{group}"), number=numbers[group])
        for group in ("submitted", *MISSING, *OTHERS)
        if numbers[group]
    ]
    if silent := sum(each.is_silent for each in standings):
        groups.append(say(lang, "officer.group", name=say(lang, "digest.silent"), number=silent))
    return Message("\n\n".join([_head(lang, cycle, name, numbers, now), "\n".join(groups)]))


def _line(lang: str, each: Tally) -> str:
    return say(lang, "officer.line", unit=each.name, count=_count(lang, each))


def _count(lang: str, each: Tally) -> str:
    share = percent(lang, each.submitted, each.present)
    submitted, present = number(each.submitted, lang), number(each.present, lang)
    return say(lang, "officer.count", submitted=submitted, present=present, share=share)
