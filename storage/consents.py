"""What people said to a cycle's consent text, each time, with its version."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db
from storage.prepared import Prepared, any_of

_OF = Prepared(
    sa.select(m.Consent.person_id, m.Consent.given)
    .where(
        any_of(m.Consent.person_id, "people"),
        m.Consent.cycle_id == sa.bindparam("cycle"),
        m.Consent.version == sa.bindparam("version"),
    )
    .order_by(m.Consent.id)
)


def newest(db: Db, person_id: int, cycle_id: int, version: str) -> bool | None:
    """The last word of a person on this version of the text: yes, no, or None where it was never asked."""
    return newest_of(db, [person_id], cycle_id, version).get(person_id)


def newest_of(db: Db, people: Collection[int], cycle_id: int, version: str) -> dict[int, bool]:
    """The last word of each of these people on this version of the text; who was never asked is not there."""
    return dict(_OF.rows(db, people=list(people), cycle=cycle_id, version=version))


def record(db: Db, person_id: int, cycle_id: int, version: str, *, given: bool, address_id: int, now: datetime) -> None:
    """Keep what a person said; earlier answers stay."""
    db.execute(
        sa.insert(m.Consent).values(
            person_id=person_id, cycle_id=cycle_id, version=version, given=given, address_id=address_id, at=now
        )
    )
