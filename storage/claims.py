"""How the outbox is emptied: claims, marks, and what becomes of a message that could not be sent.

A claim carries the id of this run of the process. Whoever holds the delivering lock owns every other run's claims at
once. Every statement repeats the claim in its condition, so that a late finisher changes nothing.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from storage import models as m
from storage import notes, reminders
from storage.database import Db, cannot_store
from storage.outbox import COLUMNS, Outgoing, read
from storage.prepared import Prepared, Row, any_of
from storage.sealing import seal

REPLIES = (m.REPLY, m.RECEIPT)
LONGEST_WAIT = timedelta(seconds=60)  # for which a message is put back; a platform's longer wait is kept in memory
Word = Callable[[Db, Outgoing, datetime], str | datetime | None]
"""Words a row that was put without a body, as JSON of its Message; a time: it is to be asked again then; None: it is
not wanted any more. What is said about a review is asked at each claim (``Outgoing.is_asked_each_time``)."""


class CannotWord(Exception):
    """Wording or opening this row raised: nothing is claimed, and the row must be taken out of the way."""

    def __init__(self, key: str) -> None:
        super().__init__("cannot word")
        self.key = key


_OPEN_REPLIES = Prepared(
    sa.select(m.Outgoing.address_id).where(any_of(m.Outgoing.address_id, "ids"), sa.text(m.OPEN_REPLY)).distinct()
)
_SENT = Prepared(
    sa.update(m.Outgoing)
    .where(
        any_of(m.Outgoing.key, "keys"),
        m.Outgoing.state == m.CLAIMED,
        m.Outgoing.claimed_by == sa.bindparam("run"),
    )
    .values(state=m.SENT, sent_at=sa.bindparam("now"))
)


def asked_open_replies(db: Db, address_ids: Iterable[int]) -> Callable[[], set[int]]:
    """Which of these addresses still wait for an earlier reply; read later, with what else is asked then."""
    rows = _OPEN_REPLIES.later(db, ids=list(address_ids))
    return lambda: {address for (address,) in rows()}


def mark_sent(db: Db, keys: Sequence[str], run: str, now: datetime) -> None:
    """The platform took these."""
    if keys:
        _SENT.run(db, keys=list(keys), run=run, now=now)


def _mine(key: str, run: str) -> tuple[sa.ColumnElement[bool], ...]:
    return m.Outgoing.key == key, m.Outgoing.state == m.CLAIMED, m.Outgoing.claimed_by == run


def finish(db: Db, key: str, run: str, state: str, why: str) -> None:
    """The end of a message that was not sent: refused, unsure, withdrawn. It keeps its words for the operator.

    A reminder that is not *unsure* surely was not sent: it does not count.
    """
    if state != m.UNSURE:
        _uncount(db, *_mine(key, run))
    db.execute(sa.update(m.Outgoing).where(*_mine(key, run)).values(state=state, why=why))


def put_back(db: Db, key: str, run: str, due_at: datetime, *, counted: bool, parts_sent: int) -> None:
    """Try again at *due_at*. *counted*: the next failure waits longer. Parts that were sent are not sent again.

    A reminder of which no part was sent waits as though it had never been claimed: without words, and not counted.
    """
    if not parts_sent:
        _uncount(db, *_mine(key, run))
    db.execute(
        sa.update(m.Outgoing)
        .where(*_mine(key, run))
        .values(
            state=m.QUEUED,
            claimed_by=None,
            due_at=due_at,
            created_at=due_at,
            parts_sent=parts_sent,
            attempts=m.Outgoing.attempts + (1 if counted else 0),
        )
    )


def _uncount(db: Db, *which: sa.ColumnElement[bool]) -> None:
    """Undo the count of the reminders among *which* that surely were not sent, and drop their words."""
    these = (*which, m.Outgoing.kind == m.REMINDER, m.Outgoing.parts_sent == 0)
    for row in db.execute(sa.select(m.Outgoing.id, m.Outgoing.assessment_id, m.Outgoing.facts).where(*these)).all():
        if row.facts is not None and row.assessment_id is not None:
            reminders.uncount(db, row.assessment_id, reminders.counted(row.facts))
        db.execute(sa.update(m.Outgoing).where(m.Outgoing.id == row.id).values(body=None, facts=None))


def part_sent(db: Db, key: str, run: str, parts: int) -> None:
    """So many parts of a long message have been sent; the others follow."""
    db.execute(sa.update(m.Outgoing).where(*_mine(key, run)).values(parts_sent=parts))


def refuse(db: Db, key: str, why: str) -> None:
    """Take a queued row out of the way: wording or opening it raised."""
    db.execute(
        sa.update(m.Outgoing)
        .where(m.Outgoing.key == key, m.Outgoing.state == m.QUEUED)
        .values(state=m.REFUSED, why=why)
    )


def unreachable(db: Db, address_id: int, why: str, *, in_flight: bool = True) -> None:
    """Close an address. What waits for it goes to the person's other address where there is one, else is withdrawn.

    *in_flight*: what has been claimed for it as well, for a send has failed. Where only an event told of it, what is
    on its way is left to the send that is under way.
    """
    person_id = db.execute(sa.select(m.Address.person_id).where(m.Address.id == address_id)).scalar()
    db.execute(sa.update(m.Address).where(m.Address.id == address_id).values(closed=why))
    other = (
        person_id
        and db.execute(
            sa.select(m.Address.id, m.Address.channel + ":" + m.Address.bot)
            .where(m.Address.person_id == person_id, m.Address.closed.is_(None))
            .order_by(sa.case((m.Address.channel == "web", 1), else_=0), m.Address.last_seen.desc())
            .limit(1)
        ).first()
    )
    states = (m.QUEUED, m.CLAIMED) if in_flight else (m.QUEUED,)
    if in_flight:
        _uncount(db, m.Outgoing.address_id == address_id, m.Outgoing.state == m.CLAIMED)
    waiting = sa.update(m.Outgoing).where(m.Outgoing.address_id == address_id, m.Outgoing.state.in_(states))
    if other:
        there = {"address_id": other[0], "sender": other[1]}
        moved = waiting.where(m.Outgoing.kind.not_in(REPLIES))
        db.execute(moved.values(state=m.QUEUED, claimed_by=None, parts_sent=0, **there))
    db.execute(waiting.values(state=m.WITHDRAWN, why=why))


def take_over(db: Db, run: str, bot: tuple[str, str], now: datetime) -> int:
    """Take what other runs had claimed for this bot: a reminder may have been sent and is closed as unsure, all else
    is sent again. Returns how many."""
    theirs = sa.update(m.Outgoing).where(
        sa.text(m.IN_A_HAND), m.Outgoing.sender == ":".join(bot), m.Outgoing.claimed_by != run
    )
    unsure = db.execute(
        theirs.where(m.Outgoing.kind == m.REMINDER).values(state=m.UNSURE, why="the process ended while sending")
    )
    again = db.execute(theirs.values(state=m.QUEUED, claimed_by=None, due_at=now))
    return unsure.rowcount + again.rowcount


def put_back_lost(db: Db, run: str, bot: tuple[str, str], in_hand: Container[str], now: datetime) -> None:
    """Put back what is claimed by this run but not in its hand: a commit was reported as failed, and was done."""
    claimed = sa.select(m.Outgoing.key).where(
        sa.text(m.IN_A_HAND), m.Outgoing.sender == ":".join(bot), m.Outgoing.claimed_by == run
    )
    for key in db.scalars(claimed).all():
        if key not in in_hand:
            _uncount(db, *_mine(key, run))
            db.execute(
                sa.update(m.Outgoing).where(*_mine(key, run)).values(state=m.QUEUED, claimed_by=None, due_at=now)
            )


def ahead(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """What was put, or put back, by a clock that was ahead of *now*, to be sent at once: not what is put for later."""
    return (
        m.Outgoing.due_at > now,
        m.Outgoing.created_at > now + LONGEST_WAIT,
        m.Outgoing.due_at <= m.Outgoing.created_at,
    )


def pull_in(db: Db, bot: tuple[str, str], now: datetime) -> int:
    """Make due what waits only because the wall clock was ahead when it was put or put back; how many.

    Replies need it not: `claim_replies` takes what lies that far ahead.
    """
    done = db.execute(
        sa.update(m.Outgoing)
        .where(sa.text(m.WAITING_NOTICE), m.Outgoing.sender == ":".join(bot), *ahead(now))
        .values(due_at=now, created_at=sa.case((m.Outgoing.created_at > now, now), else_=m.Outgoing.created_at))
    )
    return done.rowcount


def _waiting(waiting: str, due: sa.ColumnElement[bool]) -> Any:
    return (
        sa.select(*COLUMNS)
        .join(m.Address, m.Address.id == m.Outgoing.address_id)
        .where(sa.text(waiting), m.Outgoing.sender == sa.bindparam("sender"), due)
        .order_by(m.Outgoing.due_at, m.Outgoing.id)
        .limit(sa.bindparam("limit"))
    )


_due = m.Outgoing.due_at <= sa.bindparam("now")
# No reply is put for later, nor put back for so long: one that is due later was put by a clock that was ahead.
_due_or_far = sa.or_(_due, m.Outgoing.due_at > sa.bindparam("far"))
_older = sa.orm.aliased(m.Outgoing, name="older")
_DUE_NOTICES = Prepared(_waiting(m.WAITING_NOTICE, _due))
_DUE_REPLIES = Prepared(_waiting(m.WAITING_REPLY, _due_or_far))
_FIRST_REPLIES = Prepared(
    _waiting(m.WAITING_REPLY, _due_or_far).where(
        ~sa.exists().where(
            _older.address_id == m.Outgoing.address_id,
            _older.id < m.Outgoing.id,
            sa.text(m.OPEN_REPLY.replace("outgoing.", "older.")),
        )
    )
)
_claim_it = (
    sa.update(m.Outgoing)
    .where(
        m.Outgoing.key == sa.bindparam("row"),
        m.Outgoing.state == m.QUEUED,
        m.Outgoing.address_id == sa.bindparam("address"),  # a block may have moved it to another one since it was read
    )
    .values(state=m.CLAIMED, claimed_by=sa.bindparam("run"))
)
_CLAIM = Prepared(_claim_it)
_CLAIM_WORDED = Prepared(_claim_it.values(body=sa.bindparam("worded")))


def _claim(db: Db, outgoing: Outgoing, run: str, body: bytes | None = None) -> bool:
    """Claim a row, its words stored with it where they were made just now; False where somebody else has, or where it
    goes to another address now."""
    this = {"row": outgoing.key, "address": outgoing.address_id, "run": run}
    if body is None:
        return bool(_CLAIM.run(db, **this))
    return bool(_CLAIM_WORDED.run(db, **this, worded=body))


def claim_replies(
    db: Db, run: str, bot: tuple[str, str], now: datetime, limit: int = 50
) -> tuple[list[Outgoing], bool]:
    """Claim the oldest waiting reply of each address, where no earlier one is on its way.

    Returns also whether others are due and were left: behind an earlier one, or for the next claim. Raises CannotWord.
    """
    due = {"sender": ":".join(bot), "now": now, "far": now + LONGEST_WAIT}
    if not _DUE_REPLIES.rows(db, **due, limit=1):
        return [], False
    rows = [_opened(db, row) for row in _FIRST_REPLIES.rows(db, **due, limit=limit)]
    claimed = [outgoing for outgoing in rows if _claim(db, outgoing, run)]
    return claimed, bool(_DUE_REPLIES.rows(db, **due, limit=1))


def claim_notice(db: Db, run: str, bot: tuple[str, str], now: datetime, word: Word) -> Outgoing | None:
    """Claim the next due notice and word it in the same transaction; None where none is due, or all is paused.

    On the way those that have expired or are not wanted any more are closed. Raises CannotWord.
    """
    for _ in range(100):  # at most so many are closed in one transaction
        row = _DUE_NOTICES.first(db, sender=":".join(bot), now=now, limit=1)
        if row is None or notes.paused(db):
            return None
        outgoing = _opened(db, row)
        if outgoing.expires_at is not None and outgoing.expires_at < now:
            _close(db, outgoing, m.EXPIRED)
        elif lost_sight(db, outgoing):
            _close(db, outgoing, m.WITHDRAWN)
        elif outgoing.body is not None and not outgoing.is_asked_each_time:
            if _claim(db, outgoing, run):
                return outgoing
        elif (body := _worded(db, outgoing, now, word)) is None:
            _close(db, outgoing, m.WITHDRAWN)
        elif isinstance(body, datetime):
            put_off(db, outgoing, body)
        elif _claim(db, outgoing, run, body=seal(db, body, f"outgoing/{outgoing.key}")):
            return outgoing.with_body(body)
        else:
            _uncount(db, m.Outgoing.key == outgoing.key)
    return None


def lost_sight(db: Db, outgoing: Outgoing) -> bool:
    """Whether the reader of a digest has no function in its unit any more: the names in it are not theirs to read,
    even where it was worded already and only could not be sent."""
    if outgoing.kind != m.DIGEST or outgoing.unit_id is None:
        return False
    held = sa.exists().where(m.Role.person_id == outgoing.person_id, m.Role.unit_id == outgoing.unit_id)
    return not db.execute(sa.select(held)).scalar_one()


def _opened(db: Db, row: Row) -> Outgoing:
    try:
        return read(db, row)
    except Exception as error:
        raise CannotWord(row[1]) from error


def put_off(db: Db, outgoing: Outgoing, due_at: datetime) -> None:
    """Ask a row that waits again at *due_at*: now is not the time for it."""
    db.execute(_still(outgoing).values(due_at=due_at))


def _worded(db: Db, outgoing: Outgoing, now: datetime, word: Word) -> str | datetime | None:
    try:
        return word(db, outgoing, now)
    except Exception as error:
        if cannot_store(error):
            raise
        raise CannotWord(outgoing.key) from error


def _close(db: Db, outgoing: Outgoing, state: str) -> None:
    db.execute(_still(outgoing).values(state=state))


def _still(outgoing: Outgoing) -> sa.Update:
    """An update of a row as it was read: it waits, for the same address."""
    this = m.Outgoing.key == outgoing.key, m.Outgoing.address_id == outgoing.address_id
    return sa.update(m.Outgoing).where(*this, m.Outgoing.state == m.QUEUED)
