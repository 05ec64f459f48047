"""Wrong codes and wrong birth dates, counted so that nobody can guess."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from storage import models as m
from storage.database import Db, one_at_a_time

WINDOW = timedelta(hours=1)
PER_CHAT, PER_CODE, IN_ALL = 5, 5, 200
_COUNTING = 7150432  # tries are counted exactly although turns run in parallel


def exhausted(db: Db, address_id: int, code_hash: str, now: datetime) -> bool:
    """Whether this chat, this code or everybody together has tried too often within the last hour.

    A code is counted whether it exists or not: being shut out tells nothing about it.
    """
    one_at_a_time(db, _COUNTING)
    of_chat, of_code, in_all = db.execute(
        sa.select(
            sa.func.count().filter(m.Attempt.address_id == address_id),
            sa.func.count().filter(m.Attempt.code_hash == code_hash),
            sa.func.count(),
        ).where(m.Attempt.at > now - WINDOW)
    ).one()
    return bool(of_chat >= PER_CHAT or of_code >= PER_CODE or in_all >= IN_ALL)


def failed(db: Db, address_id: int, code_hash: str, now: datetime) -> None:
    """Count a wrong try; those that no longer count are removed."""
    db.execute(sa.delete(m.Attempt).where(m.Attempt.at <= now - WINDOW))
    db.execute(sa.insert(m.Attempt).values(address_id=address_id, code_hash=code_hash, at=now))
