"""The heartbeat of the clock's jobs."""

from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db, put


def record(db: Db, name: str, now: datetime, *, expected: int, put_out: int) -> None:
    """A job ran. What was expected and put out stays until a run that had something to do."""
    row = {"name": name, "at": now, "expected": expected, "put_out": put_out}
    put(db, m.JobRun, row, change=["at", "expected", "put_out"] if expected else ["at"])


def newest(db: Db) -> dict[str, tuple[datetime, int, int]]:
    """When each job ran last, how many messages its last busy run expected, and how many it put out."""
    rows = db.execute(sa.select(m.JobRun.name, m.JobRun.at, m.JobRun.expected, m.JobRun.put_out))
    return {name: (at, expected, put_out) for name, at, expected, put_out in rows}
