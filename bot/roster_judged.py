"""Which records of a roster are taken in beside what is stored, and what becomes of the units that they name."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.roster_row import Finding, Member, unit_key
from bot.roster_units import UnitPlan, plan
from handlers.words import fold
from storage.people import Person
from storage.units import Unit


@dataclass(frozen=True, slots=True)
class Judged:
    """The records that are taken in, and what they alone decide."""

    good: tuple[Member, ...]
    refused: tuple[Finding, ...]
    unmade: tuple[tuple[str, Finding], ...]  # what is said of a refused record if no other names its unit, by key
    names: Mapping[str, str]  # of the good records' units by key, spelled as most of them do
    units: UnitPlan


def judged(
    members: Iterable[Member], tree: Collection[Unit], stored: Mapping[str, Person], same: Collection[str]
) -> Judged:
    """Compare *members* with the units and the people that are stored. A record that is refused decides nothing.

    *same*: codes whose person is the same although name and birth date are others.
    """
    good: list[Member] = []
    refused: list[Finding] = []
    unmade: list[tuple[str, Finding]] = []
    for member in members:
        problem = None if member.code in same else _somebody_else(member, stored.get(member.code))
        if problem:
            refused.append(problem)
            unmade.append((unit_key(member.units), not_made(member.number, member.code, member.units)))
        else:
            good.append(member)
    while True:  # without the records that are refused others may be the ones that rename a unit
        names = spellings(good)
        planned = plan(tree, names)
        if not planned.refused:
            return Judged(tuple(good), tuple(refused), tuple(unmade), names, planned)
        taken: list[Member] = []
        for member in good:
            if bare := planned.refused.get(unit_key(member.units)):
                refused.append(_bare(member, *bare))
            else:
                taken.append(member)
        good = taken


def spellings(members: Iterable[Member]) -> dict[str, str]:
    """The names of the units of *members* and of those above by key, spelled as most of them do."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for path, number in Counter(member.units for member in members).items():
        for depth in range(1, len(path) + 1):
            found[unit_key(path[:depth])][path[depth - 1]] += number
    return {key: counter.most_common(1)[0][0] for key, counter in found.items()}


def spelled_otherwise(members: Iterable[Member], names: Mapping[str, str]) -> list[Finding]:
    """The records that spell a unit in another way than most do."""
    return [
        Finding(each.number, each.code, "fixed", "roster.unit_spelled", {"unit": names[unit_key(each.units)]})
        for each in members
        if not _usual(each.units, names)
    ]


def not_made(number: int, code: str, path: Sequence[str]) -> Finding:
    """What is said of a refused record if no other one names its unit."""
    return Finding(number, code, "warning", "roster.unit_not_made", {"unit": path[-1]})


def _usual(path: tuple[str, ...], names: Mapping[str, str]) -> bool:
    return all(names[unit_key(path[: depth + 1])] == name for depth, name in enumerate(path))


def _bare(member: Member, name: str, other: str) -> Finding:
    return Finding(member.number, member.code, "rejected", "roster.unit_bare", {"unit": name, "other": other})


def _somebody_else(member: Member, person: Person | None) -> Finding | None:
    """The code belongs to somebody with another name and another birth date."""
    if person is None or person.birth_date == member.birth_date or fold(person.name) == fold(member.name):
        return None
    values = {
        "was": person.name,
        "born": f"{person.birth_date:%d/%m/%Y}",
        "name": member.name,
        "birth": f"{member.birth_date:%d/%m/%Y}",
        "code": member.code,
    }
    return Finding(member.number, member.code, "rejected", "roster.somebody_else", values)
