"""The record of who did what to whom: ids, never words."""

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
