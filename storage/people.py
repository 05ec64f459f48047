"""People and their roles."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from storage import models as m
from storage.database import Db
from storage.prepared import Prepared, Row, any_of


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
_WITH_ROLES = (
    sa.select(*_COLUMNS, m.Role.name.label("role"), m.Role.unit_id.label("role_in"))
    .outerjoin_from(m.Person, m.Role, m.Role.person_id == m.Person.id)
    .order_by(m.Person.id, m.Role.id)
)
_LOCK = (
    sa.select(m.Person.id)
    .where(m.Person.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Integer))))
    .order_by(m.Person.id)
    .with_for_update(key_share=True)
)
_OF_A_ROSTER = (
    "code", "name", "name_key", "birth_date", "gender", "phone", "position", "form", "unit_id", "admitted_on",
    "exempt_reason",
)  # fmt: skip
_ADD = Prepared(sa.insert(m.Person).values({name: sa.bindparam(name) for name in _OF_A_ROSTER}).inline())
_THESE = Prepared(_WITH_ROLES.where(any_of(m.Person.id, "ids")))


def by_ids(db: Db, ids: Iterable[int]) -> dict[int, Person]:
    """People with their roles; the ids come from our own rows, never from outside."""
    return asked_by_ids(db, ids)()


def asked_by_ids(db: Db, ids: Iterable[int]) -> Callable[[], dict[int, Person]]:
    """The same, read later."""
    rows = _THESE.later(db, ids=list(ids))
    return lambda: {person.id: person for person in _people(rows())}


def by_id(db: Db, person_id: int) -> Person | None:
    """One person with their roles."""
    return by_ids(db, [person_id]).get(person_id)


def by_code(db: Db, code: str) -> Person | None:
    """A person by their member code, for the operator's commands."""
    found = db.execute(sa.select(m.Person.id).where(m.Person.code == code)).scalar()
    return by_id(db, found) if found else None


def ids_of(db: Db, codes: Sequence[str]) -> dict[str, int]:
    """The ids of people by their member codes."""
    found: dict[str, int] = {}
    for start in range(0, len(codes), 500):
        some = sa.select(m.Person.code, m.Person.id).where(m.Person.code.in_(codes[start : start + 500]))
        found |= {row.code: row.id for row in db.execute(some)}
    return found


def ids_after(db: Db, person_id: int, limit: int) -> list[int]:
    """The next ids after *person_id*."""
    return list(db.scalars(sa.select(m.Person.id).where(m.Person.id > person_id).order_by(m.Person.id).limit(limit)))


def lock(db: Db, ids: Iterable[int]) -> None:
    """Hold people until the end of the transaction, in the order of their ids: none of their turns runs meanwhile.

    On SQLite the transaction itself is the lock. As in ``addresses.together``, no insert waits for it.
    """
    if db.dialect.name != "sqlite":
        db.execute(_LOCK, {"ids": list(ids)})


def by_codes(db: Db) -> dict[str, Person]:
    """Everybody by member code, for comparing a roster with what is stored."""
    return {person.code: person for person in _people(db.execute(_WITH_ROLES))}


def _people(rows: Iterable[Row]) -> Iterator[Person]:
    """Of rows with one role each, the person with all of theirs."""
    for columns, theirs in groupby(rows, key=lambda row: row[:-2]):
        person: Row = (*columns, tuple((role, unit) for *_, role, unit in theirs if role is not None))
        yield Person(*person)


def add(db: Db, rows: Sequence[dict[str, Any]]) -> None:
    """Put new people: dicts of the columns that a roster decides."""
    _ADD.each(db, rows)


def change(db: Db, rows: Sequence[dict[str, Any]]) -> None:
    """Write what a roster says of people already there, found by their code; the same columns in every row."""
    if rows:
        columns: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in rows[0] if name != "code"}
        statement = sa.update(m.Person).where(m.Person.code == sa.bindparam("new_code")).values(columns)
        db.execute(statement, [{f"new_{name}": value for name, value in row.items()} for row in rows])
