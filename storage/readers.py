"""Who gets a digest."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from storage import models as m
from storage.database import Db
from storage.progress import OFFICERS, SECRETARIES
from storage.reminders import best_address


@dataclass(frozen=True, slots=True)
class Reader:
    """A person who is told how far a unit is, at their best open address."""

    person_id: int
    unit_id: int
    address_id: int


def secretaries(db: Db, cycle_id: int) -> list[Reader]:
    """The secretaries and deputies of the cells of a cycle who can be reached."""
    in_cycle = sa.exists().where(m.Assessment.cycle_id == cycle_id, m.Assessment.unit_id == m.Role.unit_id)
    return _readers(db, SECRETARIES, in_cycle)


def officers(db: Db) -> list[Reader]:
    """The officers who can be reached, each for the units they oversee that lie under no other of them."""
    found = _readers(db, OFFICERS, sa.true())
    paths = {row.id: row.path for row in db.execute(sa.select(m.Unit.id, m.Unit.path))}

    def has_above(reader: Reader) -> bool:
        return any(
            other.unit_id != reader.unit_id and paths[reader.unit_id].startswith(paths[other.unit_id])
            for other in by_person[reader.person_id]
        )

    by_person: dict[int, list[Reader]] = defaultdict(list)
    for each in found:
        by_person[each.person_id].append(each)
    return [each for each in found if not has_above(each)]


def _readers(db: Db, roles: Sequence[str], which: sa.ColumnElement[bool]) -> list[Reader]:
    address = best_address(m.Role.person_id).label("address")
    found = (
        sa.select(m.Role.person_id, m.Role.unit_id, address)
        .where(m.Role.name.in_(roles), which)
        .distinct()
        .order_by(m.Role.unit_id, m.Role.person_id)
    )
    return [Reader(*row) for row in db.execute(found) if row.address is not None]
