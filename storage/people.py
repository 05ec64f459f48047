"""People and their roles."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from storage import models as m
from storage.database import Db


@dataclass(frozen=True, slots=True)
class Person:
    """A member, with the functions they hold."""

    id: int
    code: str
    name: str
    birth_date: date
    gender: str | None
    phone: str | None
    position: str | None
    form: str | None
    unit_id: int
    admitted_on: date | None
    exempt_reason: str | None
    lang: str | None
    roles: tuple[tuple[str, int], ...]  # (secretary | deputy | officer | admin, unit id)

    def units_as(self, *roles: str) -> tuple[int, ...]:
        """The units in which the person holds one of these roles."""
        return tuple(unit for name, unit in self.roles if name in roles)


_COLUMNS = (
    m.Person.id,
    m.Person.code,
    m.Person.name,
    m.Person.birth_date,
    m.Person.gender,
    m.Person.phone,
    m.Person.position,
    m.Person.form,
    m.Person.unit_id,
    m.Person.admitted_on,
    m.Person.exempt_reason,
    m.Person.lang,
)
_THESE = sa.select(*_COLUMNS).where(m.Person.id.in_(sa.bindparam("ids", expanding=True)))
_ROLES = (
    sa.select(m.Role.person_id, m.Role.name, m.Role.unit_id)
    .where(m.Role.person_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(m.Role.id)
)


def by_ids(db: Db, ids: Iterable[int]) -> dict[int, Person]:
    """People with their roles; the ids come from our own rows, never from outside."""
    wanted = {"ids": list(ids)}
    roles: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for person_id, name, unit_id in db.execute(_ROLES, wanted):
        roles[person_id].append((name, unit_id))
    return {row.id: Person(**row._asdict(), roles=tuple(roles[row.id])) for row in db.execute(_THESE, wanted)}


def by_id(db: Db, person_id: int) -> Person | None:
    """One person with their roles."""
    return by_ids(db, [person_id]).get(person_id)


def by_code(db: Db, code: str) -> Person | None:
    """A person by their member code, for the operator's commands."""
    found = db.execute(sa.select(m.Person.id).where(m.Person.code == code)).scalar()
    return by_id(db, found) if found else None


def by_codes(db: Db) -> dict[str, Person]:
    """Everybody by member code, for comparing a roster with what is stored."""
    roles: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for person_id, name, unit_id in db.execute(
        sa.select(m.Role.person_id, m.Role.name, m.Role.unit_id).order_by(m.Role.id)
    ):
        roles[person_id].append((name, unit_id))
    rows = db.execute(sa.select(*_COLUMNS).order_by(m.Person.id))
    return {row.code: Person(**row._asdict(), roles=tuple(roles[row.id])) for row in rows}


def add(db: Db, rows: Sequence[dict[str, Any]]) -> None:
    """Put new people: dicts of the columns that a roster decides."""
    if rows:
        db.execute(sa.insert(m.Person), rows)


def change(db: Db, rows: Sequence[dict[str, Any]]) -> None:
    """Write what a roster says of people already there, found by their code; the same columns in every row."""
    if rows:
        columns: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in rows[0] if name != "code"}
        statement = sa.update(m.Person).where(m.Person.code == sa.bindparam("new_code")).values(columns)
        db.execute(statement, [{f"new_{name}": value for name, value in row.items()} for row in rows])
