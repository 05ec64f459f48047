"""Roles: who does what in which unit. The roster's own follow the roster; granted ones stay until revoked."""

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from storage import models as m
from storage.database import Db, insert_new

RoleIn = tuple[str, int]
"""A function and the unit it is held in: ("secretary", 7)."""


def by_person(db: Db, *, granted: bool) -> dict[int, frozenset[RoleIn]]:
    """The roles of everybody, either those granted by an operator or those of the roster."""
    rows = db.execute(sa.select(m.Role.person_id, m.Role.name, m.Role.unit_id).where(m.Role.granted.is_(granted)))
    found: dict[int, set[RoleIn]] = {}
    for person, name, unit in rows:
        found.setdefault(person, set()).add((name, unit))
    return {person: frozenset(roles) for person, roles in found.items()}


def follow_roster(db: Db, people: Collection[int], roles: Iterable[tuple[int, RoleIn]]) -> None:
    """From now on the roster gives *people* exactly *roles* (person, role). What was granted is left alone."""
    if people:
        db.execute(
            sa.delete(m.Role).where(m.Role.person_id == sa.bindparam("person"), m.Role.granted.is_(False)),
            [{"person": person} for person in people],
        )
    if rows := [{"person_id": p, "name": name, "unit_id": unit, "granted": False} for p, (name, unit) in roles]:
        db.execute(insert_new(db, m.Role), rows)


def grant(db: Db, person_id: int, name: str, unit_id: int) -> bool:
    """Give a role that no roster takes away; False where it was granted already."""
    this = (m.Role.person_id == person_id, m.Role.name == name, m.Role.unit_id == unit_id)
    before = db.execute(sa.select(m.Role.granted).where(*this)).scalar()
    if before is None:
        row = {"person_id": person_id, "name": name, "unit_id": unit_id, "granted": True}
        db.execute(sa.insert(m.Role), row)
    elif not before:
        db.execute(sa.update(m.Role).where(*this).values(granted=True))
    return not before


def revoke(db: Db, person_id: int, name: str, unit_id: int) -> bool:
    """Take a role away; False where there was none. One of the roster's comes back with the next import."""
    done = db.execute(
        sa.delete(m.Role).where(m.Role.person_id == person_id, m.Role.name == name, m.Role.unit_id == unit_id)
    )
    return bool(done.rowcount)
