"""Cycles and their frozen forms."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db


@dataclass(frozen=True, slots=True)
class CycleRow:
    """A cycle without its rules: ``rules`` fetches them where the digest is not known yet."""

    id: int
    code: str
    digest: str
    closed_at: datetime | None


_CURRENT = sa.select(m.Cycle.id, m.Cycle.code, m.Cycle.digest, m.Cycle.closed_at).order_by(m.Cycle.id.desc()).limit(1)


def newest(db: Db) -> CycleRow | None:
    """The cycle opened last, closed or not; None before the first."""
    row = db.execute(_CURRENT).first()
    return CycleRow(*row) if row else None


def rules(db: Db, cycle_id: int) -> str:
    """The JSON of a cycle's rules."""
    return db.execute(sa.select(m.Cycle.rules).where(m.Cycle.id == cycle_id)).scalar_one()


def form_body(db: Db, form_id: int) -> str:
    """The JSON of a cycle's frozen form, by the row's id."""
    return db.execute(sa.select(m.CycleForm.body).where(m.CycleForm.id == form_id)).scalar_one()
