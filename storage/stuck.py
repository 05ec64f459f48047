"""What cannot go on by itself: messages that were refused, are unsure or wait too long, for the operator."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from storage import audit
from storage import models as m
from storage.database import Db

LONG = timedelta(minutes=10)  # what has been due for longer waits too long
LOOK_BACK = timedelta(days=30)  # an older unsure reminder is of no use to anybody

Outcome = Literal["done", "unknown", "in_hand", "over", "unsure", "emptied"]
"""What came of it: done; no such key; on its way just now; sent, withdrawn or expired already; a reminder that may
have arrived and is never sent twice; its words were emptied."""


_WORDED_LATER = sa.or_(  # by the claim: a row without words is no row whose words were emptied
    m.Outgoing.kind.in_((m.REMINDER, m.DIGEST)),
    sa.and_(m.Outgoing.kind == m.NOTICE, m.Outgoing.assessment_id.is_not(None)),
)


@dataclass(frozen=True, slots=True)
class Stuck:
    """A message that does not get out. Never its words."""

    key: str
    kind: str
    channel: str
    state: str
    due_at: datetime
    why: str | None


def _stuck(now: datetime) -> sa.Subquery:
    """What does not get out. Each part repeats the condition of an index; together they would be found by none."""
    row = sa.select(
        m.Outgoing.id, m.Outgoing.key, m.Outgoing.kind, m.Outgoing.sender, m.Outgoing.state, m.Outgoing.due_at,
        m.Outgoing.why,
    )  # fmt: skip
    late = m.Outgoing.due_at < now - LONG, m.Outgoing.sender.not_like("web:%")  # its page comes to fetch, whenever
    return sa.union_all(
        row.where(sa.text(m.FAILED), sa.or_(m.Outgoing.state == m.REFUSED, m.Outgoing.due_at > now - LOOK_BACK)),
        row.where(sa.text(m.WAITING_REPLY), *late),
        row.where(sa.text(m.WAITING_NOTICE), *late),
        row.where(sa.text(m.IN_A_HAND), *late),
    ).subquery()


def counts(db: Db, now: datetime, stopped: Collection[str] = ()) -> dict[str, int]:
    """How many messages do not get out, by state; without what waits for the *stopped* senders ("telegram:123")."""
    found = _stuck(now)
    ended = found.c.state.in_((m.REFUSED, m.UNSURE))
    states = (
        sa.select(found.c.state, sa.func.count())
        .where(sa.or_(ended, found.c.sender.not_in(list(stopped))))
        .group_by(found.c.state)
        .order_by(found.c.state)
    )
    return {state: number for state, number in db.execute(states)}  # noqa: C416  a dict of rows has no types


def due(db: Db, now: datetime) -> tuple[int, int]:
    """What is due that nobody asked for: reminders that are not put yet, and messages that wait."""
    times = sa.select(sa.func.count()).where(m.Assessment.remind_at <= now)
    waiting = sa.select(sa.func.count()).where(sa.text(m.WAITING_NOTICE), m.Outgoing.due_at <= now)
    return db.execute(times).scalar_one(), db.execute(waiting).scalar_one()


def listed(db: Db, now: datetime, limit: int) -> list[Stuck]:
    """The messages that do not get out, the oldest first."""
    found = _stuck(now)
    columns = found.c.key, found.c.kind, found.c.sender, found.c.state, found.c.due_at, found.c.why
    rows = db.execute(sa.select(*columns).order_by(found.c.due_at, found.c.id).limit(limit))
    return [Stuck(key, kind, sender.partition(":")[0], *rest) for key, kind, sender, *rest in rows]


def retry(db: Db, key: str, now: datetime) -> Outcome:
    """Send a refused message again, or one that waits to be tried again, at once."""
    row = db.execute(
        sa.select(m.Outgoing.state, sa.or_(m.Outgoing.body.is_not(None), _WORDED_LATER)).where(m.Outgoing.key == key)
    ).first()
    if row is None:
        return "unknown"
    state, has_words = row
    if state not in (m.QUEUED, m.REFUSED):
        return "in_hand" if state == m.CLAIMED else "unsure" if state == m.UNSURE else "over"
    if not has_words:
        return "emptied"
    return "done" if _again(db, m.Outgoing.key == key, now) else "in_hand"


def retry_refused(db: Db, now: datetime) -> int:
    """Send every refused message again that still has its words or is worded when it is claimed; how many."""
    return _again(
        db,
        sa.and_(
            sa.text(m.FAILED),
            m.Outgoing.state == m.REFUSED,
            sa.or_(m.Outgoing.body.is_not(None), _WORDED_LATER),
        ),
        now,
    )


def _again(db: Db, which: sa.ColumnElement[bool], now: datetime) -> int:
    done = db.execute(
        sa.update(m.Outgoing)
        .where(which, m.Outgoing.state.in_((m.QUEUED, m.REFUSED)))
        .values(state=m.QUEUED, claimed_by=None, due_at=now, why=None)
    )
    return done.rowcount


def drop(db: Db, key: str, now: datetime) -> Outcome:
    """Never send this message."""
    row = db.execute(
        sa.update(m.Outgoing)
        .where(m.Outgoing.key == key, m.Outgoing.state.in_((m.QUEUED, m.REFUSED, m.UNSURE)))
        .values(state=m.WITHDRAWN, why="dropped by the operator")
        .returning(m.Outgoing.person_id, m.Outgoing.address_id)
    ).first()
    if row is not None:
        audit.record(db, "outbox.dropped", now, person_id=row.person_id, address_id=row.address_id)
        return "done"
    state = db.execute(sa.select(m.Outgoing.state).where(m.Outgoing.key == key)).scalar()
    return "unknown" if state is None else "in_hand" if state == m.CLAIMED else "over"


def went_on(db: Db, person_id: int, since: datetime) -> bool:
    """Whether a person did anything in a review of theirs after *since*."""
    active = sa.select(m.Assessment.id).where(m.Assessment.person_id == person_id, m.Assessment.active_at > since)
    return db.execute(active.limit(1)).first() is not None
