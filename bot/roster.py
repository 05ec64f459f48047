"""The roster: who is in which unit, compared with what is stored, then taken in whole."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from bot.checkpoints import checkpoint
from bot.mistakes import Mistake
from bot.roster_file import records
from bot.roster_judged import Judged, judged, not_made, spelled_otherwise, spellings
from bot.roster_preview import FIELDS, Changed, Preview, steps
from bot.roster_row import Finding, Member, Reading, unit_key
from bot.season_follows import sync_assessments
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
CHANGED_BY = ("roster.imported", "role.granted", "role.revoked")  # records of all that changes what is compared

RoleAt = tuple[str, str]  # a role and the key of its unit


@dataclass(frozen=True, slots=True)
class Roster:
    """A file that was read: its good records, and what is to be said about all of them."""

    members: tuple[Member, ...]
    noted: tuple[Finding, ...]  # of single records
    unmade: tuple[tuple[str, Finding], ...]  # what is said of a refused record if no other names its unit, by key
    rejected: int
    same: frozenset[str] = frozenset()  # codes whose person is the same although name and birth date are others

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything there is to say of the file as such, record by record."""
        names = spellings(self.members)
        also = [finding for key, finding in self.unmade if key not in names]
        return _in_order([*self.noted, *spelled_otherwise(self.members, names), *also])


def read(
    file: Path,
    *,
    today: date,
    forms: Collection[str] = FORMS,
    same: Iterable[str] = (),
    step: Callable[[int], None] = lambda records: None,
) -> Roster:
    """Read and check a roster, record by record; *forms*: the values its form column may have. Raises Unreadable.

    *same*: codes whose person may get another name and another birth date at once. *step* is told how many records
    more were read.
    """
    members: list[Member] = []
    findings: list[Finding] = []
    rejected: set[int] = set()
    first: dict[str, int] = {}
    unmade: list[tuple[str, Finding]] = []
    for record in records(file):
        reading = Reading(record, today, forms)
        if reading.is_good and reading.code in first:
            reading.note("rejected", "code_twice", number=first[reading.code])
        if reading.is_good:
            first[reading.code] = record.number
        findings += reading.findings
        if reading.member and reading.is_good:
            members.append(reading.member)
        elif reading.findings:
            rejected.update(found.number for found in reading.findings if found.mark == "rejected")
            if reading.units:
                unmade.append((unit_key(reading.units), not_made(record.number, reading.code, reading.units)))
        if not record.number % 1000:
            step(1000)
    codes = frozenset(code.strip().upper() for code in same)
    return Roster(tuple(members), tuple(findings), tuple(unmade), len(rejected), codes)


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda found: found.number))  # what was found in a record keeps its order


def forms_known(db: Db) -> tuple[str, ...]:
    """The values that the form column may have: the official forms and those of the present cycle."""
    cycle = current_cycle(db)
    return tuple(dict.fromkeys((*FORMS, *(value for value, _ in cycle.forms)))) if cycle else FORMS


def compared(db: Db, roster: Roster) -> Preview:
    """What importing *roster* would change; nothing is written."""
    tree = units.by_keys(db)
    stored = people.by_codes(db)
    judgement = judged(roster.members, tree.values(), stored, roster.same)
    good, names, planned = judgement.good, judgement.names, judgement.units
    keys = {unit.id: key for key, unit in tree.items()} | {unit.id: unit.key for _, unit in planned.changed}
    paths = _paths(tree.values(), keys, names)
    listed, granted = roles.by_person(db, granted=False), roles.by_person(db, granted=True)

    def known(role: RoleIn) -> RoleAt:
        return role[0], keys[role[1]]

    new, changed = [], []
    for member in good:
        person = stored.get(member.code)
        if person is None:
            new.append(member)
            continue
        wanted = set(_roles(member)) - {known(role) for role in granted.get(person.id, ())}
        holds = {known(role) for role in listed.get(person.id, ())}
        here, there = keys[person.unit_id], unit_key(member.units)
        differs = steps(person, member)
        if here != there:
            differs.append(("unit_path", paths[here], paths[there]))
        if wanted != holds:
            differs.append(("role", *_words(holds, wanted, paths)))
        if differs:
            changed.append(Changed(member, tuple(differs)))
    members: Counter[str] = Counter()
    for path, number in Counter(member.units for member in good).items():
        for depth in range(1, len(path) + 1):
            members[unit_key(path[:depth])] += number
    return Preview(
        findings=_in_order(_said(roster, judgement, tree, stored, keys)),
        rejected=roster.rejected + len(judgement.refused),
        new=tuple(new),
        changed=tuple(changed),
        unchanged=len(good) - len(new) - len(changed),
        absent=len(stored.keys() - {member.code for member in roster.members}),
        units=planned,
        paths=paths,
        members=members,
        ids={each.code: stored[each.code].id for each in changed},
        as_of=audit.last_of(db, CHANGED_BY),
    )


