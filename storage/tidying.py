"""Forgets what is no longer needed, a few rows at a time."""

from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db


def empty_bodies(db: Db, before: datetime, limit: int) -> int:
    """Empty the words of messages sent before then; their rows stay. How many."""
    said = sa.text(m.SAID), m.Outgoing.sent_at < before
    old = sa.select(m.Outgoing.id).where(*said).order_by(m.Outgoing.sent_at).limit(limit)
    return db.execute(sa.update(m.Outgoing).where(m.Outgoing.id.in_(old), sa.text(m.SAID)).values(body=None)).rowcount


def forget_keys(db: Db, before: datetime, limit: int) -> int:
    """Forget the keys of what came in before then, but not of turns that failed. How many."""
    old = sa.select(m.IncomingKey.key).where(m.IncomingKey.at < before, m.IncomingKey.failed.is_(None)).limit(limit)
    return db.execute(sa.delete(m.IncomingKey).where(m.IncomingKey.key.in_(old))).rowcount


def forget_attempts(db: Db, before: datetime) -> int:
    """Forget wrong codes and birth dates typed before then. How many."""
    return db.execute(sa.delete(m.Attempt).where(m.Attempt.at < before)).rowcount
