"""How the machine runs, in counts and ages: for health, metrics and alarms. No ids, no words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages of one kind in one state on one channel: how many, and since when the oldest has been due."""

    channel: str
    kind: str
    state: str
    count: int
    oldest: datetime


def waiting(db: Db, since: datetime) -> list[Waiting]:
    """What has not got out: queued and claimed messages; refused and unsure ones that were due after *since*."""
    each = sa.select(m.Outgoing.sender, m.Outgoing.kind, m.Outgoing.state, m.Outgoing.due_at)
    found = sa.union_all(
        each.where(sa.text(m.WAITING_REPLY)),
        each.where(sa.text(m.WAITING_NOTICE)),
        each.where(sa.text(m.IN_A_HAND)),
        each.where(sa.text(m.FAILED), m.Outgoing.due_at > since),
    ).subquery()
    counts = (
        sa.select(found.c.sender, found.c.kind, found.c.state, sa.func.count(), sa.func.min(found.c.due_at))
        .group_by(found.c.sender, found.c.kind, found.c.state)
        .order_by(found.c.sender, found.c.kind, found.c.state)
    )
    of_channel: dict[tuple[str, str, str], Waiting] = {}  # of several bots of a channel together
    for sender, kind, state, count, oldest in db.execute(counts):
        key = sender.partition(":")[0], kind, state
        so_far = of_channel.get(key, Waiting(*key, 0, oldest))
        of_channel[key] = Waiting(*key, so_far.count + count, min(so_far.oldest, oldest))
    return list(of_channel.values())


def kept_turns(db: Db) -> tuple[int, datetime | None]:
    """How many turns failed and are kept, and since when the oldest."""
    row = db.execute(
        sa.select(sa.func.count(), sa.func.min(m.IncomingKey.at)).where(m.IncomingKey.failed.is_not(None))
    ).one()
    return row[0], row[1]


def overdue(db: Db, cycle_id: int, before: datetime) -> int:
    """How many people should have been put a reminder before then: they owe, and an address of theirs is open."""
    reachable = sa.exists().where(m.Address.person_id == m.Assessment.person_id, m.Address.closed.is_(None))
    return db.execute(
        sa.select(sa.func.count()).where(
            m.Assessment.remind_at < before,
            m.Assessment.cycle_id == cycle_id,
            m.Assessment.state.in_(m.OWES),
            reachable,
        )
    ).scalar_one()


def opened_at(db: Db, cycle_id: int) -> datetime:
    """When a cycle was opened."""
    return db.execute(sa.select(m.Cycle.opened_at).where(m.Cycle.id == cycle_id)).scalar_one()


def any_put(db: Db, keys: Sequence[str]) -> bool:
    """Whether any of these messages was ever put into the outbox."""
    some = sa.select(m.Outgoing.id).where(m.Outgoing.key.in_(keys[:500])).limit(1)
    return db.execute(some).first() is not None


def without_form(db: Db, cycle_id: int) -> int:
    """How many people in a cycle owe a review for which the roster gave no form."""
    return db.execute(
        sa.select(sa.func.count()).where(
            m.Assessment.cycle_id == cycle_id, m.Assessment.form_id.is_(None), m.Assessment.state.in_(m.OWES)
        )
    ).scalar_one()


def newest_answer(db: Db) -> bytes | None:
    """The answer stored last, as it is stored: to see whether the data key opens it."""
    return db.execute(sa.select(m.Answer.words).order_by(m.Answer.id.desc()).limit(1)).scalar()
