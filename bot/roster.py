"""The roster: who is in which unit, compared with what is stored, then taken in whole."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from bot.checkpoints import checkpoint
from bot.mistakes import Mistake
from bot.roster_file import records
from bot.roster_row import Finding, Member, Reading, unit_key
from bot.season_follows import Synced, sync_assessments
from handlers.texts import say
from handlers.turn import current_cycle
from handlers.words import fold
from storage import audit, cycles, people, roles, units
from storage.database import Db, one_at_a_time
from storage.enrolments import LEFT
from storage.people import Person
from storage.roles import RoleIn
from storage.units import Unit

IMPORTING = 7150433  # what is compared must still be so when it is written
FORMS = ("2A", "2B", "2C")  # the forms of Hướng dẫn 43-HD/BTCTW, as a roster names them


@dataclass(frozen=True, slots=True)
class Roster:
    """A file that was read: its good records, and what is to be said about all of them."""

    members: tuple[Member, ...]
    findings: tuple[Finding, ...]
    rejected: int
    names: Mapping[str, str]  # the units of the good records by key, spelled as most of them do


@dataclass(frozen=True, slots=True)
class Preview:
    """What importing a roster would change, or has changed."""

    findings: tuple[Finding, ...]
    rejected: int
    new: tuple[Member, ...]
    changed: tuple[Member, ...]
    unchanged: int
    absent: int  # stored, but not in the file: they stay
    units_new: Mapping[str, str]  # by key
    units_changed: tuple[Unit, ...]
    synced: Synced | None = None  # how the open cycle followed, once it was taken in

    @property
    def changes(self) -> bool:
        """Whether anything is different from what is stored."""
        return bool(self.new or self.changed or self.units_new or self.units_changed)

    def lines(self, lang: str) -> list[str]:
        """For the operator: a sentence for each finding, then the counts."""
        counts = say(
            lang,
            "roster.counts",
            new=len(self.new),
            changed=len(self.changed),
            unchanged=self.unchanged,
            rejected=self.rejected,
            absent=self.absent,
        )
        tree = say(lang, "roster.units", new=len(self.units_new), names=", ".join(self.units_new.values()) or "-")
        nothing = [] if self.changes else [say(lang, "roster.no_change")]
        return [finding.sentence(lang) for finding in self.findings] + [counts, tree, *nothing]


def read(file: Path, *, today: date, forms: Collection[str] = FORMS) -> Roster:
    """Read and check a roster, record by record; *forms*: the values its form column may have. Raises Unreadable."""
    readings = [Reading(record, today, forms) for record in records(file)]
    first: dict[str, int] = {}
    for reading in filter(lambda reading: reading.is_good, readings):
        if reading.code in first:
            reading.note("rejected", "code_twice", number=first[reading.code])
        first.setdefault(reading.code, reading.record.number)
    members = tuple(r.member for r in readings if r.member and r.is_good)
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for member in members:
        for depth in range(1, len(member.units) + 1):
            spellings[unit_key(member.units[:depth])][member.units[depth - 1]] += 1
    names = {key: counter.most_common(1)[0][0] for key, counter in spellings.items()}
    for reading in readings:
        _compare_spelling(reading, names)
    return Roster(
        members,
        tuple(finding for reading in readings for finding in reading.findings),
        sum(1 for reading in readings if any(found.mark == "rejected" for found in reading.findings)),
        names,
    )


def _compare_spelling(reading: Reading, names: Mapping[str, str]) -> None:
    key = unit_key(reading.units)
    if reading.is_good and any(names[unit_key(reading.units[: i + 1])] != n for i, n in enumerate(reading.units)):
        reading.note("fixed", "unit_spelled", unit=names[key])
    elif reading.units and not reading.is_good and key not in names:
        reading.note("warning", "unit_not_made", unit=reading.units[-1])


def forms_known(db: Db) -> tuple[str, ...]:
    """The values that the form column may have: the official forms and those of the present cycle."""
    cycle = current_cycle(db)
    return tuple(dict.fromkeys((*FORMS, *(value for value, _ in cycle.forms)))) if cycle else FORMS


def compared(db: Db, roster: Roster) -> Preview:
    """What importing *roster* would change; nothing is written."""
    tree = units.by_keys(db)
    keys = {unit.id: key for key, unit in tree.items()}
    stored = people.by_codes(db)
    listed, granted = roles.by_person(db, granted=False), roles.by_person(db, granted=True)

    def known(role: RoleIn) -> tuple[str, str]:
        return role[0], keys[role[1]]

    new, changed = [], []
    for member in roster.members:
        person = stored.get(member.code)
        if person is None:
            new.append(member)
            continue
        wanted = set(_roles(member)) - {known(role) for role in granted.get(person.id, ())}
        holds = {known(role) for role in listed.get(person.id, ())}
        if wanted != holds or keys[person.unit_id] != unit_key(member.units) or _differs(person, member):
            changed.append(member)
    in_file = {member.code for member in roster.members}
    others = [
        (keys[unit], person.code)
        for person in stored.values()
        if person.code not in in_file
        for name, unit in person.roles
        if name == "secretary"
    ]
    return Preview(
        findings=tuple(
            sorted((*roster.findings, *_second_secretaries(roster.members, others)), key=lambda found: found.number)
        ),
        rejected=roster.rejected,
        new=tuple(new),
        changed=tuple(changed),
        unchanged=len(roster.members) - len(new) - len(changed),
        absent=len(stored.keys() - in_file),
        units_new={key: name for key, name in roster.names.items() if key not in tree},
        units_changed=tuple(_units_changed(tree, roster.names)),
    )


def imported(db: Db, roster: Roster, now: datetime) -> Preview:
    """Take the good records in, all of them in this transaction, and let the open cycle follow; what was changed.

    Importing the same file again changes nothing. Nobody is removed for being absent from the file.
    Raises Mistake while a season is half opened.
    """
    one_at_a_time(db, IMPORTING)
    if half := cycles.opening(db):
        raise Mistake("season.half_open", code=half.code)
    preview = compared(db, roster)
    if not preview.changes:
        return preview
    units.add(db, preview.units_new)
    units.change(db, _units_changed(units.by_keys(db), roster.names))
    checkpoint("import.row")
    tree = units.by_keys(db)
    people.add(db, [_row(member, tree) for member in preview.new])
    checkpoint("import.row")
    people.change(db, [_row(member, tree) for member in preview.changed])
    ids = {person.code: person.id for person in people.by_codes(db).values()}
    touched = [*preview.new, *preview.changed]
    roles.follow_roster(
        db,
        [ids[member.code] for member in touched],
        [(ids[member.code], (name, tree[key].id)) for member in touched for name, key in _roles(member)],
    )
    audit.record(db, "roster.imported", now)
    checkpoint("import.row")
    cycle = current_cycle(db)
    return replace(preview, synced=sync_assessments(db, cycle, now) if cycle else None)


def kind(key: str, has_children: bool) -> str:
    """What a unit is by its place in the tree: the root is the committee, what has nothing below is a cell."""
    depth = key.count("/")
    if not has_children:
        return "cell" if depth > 1 else "base_cell"
    return ("committee", "organisation", "division")[min(depth, 2)]


def _units_changed(tree: Mapping[str, Unit], names: Mapping[str, str]) -> list[Unit]:
    """Stored units whose spelling or kind is another once those of *names* stand in the tree as well."""
    parents = {key.rpartition("/")[0] for key in (*tree, *names)}
    after = (replace(u, name=names.get(key, u.name), kind=kind(key, key in parents)) for key, u in tree.items())
    return [unit for unit in after if unit != tree[unit.key]]


def _roles(member: Member) -> list[tuple[str, str]]:
    """The roles of the roster with the key of their unit. An officer serves the whole organisation of the own cell.

    Who has left or died holds none, whatever the file says.
    """
    if member.exempt_reason in LEFT:
        return []
    match member.role:
        case "member":
            return []
        case "officer":
            return [("officer", unit_key(member.units[:2]))]
        case _:
            return [(member.role, unit_key(member.units))]


def _second_secretaries(members: Iterable[Member], stored: Iterable[tuple[str, str]]) -> list[Finding]:
    """Both are secretaries, which may be right for a while, but never goes unsaid."""
    first = dict(stored)
    found = []
    for member in members:
        if member.role == "secretary" and member.exempt_reason not in LEFT:
            other = first.setdefault(unit_key(member.units), member.code)
            if other != member.code:
                values = {"unit": member.units[-1], "other": other}
                found.append(Finding(member.number, member.code, "warning", "roster.second_secretary", values))
    return found


def _fields(member: Member) -> dict[str, Any]:
    """The columns of a person that a roster decides, but for the unit."""
    return {
        "code": member.code,
        "name": member.name,
        "birth_date": member.birth_date,
        "gender": member.gender,
        "phone": member.phone,
        "position": member.position,
        "form": member.form,
        "admitted_on": member.admitted_on,
        "exempt_reason": member.exempt_reason,
    }


def _differs(person: Person, member: Member) -> bool:
    return any(getattr(person, column) != value for column, value in _fields(member).items())


def _row(member: Member, tree: Mapping[str, Unit]) -> dict[str, Any]:
    return {**_fields(member), "name_key": fold(member.name), "unit_id": tree[unit_key(member.units)].id}
