"""What a web page has not shown yet: a web address is passive, its page comes to fetch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage import addresses
from storage import models as m
from storage.addresses import Address
from storage.claims import CannotWord, Word, lost_sight
from storage.database import Db, cannot_store
from storage.outbox import COLUMNS, Outgoing, read
from storage.prepared import Row
from storage.sealing import seal


@dataclass(frozen=True, slots=True)
class News:
    """Where an address stands: its last number, whether it is still somebody's, whether a notice is due for it."""

    seq: int
    admits: bool
    due: bool


def since(db: Db, address_id: int, seq: int, limit: int) -> list[Outgoing]:
    """The last *limit* messages of a page with a number above *seq*, oldest first; without those already emptied.

    One that cannot be opened (its data key is missing) has no body, and the others are still there.
    """
    rows = db.execute(
        sa.select(*COLUMNS)
        .join(m.Address, m.Address.id == m.Outgoing.address_id)
        .where(m.Outgoing.address_id == address_id, m.Outgoing.seq > seq, m.Outgoing.body.is_not(None))
        .order_by(m.Outgoing.seq.desc())
        .limit(limit)
    ).all()
    return [_readable(db, row) for row in reversed(rows)]


def _readable(db: Db, row: Row) -> Outgoing:
    try:
        return read(db, row)
    except Exception:  # whatever a cipher raises: nothing else is asked here
        *before, _body, seq = row
        without: Row = (*before, None, seq)
        return Outgoing(*without)


def news(db: Db, address_ids: Sequence[int], now: datetime) -> dict[int, News]:
    """Where each of these addresses stands, in one query for all of them."""
    waiting = sa.exists().where(
        m.Outgoing.address_id == m.Address.id, m.Outgoing.state == m.QUEUED, m.Outgoing.due_at <= now
    )
    rows = db.execute(
        sa.select(m.Address.id, m.Address.seq, m.Address.person_id, m.Address.closed, waiting).where(
            m.Address.id.in_(address_ids)
        )
    )
    return {id: News(seq, person is not None and closed is None, due) for id, seq, person, closed, due in rows}


def take_due(db: Db, address_id: int, now: datetime, word: Word) -> int:
    """Give each notice that is due for a page the page's next number; how many were given one.

    Any process that serves the page may do it. As in a turn the person is locked first; then the address, so that
    numbers become visible in their order. Those that have expired or are not wanted any more are closed on the way.
    Raises CannotWord for one that can be neither opened nor worded; an error of the database is raised as it is.
    """
    theirs = sa.select(m.Address.person_id).where(m.Address.id == address_id).scalar_subquery()
    db.execute(sa.select(m.Person.id).where(m.Person.id == theirs).with_for_update(key_share=True))
    db.execute(sa.select(m.Address.id).where(m.Address.id == address_id).with_for_update(key_share=True))
    address = addresses.by_id(db, address_id)
    rows = db.execute(
        sa.select(*COLUMNS)
        .join(m.Address, m.Address.id == m.Outgoing.address_id)
        .where(m.Outgoing.address_id == address_id, m.Outgoing.state == m.QUEUED, m.Outgoing.due_at <= now)
        .order_by(m.Outgoing.due_at, m.Outgoing.id)
        .with_for_update(of=m.Outgoing, skip_locked=True)
    ).all()
    return sum(_given(db, address, _opened(db, row), now, word) for row in rows) if address else 0


def _opened(db: Db, row: Row) -> Outgoing:
    try:
        return read(db, row)
    except Exception as error:
        raise CannotWord(row[1]) from error


def _given(db: Db, address: Address, outgoing: Outgoing, now: datetime, word: Word) -> bool:
    this = sa.update(m.Outgoing).where(m.Outgoing.id == outgoing.id, m.Outgoing.state == m.QUEUED)
    if outgoing.expires_at is not None and outgoing.expires_at < now:
        db.execute(this.values(state=m.EXPIRED))
        return False
    if lost_sight(db, outgoing):
        db.execute(this.values(state=m.WITHDRAWN))
        return False
    if outgoing.body is None or outgoing.is_asked_each_time:
        try:
            body = word(db, outgoing, now)
        except Exception as error:
            if cannot_store(error):
                raise
            raise CannotWord(outgoing.key) from error
        if body is None:
            db.execute(this.values(state=m.WITHDRAWN))
            return False
        if isinstance(body, datetime):
            db.execute(this.values(due_at=body))
            return False
        this = this.values(body=seal(db, body, f"outgoing/{outgoing.key}"))
    db.execute(this.values(state=m.SENT, sent_at=now, seq=addresses.numbered(db, address, 1)))
    return True
