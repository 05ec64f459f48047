"""What came in: the keys that are known, and the turns that failed and are kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db, Utc, insert_new
from storage.prepared import Prepared, each_of
from storage.sealing import opened, seal


@dataclass(frozen=True, slots=True)
class Kept:
    """A turn that failed, with what is needed to run it again. ``failed``: the kind of error, never its words."""

    key: str
    at: datetime
    failed: str
    payload: str


_THESE = each_of("keys", sa.Text()).table_valued("value", name="value").c.value
_TAKE_IN = Prepared(
    lambda insert: (
        insert(m.IncomingKey)
        .from_select(["key", "at"], sa.select(_THESE, sa.bindparam("now", type_=Utc)).where(sa.true()))
        .on_conflict_do_nothing()
        .returning(m.IncomingKey.key)
    )
)


def take_in(db: Db, keys: Iterable[str], now: datetime) -> set[str]:
    """Take these in; those that had not been taken in before."""
    return taking_in(db, keys, now)()


def taking_in(db: Db, keys: Iterable[str], now: datetime) -> Callable[[], set[str]]:
    """The same, told later."""
    rows = _TAKE_IN.later(db, keys=list(keys), now=now)
    return lambda: {key for (key,) in rows()}


def keep(db: Db, key: str, failed: str, payload: str, now: datetime) -> bool:
    """Keep a turn that failed, for the operator to run again; False where the key is known already."""
    row = {"key": key, "at": now, "failed": failed, "payload": seal(db, payload, f"incoming/{key}")}
    return db.execute(insert_new(db, m.IncomingKey).returning(m.IncomingKey.key), row).first() is not None


def kept(db: Db) -> list[Kept]:
    """The turns that failed, oldest first."""
    rows = db.execute(
        sa.select(m.IncomingKey).where(m.IncomingKey.failed.is_not(None)).order_by(m.IncomingKey.at, m.IncomingKey.key)
    )
    return [Kept(r.key, r.at, r.failed, opened(db, r.payload, f"incoming/{r.key}") if r.payload else "") for r in rows]


def forget(db: Db, key: str) -> bool:
    """Take a kept turn off the list, so that its key may come in again; False where there is none."""
    done = db.execute(sa.delete(m.IncomingKey).where(m.IncomingKey.key == key, m.IncomingKey.failed.is_not(None)))
    return bool(done.rowcount)


def give_up(db: Db, key: str) -> bool:
    """Never run a kept turn again: its words are emptied, its key stays known; False where there is none."""
    done = db.execute(
        sa.update(m.IncomingKey)
        .where(m.IncomingKey.key == key, m.IncomingKey.failed.is_not(None))
        .values(failed=None, payload=None)
    )
    return bool(done.rowcount)
