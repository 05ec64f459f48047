"""Seals everything that is stored again with the newest data key, batch by batch."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from storage import models as m
from storage.database import Database, Db
from storage.sealing import current_mark, opened, seal

BATCH = 500  # rows in one transaction: nobody waits long

SEALED: tuple[tuple[Any, Any, Callable[[Any], str]], ...] = (
    (m.Answer.id, m.Answer.words, lambda row: f"answer/{row.assessment_id}/{row.question}/{row.number}"),
    (m.Submission.id, m.Submission.snapshot, lambda row: f"submission/{row.assessment_id}/{row.number}"),
    (m.Outgoing.id, m.Outgoing.body, lambda row: f"outgoing/{row.key}"),
    (m.IncomingKey.key, m.IncomingKey.payload, lambda row: f"incoming/{row.key}"),
)
"""What is sealed: the column to go through it by, the sealed one, and what each row is bound to."""


class NoKey(Exception):
    """A row is sealed with a key that is not among the data keys."""


def reseal(database: Database) -> int:
    """Seal whatever another key sealed, or none, with the newest data key; how many rows that were.

    May be interrupted and run again. Raises NoKey; what was done before stays done.
    """
    return sum(_table(database, *each) for each in SEALED)


def _table(database: Database, place: Any, column: Any, about: Callable[[Any], str]) -> int:
    done, last = 0, None
    while True:
        with database.transaction() as db:
            rows = _next(db, place, column, last)
            for row in rows:
                value = getattr(row, column.key)
                if not value.startswith(current_mark(db)):
                    done += _again(db, place, column, row, value, about(row))
        if not rows:
            return done
        last = getattr(rows[-1], place.key)


def _next(db: Db, place: Any, column: Any, last: Any) -> list[Any]:
    following = [] if last is None else [place > last]
    found = sa.select(place.class_.__table__).where(column.is_not(None), *following).order_by(place).limit(BATCH)
    return list(db.execute(found))


def _again(db: Db, place: Any, column: Any, row: Any, value: bytes, about: str) -> int:
    try:
        words = opened(db, value, about)
    except KeyError:
        raise NoKey from None
    same = sa.update(place.class_).where(place == getattr(row, place.key), column == value)
    return db.execute(same.values({column: seal(db, words, about)})).rowcount
