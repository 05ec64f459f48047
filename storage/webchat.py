"""What a web page has not shown yet: a web address is passive, its page comes to fetch.

A notice is *given* when it gets the page's next number (state sent, no ``sent_at``), and counts as sent, with the time
of it, once the page says that it has shown that number. Until then it expires like one that waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage import addresses, notes
from storage import models as m
from storage.addresses import Address
from storage.claims import CannotWord, Word, ahead, lost_sight
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


def _unshown(address_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    """The notices that were given to a page which has not said yet that it has shown them."""
    return m.Outgoing.address_id == address_id, m.Outgoing.state == m.SENT, m.Outgoing.sent_at.is_(None)


def since(db: Db, address_id: int, seq: int, limit: int, now: datetime) -> list[Outgoing]:
    """The last *limit* messages of a page with a number above *seq*, oldest first; without those already emptied, and
    without notices that the page never showed and that have expired by *now*.

    One that cannot be opened (its data key is missing) has no body, and the others are still there.
    """
    rows = db.execute(
        sa.select(*COLUMNS)
        .join(m.Address, m.Address.id == m.Outgoing.address_id)
        .where(
            m.Outgoing.address_id == address_id,
            m.Outgoing.seq > seq,
            m.Outgoing.state == m.SENT,
            m.Outgoing.body.is_not(None),
            sa.or_(m.Outgoing.sent_at.is_not(None), m.Outgoing.expires_at.is_(None), m.Outgoing.expires_at >= now),
        )
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


def _is_due(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(m.Outgoing.due_at <= now, sa.and_(*ahead(now)))


def news(db: Db, address_ids: Sequence[int], now: datetime) -> dict[int, News]:
    """Where each of these addresses stands, in one query for all of them."""
    waiting = sa.exists().where(m.Outgoing.address_id == m.Address.id, m.Outgoing.state == m.QUEUED, _is_due(now))
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
    While everything is paused all of them wait. Raises CannotWord for one that can be neither opened nor worded; an
    error of the database is raised as it is.
    """
    _lock(db, address_id)
    address = addresses.by_id(db, address_id)
    _expire(db, address_id, now)
    if notes.paused(db):
        return 0
    rows = db.execute(
        sa.select(*COLUMNS)
        .join(m.Address, m.Address.id == m.Outgoing.address_id)
        .where(m.Outgoing.address_id == address_id, m.Outgoing.state == m.QUEUED, _is_due(now))
        .order_by(m.Outgoing.due_at, m.Outgoing.id)
        .with_for_update(of=m.Outgoing, skip_locked=True)
    ).all()
    return sum(_given(db, address, _opened(db, row), now, word) for row in rows) if address else 0


def _lock(db: Db, address_id: int) -> None:
    theirs = sa.select(m.Address.person_id).where(m.Address.id == address_id).scalar_subquery()
    db.execute(sa.select(m.Person.id).where(m.Person.id == theirs).with_for_update(key_share=True))
    db.execute(sa.select(m.Address.id).where(m.Address.id == address_id).with_for_update(key_share=True))


def _expire(db: Db, address_id: int, now: datetime) -> None:
    """Close what was given to a page and not shown in its time."""
    late = sa.update(m.Outgoing).where(*_unshown(address_id), m.Outgoing.expires_at < now)
    db.execute(late.values(state=m.EXPIRED, body=None, why="not shown"))


def has_unshown(db: Db, address_id: int, seq: int) -> bool:
    """Whether a page that has shown everything up to *seq* says something new with it."""
    rows = sa.select(m.Address.id).where(m.Address.id == address_id, m.Address.shown < seq, m.Address.seq >= seq)
    return db.execute(rows).first() is not None


def mark_shown(db: Db, address_id: int, seq: int, now: datetime) -> list[Outgoing]:
    """Note that a page has shown everything up to *seq*: the notices that count as sent now, oldest first.

    A number that it was not given, or said before, changes nothing.
    """
    _lock(db, address_id)
    this = sa.update(m.Address).where(m.Address.id == address_id, m.Address.shown < seq, m.Address.seq >= seq)
    if not db.execute(this.values(shown=seq)).rowcount:
        return []
    _expire(db, address_id, now)
    given = (*_unshown(address_id), m.Outgoing.seq <= seq)
    rows = db.execute(
        sa.select(*COLUMNS)
        .join(m.Address, m.Address.id == m.Outgoing.address_id)
        .where(*given)
        .order_by(m.Outgoing.seq)
    ).all()
    db.execute(sa.update(m.Outgoing).where(*given).values(sent_at=now))
    return [_readable(db, row) for row in rows]


def _waits_already(db: Db, outgoing: Outgoing) -> bool:
    """Whether another reminder of the same review was given to this page and not shown yet: one is enough."""
    if outgoing.kind != m.REMINDER or outgoing.assessment_id is None:
        return False
    others = sa.select(m.Outgoing.id).where(
        *_unshown(outgoing.address_id),
        m.Outgoing.kind == m.REMINDER,
        m.Outgoing.assessment_id == outgoing.assessment_id,
    )
    return db.execute(others.limit(1)).first() is not None


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
    if lost_sight(db, outgoing) or _waits_already(db, outgoing):
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
    db.execute(this.values(state=m.SENT, seq=addresses.numbered(db, address, 1)))
    return True