def _said(
    roster: Roster,
    judgement: Judged,
    tree: Mapping[str, Unit],
    stored: Mapping[str, Person],
    keys: Mapping[int, str],
) -> list[Finding]:
    """Everything there is to say of the records, beside what is stored."""
    good, names = judgement.good, judgement.names
    taken = {member.code for member in good}
    secretaries = [
        (keys[unit], person.code)
        for person in stored.values()
        if person.code not in taken
        for name, unit in person.roles
        if name == "secretary"
    ]
    return [
        *roster.noted,
        *judgement.refused,
        *spelled_otherwise(good, names),
        *_second_secretaries(good, secretaries),
        *_doubtful_units(good, judgement.units.alike),
        *(said for key, said in (*roster.unmade, *judgement.unmade) if key not in names and key not in tree),
    ]


def import_roster(db: Db, roster: Roster, now: datetime, preview: Preview | None = None) -> Preview:
    """Take the good records in, all of them in this transaction, and let the open cycle follow; what was changed.

    *preview*: what they were compared to be, which holds as long as nothing was changed since. Importing the same file
    again changes nothing. Nobody is removed for being absent from the file. Raises Mistake while a season is half
    opened.
    """
    one_at_a_time(db, IMPORTING)
    if half := cycles.opening(db):
        raise Mistake("season.half_open", code=half.code)
    if preview is None or preview.as_of != audit.last_of(db, CHANGED_BY):
        preview = compared(db, roster)
    if not preview.changes:
        return preview
    people.lock(db, preview.ids.values())
    units.change(db, [unit for _, unit in preview.units.changed])
    units.add(db, preview.units.new, preview.units.kinds)
    checkpoint("import.row")
    tree = units.by_keys(db)
    people.add(db, [_row(member, tree) for member in preview.new])
    checkpoint("import.row")
    people.change(db, [_row(each.member, tree) for each in preview.changed])
    touched = [*preview.new, *(each.member for each in preview.changed)]
    held = [(member.code, name, key) for member in touched for name, key in _roles(member)]
    ids = {**people.ids_of(db, [code for code, _, _ in held]), **preview.ids}
    roles.follow_roster(db, list(preview.ids.values()), [(ids[code], (name, tree[key].id)) for code, name, key in held])
    audit.record(db, "roster.imported", now)
    checkpoint("import.row")
    cycle = current_cycle(db)
    return replace(preview, synced=sync_assessments(db, cycle, now) if cycle else None)


def _paths(tree: Iterable[Unit], keys: Mapping[int, str], names: Mapping[str, str]) -> dict[str, str]:
    """Every unit's path of names by key, of the file and of what is stored."""
    spelling = {keys[unit.id]: unit.name for unit in tree} | dict(names)
    found: dict[str, str] = {}
    for key in sorted(spelling, key=lambda key: key.count("/")):
        above = key.rpartition("/")[0]
        found[key] = f"{found[above]}/{spelling[key]}" if above in found else spelling[key]
    return found


def _doubtful_units(members: Iterable[Member], alike: Mapping[str, tuple[str, str]]) -> list[Finding]:
    """Each once, at the first record that names it."""
    named: dict[tuple[str, ...], Member] = {}
    for member in members if alike else ():
        named.setdefault(member.units, member)
    found = []
    for key, (name, other) in alike.items():
        below = (member for path, member in named.items() if f"{unit_key(path)}/".startswith(f"{key}/"))
        if first := next(below, None):
            values = {"unit": name, "other": other}
            found.append(Finding(first.number, first.code, "warning", "roster.unit_alike", values))
    return found


def _words(old: Iterable[RoleAt], new: Iterable[RoleAt], paths: Mapping[str, str]) -> tuple[str, str]:
    """Roles before and after; with their units where nothing else differs."""
    was, will = (", ".join(sorted(name for name, _ in roles)) for roles in (old, new))
    if was != will:
        return was, will
    was, will = (", ".join(sorted(f"{name} ({paths[key]})" for name, key in roles)) for roles in (old, new))
    return was, will


def _roles(member: Member) -> list[RoleAt]:
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


def _row(member: Member, tree: Mapping[str, Unit]) -> dict[str, Any]:
    """The columns of a person that a roster decides."""
    fields = {name: getattr(member, name) for name in FIELDS.values()}
    return {
        "code": member.code,
        **fields,
        "name_key": fold(member.name),
        "unit_id": tree[unit_key(member.units)].id,
    }
