"""Cycles and their frozen forms."""

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db
from storage.outbox import UNSHOWN
from storage.prepared import Prepared


@dataclass(frozen=True, slots=True)
class CycleRow:
    """A cycle without its rules: ``rules`` fetches them where the digest is not known yet."""

    id: int
    code: str
    digest: str
    closed_at: datetime | None
    opening: bool  # its rows are still being made: no turn and no job sees it


_EVERY = sa.select(m.Cycle.id, m.Cycle.code, m.Cycle.digest, m.Cycle.closed_at, m.Cycle.opening).order_by(
    m.Cycle.id.desc()
)
_NEWEST = Prepared(_EVERY.where(m.Cycle.opening.is_(sa.false())).limit(1))
_OPENING = _EVERY.where(m.Cycle.opening.is_(sa.true())).limit(1)


def newest(db: Db) -> CycleRow | None:
    """The cycle opened last, closed or not; None before the first."""
    return asked_newest(db)()


def asked_newest(db: Db) -> Callable[[], CycleRow | None]:
    """The same, read later."""
    rows = _NEWEST.later(db)
    return lambda: next((CycleRow(*row) for row in rows()), None)


def opening(db: Db) -> CycleRow | None:
    """The cycle whose rows are still being made, if there is one."""
    row = db.execute(_OPENING).first()
    return CycleRow(*row) if row else None


def rules(db: Db, cycle_id: int) -> str:
    """The JSON of a cycle's rules."""
    return db.execute(sa.select(m.Cycle.rules).where(m.Cycle.id == cycle_id)).scalar_one()


def form_body(db: Db, form_id: int) -> str:
    """The JSON of a cycle's frozen form, by the row's id."""
    return db.execute(sa.select(m.CycleForm.body).where(m.CycleForm.id == form_id)).scalar_one()


def every(db: Db) -> list[CycleRow]:
    """All cycles, the newest first: for the operator's list."""
    return [CycleRow(*row) for row in db.execute(_EVERY)]


def make(db: Db, code: str, rules: str, forms: Iterable[tuple[str, str, str, str]], now: datetime) -> int:
    """Make a cycle with its own copy of its forms (roster value, form id, body, digest of the body); its id.

    It is *opening* until ``show``.
    """
    row = {"code": code, "opened_at": now, "opening": True, "rules": rules, "digest": digest(rules)}
    cycle_id = db.execute(sa.insert(m.Cycle).values(row).returning(m.Cycle.id)).scalar_one()
    db.execute(
        sa.insert(m.CycleForm),
        [
            {"cycle_id": cycle_id, "key": key, "form_id": form, "body": body, "digest": digest}
            for key, form, body, digest in forms
        ],
    )
    return cycle_id


def show(db: Db, cycle_id: int, now: datetime) -> None:
    """All rows of a cycle are there: from now on it is the newest one."""
    db.execute(sa.update(m.Cycle).where(m.Cycle.id == cycle_id).values(opening=False, opened_at=now))


def discard(db: Db, cycle_id: int, limit: int) -> int:
    """Delete so many rows of a cycle that is *opening*; how many. With the last one it goes itself."""
    mine = sa.select(m.Cycle.id).where(m.Cycle.id == cycle_id, m.Cycle.opening.is_(sa.true()))
    some = sa.select(m.Assessment.id).where(m.Assessment.cycle_id.in_(mine)).limit(limit)
    gone = db.execute(sa.delete(m.Assessment).where(m.Assessment.id.in_(some))).rowcount
    if not gone:
        db.execute(sa.delete(m.CycleForm).where(m.CycleForm.cycle_id.in_(mine)))
        db.execute(sa.delete(m.Cycle).where(m.Cycle.id.in_(mine)))
    return gone


def reopen(db: Db, cycle_id: int) -> None:
    """A cycle that was closed goes on."""
    db.execute(sa.update(m.Cycle).where(m.Cycle.id == cycle_id).values(closed_at=None))


def change(db: Db, cycle_id: int, rules: str) -> None:
    """Give a running cycle other rules."""
    db.execute(sa.update(m.Cycle).where(m.Cycle.id == cycle_id).values(rules=rules, digest=digest(rules)))


def close(db: Db, cycle_id: int, now: datetime, also: Collection[str] = (m.REMINDER, m.DIGEST)) -> None:
    """End a cycle: nobody is reminded any more, and what still waits to be said about it is withdrawn.

    *also*: the kinds that are withdrawn besides the notices about a review.
    """
    db.execute(sa.update(m.Cycle).where(m.Cycle.id == cycle_id).values(closed_at=now))
    db.execute(
        sa.update(m.Assessment)
        .where(m.Assessment.cycle_id == cycle_id, m.Assessment.remind_at.is_not(None))
        .values(remind_at=None)
    )
    db.execute(
        sa.update(m.Outgoing)
        .where(
            sa.or_(m.Outgoing.state == m.QUEUED, UNSHOWN),
            sa.or_(
                m.Outgoing.kind.in_(also),
                sa.and_(m.Outgoing.kind == m.NOTICE, m.Outgoing.assessment_id.is_not(None)),
            ),
        )
        .values(state=m.WITHDRAWN, why="the cycle was closed")
    )
    # What is on its way may arrive; where it does not, it is not tried again.
    on_its_way = sa.update(m.Outgoing).where(sa.text(m.IN_A_HAND), m.Outgoing.kind.in_(also))
    db.execute(on_its_way.values(expires_at=now))


def digest(rules: str) -> str:
    """What the rules of a cycle are known by."""
    return hashlib.sha256(rules.encode()).hexdigest()
