"""What people said to a cycle's consent text, each time, with its version."""

from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db

_NEWEST = (
    sa.select(m.Consent.given)
    .where(
        m.Consent.person_id == sa.bindparam("person"),
        m.Consent.cycle_id == sa.bindparam("cycle"),
        m.Consent.version == sa.bindparam("version"),
    )
    .order_by(m.Consent.id.desc())
    .limit(1)
)


def newest(db: Db, person_id: int, cycle_id: int, version: str) -> bool | None:
    """The last word of a person on this version of the text: yes, no, or None where it was never asked."""
    return db.execute(_NEWEST, {"person": person_id, "cycle": cycle_id, "version": version}).scalar()


def record(db: Db, person_id: int, cycle_id: int, version: str, *, given: bool, address_id: int, now: datetime) -> None:
    """Keep what a person said; earlier answers stay."""
    db.execute(
        sa.insert(m.Consent).values(
            person_id=person_id, cycle_id=cycle_id, version=version, given=given, address_id=address_id, at=now
        )
    )
