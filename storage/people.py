"""People and their roles."""

from dataclasses import dataclass
from datetime import date

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
_BY_ID = sa.select(*_COLUMNS).where(m.Person.id == sa.bindparam("id"))
_ROLES = sa.select(m.Role.name, m.Role.unit_id).where(m.Role.person_id == sa.bindparam("id")).order_by(m.Role.id)


def by_id(db: Db, person_id: int) -> Person | None:
    """A person with their roles; *person_id* comes from our own rows, never from outside."""
    row = db.execute(_BY_ID, {"id": person_id}).first()
    if row is None:
        return None
    roles = tuple((name, unit) for name, unit in db.execute(_ROLES, {"id": person_id}))
    return Person(**row._asdict(), roles=roles)


def by_code(db: Db, code: str) -> Person | None:
    """A person by their member code, for the operator's commands."""
    found = db.execute(sa.select(m.Person.id).where(m.Person.code == code)).scalar()
    return by_id(db, found) if found else None
