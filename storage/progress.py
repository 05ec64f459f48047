"""How far a cell is, and how far all cells under a unit are, for those who may know."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db
from storage.people import Person

SECRETARIES = ("secretary", "deputy")
OFFICERS = ("officer", "admin")


@dataclass(frozen=True, slots=True)
class Member:
    """Where one member of a cell stands, and how they can be reached. No answers."""

    assessment_id: int
    person_id: int
    name: str
    state: str
    exempt_reason: str | None
    place: str
    form_id: int | None
    form_digest: str | None
    reminded: int
    reminded_at: datetime | None
    snoozed_until: datetime | None
    active_at: datetime | None  # the last time they wrote or chose something
    submitted_at: datetime | None  # the last time
    first_submitted_at: datetime | None
    ringing: bool  # an open address on a channel that rings
    passive: bool  # an open address on the web page
    linked: bool  # any address, closed ones too

    @property
    def owes(self) -> bool:
        """Whether it still has to be submitted."""
        return self.state in m.OWES


@dataclass(frozen=True, slots=True)
class Cell:
    """A unit with members of its own: how many of them have submitted, are reviewed, have still to submit."""

    id: int
    name: str
    path: str
    submitted: int
    present: int
    waits: int


@dataclass(frozen=True, slots=True)
class Rollup:
    """A unit with all cells under it that have members in the cycle."""

    unit_id: int
    path: str
    names: dict[int, str]  # of the unit and of everything under it
    cells: list[Cell]


def has_address(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether the person of an assessment has such an address."""
    return sa.exists().where(m.Address.person_id == m.Assessment.person_id, *conditions)


RINGING = has_address(m.Address.closed.is_(None), m.Address.channel != "web")
PASSIVE = has_address(m.Address.closed.is_(None), m.Address.channel == "web")
LINKED = has_address()

_FIRST_TIME = (
    sa.select(m.Submission.at)
    .where(m.Submission.assessment_id == m.Assessment.id, m.Submission.number == 1)
    .scalar_subquery()
)
_MEMBERS = (
    sa.select(
        m.Assessment.id,
        m.Assessment.person_id,
        m.Person.name,
        m.Assessment.state,
        m.Assessment.exempt_reason,
        m.Assessment.place,
        m.Assessment.form_id,
        m.CycleForm.digest,
        m.Assessment.reminded,
        m.Assessment.reminded_at,
        m.Assessment.snoozed_until,
        m.Assessment.active_at,
        m.Assessment.submitted_at,
        sa.func.coalesce(_FIRST_TIME, m.Assessment.submitted_at),
        RINGING,
        PASSIVE,
        LINKED,
    )
    .join(m.Person, m.Person.id == m.Assessment.person_id)
    .outerjoin(m.CycleForm, m.CycleForm.id == m.Assessment.form_id)
    .where(m.Assessment.cycle_id == sa.bindparam("cycle"), m.Assessment.unit_id == sa.bindparam("unit"))
    .order_by(m.Person.name_key, m.Person.id)
)


def members(db: Db, asker: Person, unit_id: int, cycle_id: int) -> list[Member] | None:
    """The members of a cell, for its secretary or deputy; None for anybody else."""
    if unit_id not in asker.units_as(*SECRETARIES):
        return None
    return [Member(*tuple(row)) for row in db.execute(_MEMBERS, {"cycle": cycle_id, "unit": unit_id})]


def nameless(db: Db, asker: Person, unit_id: int, cycle_id: int) -> list[Member] | None:
    """The members of a cell without their names, for an officer above it; None for anybody else."""
    if path_for(db, asker, unit_id) is None:
        return None
    rows = db.execute(_MEMBERS, {"cycle": cycle_id, "unit": unit_id})
    return [replace(Member(*tuple(row)), name="", person_id=0) for row in rows]


def rollup(db: Db, asker: Person, unit_id: int, cycle_id: int) -> Rollup | None:
    """How far all cells under a unit (itself included) are, for an officer of it or above it; None for others."""
    path = path_for(db, asker, unit_id)
    if path is None:
        return None
    under = _under(db, path)
    within = m.Assessment.unit_id.in_(sa.select(m.Unit.id).where(under))
    return Rollup(unit_id, path, *_counted(db, cycle_id, under, within))


def large(db: Db, cycle_id: int, over: int) -> list[Rollup]:
    """Every unit with more than so many cells under it, for the clock: `storage.tallies` shows it to whom it may."""
    if db.execute(sa.select(sa.func.count()).select_from(m.Unit)).scalar_one() <= over:
        return []
    names, cells = _counted(db, cycle_id, sa.true(), sa.true())
    under: dict[int, int] = defaultdict(int)
    for each in cells:
        for unit in each.path.split(".")[:-1]:
            under[int(unit)] += 1
    found = [unit for unit, number in under.items() if number > over]
    paths = db.execute(sa.select(m.Unit.id, m.Unit.path).where(m.Unit.id.in_(found)))
    return [Rollup(unit, path, names, [each for each in cells if each.path.startswith(path)]) for unit, path in paths]


def _counted(
    db: Db, cycle_id: int, under: sa.ColumnElement[bool], within: sa.ColumnElement[bool]
) -> tuple[dict[int, str], list[Cell]]:
    """The names of units, and those with members in the cycle. Names come last: no unit is ever taken away."""
    counts = (
        sa.select(
            m.Assessment.unit_id,
            _number(m.Assessment.state.in_((m.SUBMITTED, m.ACCEPTED))),
            _number(m.Assessment.state != m.EXEMPT),
            _number(m.Assessment.state.in_(m.OWES)),
        )
        .where(m.Assessment.cycle_id == cycle_id, within)
        .group_by(m.Assessment.unit_id)
    )
    numbers = db.execute(counts).all()
    units = {row.id: row for row in db.execute(sa.select(m.Unit.id, m.Unit.name, m.Unit.path).where(under))}
    cells = [Cell(unit, units[unit].name, units[unit].path, *three) for unit, *three in numbers]
    return {unit: row.name for unit, row in units.items()}, cells


def _number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _under(db: Db, path: str) -> sa.ColumnElement[bool]:
    """The units whose path begins so. SQLite's LIKE looks at every unit; a range of paths is found by the index."""
    if db.dialect.name == "sqlite":
        return sa.and_(m.Unit.path >= path, m.Unit.path < path[:-1] + "/")  # "/" comes after "."
    return m.Unit.path.startswith(path, autoescape=True)


def overseen(db: Db, person: Person) -> tuple[int, ...]:
    """The units a person is officer of, without those that lie under another of them."""
    mine = person.units_as(*OFFICERS)
    rows = db.execute(sa.select(m.Unit.id, m.Unit.path).where(m.Unit.id.in_(mine)))
    top: list[tuple[int, str]] = []
    for unit, path in sorted(rows, key=lambda row: (len(row.path), row.id)):
        if not any(path.startswith(above) for _, above in top):
            top.append((unit, path))
    return tuple(unit for unit, _ in top)


def path_for(db: Db, asker: Person, unit_id: int) -> str | None:
    """The path of a unit that is one the asker is officer of, or lies under one; None: it is not."""
    mine = asker.units_as(*OFFICERS)
    rows = db.execute(sa.select(m.Unit.id, m.Unit.path).where(m.Unit.id.in_((*mine, unit_id))))
    paths = {row.id: row.path for row in rows}
    path = paths.get(unit_id)
    return path if path and any(unit in paths and path.startswith(paths[unit]) for unit in mine) else None
