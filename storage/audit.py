"""The record of who did what to whom: ids, never words."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db


def record(
    db: Db,
    action: str,
    now: datetime,
    *,
    actor_id: int | None = None,
    person_id: int | None = None,
    unit_id: int | None = None,
    address_id: int | None = None,
    cycle_id: int | None = None,
) -> None:
    """Note an *action* ("address.bound", "role.granted"). No actor: the operator, or the program itself."""
    db.execute(
        sa.insert(m.Audit).values(
            at=now,
            actor_id=actor_id,
            action=action,
            person_id=person_id,
            unit_id=unit_id,
            address_id=address_id,
            cycle_id=cycle_id,
        )
    )


def last_of(db: Db, actions: Collection[str]) -> int:
    """The number of the last record of one of these *actions*; 0: there is none."""
    return db.scalar(sa.select(sa.func.max(m.Audit.id)).where(m.Audit.action.in_(actions))) or 0


def newest(db: Db, action: str, address_id: int) -> int:
    """The number of the last record of an *action* at an address; 0: there is none. Later ones have higher numbers."""
    last = sa.select(sa.func.max(m.Audit.id)).where(m.Audit.action == action, m.Audit.address_id == address_id)
    return db.execute(last).scalar() or 0
