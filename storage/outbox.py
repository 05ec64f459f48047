"""The outbox: what is to be said, to whom, and what became of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from storage import models as m
from storage.database import Db, insert_new
from storage.prepared import Prepared, Row
from storage.sealing import opened, seal

CHANNEL = "kiemdiem_outbox"  # what is NOTIFYed when something waits


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A row of the outbox, with the chat it goes to. ``body``: JSON of the Message; None until it is worded."""

    id: int
    key: str
    kind: str
    address_id: int
    channel: str
    bot: str
    chat: str
    person_id: int | None
    assessment_id: int | None
    unit_id: int | None
    due_at: datetime
    expires_at: datetime | None
    attempts: int
    parts_sent: int
    body: str | None
    seq: int | None

    @property
    def is_asked_each_time(self) -> bool:
        """Whether each claim asks anew whether it is still wanted, and words it: what is said about a review."""
        return self.kind == m.REMINDER or (self.kind == m.NOTICE and self.assessment_id is not None)

    def with_body(self, body: str) -> "Outgoing":
        """The same row, worded."""
        return replace(self, body=body)


_SENDER = sa.select(m.Address.channel + ":" + m.Address.bot).where(m.Address.id == sa.bindparam("to")).scalar_subquery()

_REPLIES = (
    "key", "kind", "address_id", "sender", "person_id", "state", "due_at", "claimed_by", "attempts", "parts_sent",
    "body", "seq", "created_at", "sent_at",
)  # fmt: skip
_PUT = Prepared(sa.insert(m.Outgoing).values({name: sa.bindparam(name) for name in _REPLIES}).inline())


def put_all(db: Db, rows: Sequence[dict[str, Any]], now: datetime) -> None:
    """Put the replies of a group of turns: dicts of its columns, every one with a body.

    Raises IntegrityError where a key is known already.
    """
    _PUT.each(
        db,
        [
            row
            | {
                "body": seal(db, row["body"], f"outgoing/{row['key']}"),
                "attempts": 0,
                "parts_sent": 0,
                "due_at": now,
                "created_at": now,
                "sent_at": now if row["state"] == m.SENT else None,
            }
            for row in rows
        ],
    )


def put(
    db: Db,
    *,
    key: str,
    kind: str,
    address_id: int,
    now: datetime,
    body: str | None = None,
    due_at: datetime | None = None,
    expires_at: datetime | None = None,
    person_id: int | None = None,
    assessment_id: int | None = None,
    unit_id: int | None = None,
    state: str = m.QUEUED,
    claimed_by: str | None = None,
    seq: int | None = None,
) -> bool:
    """Put a message in the outbox; False where its key is known already: it is never there twice.

    A reminder or a digest is put without a *body*: it is worded in the transaction that claims it.
    """
    done = db.execute(
        insert_new(db, m.Outgoing).values(sender=_SENDER).returning(m.Outgoing.id),
        {
            "to": address_id,
            "key": key,
            "kind": kind,
            "address_id": address_id,
            "person_id": person_id,
            "assessment_id": assessment_id,
            "unit_id": unit_id,
            "state": state,
            "due_at": due_at or now,
            "expires_at": expires_at,
            "claimed_by": claimed_by,
            "body": None if body is None else seal(db, body, f"outgoing/{key}"),
            "seq": seq,
            "created_at": now,
            "sent_at": now if state == m.SENT else None,
        },
    )
    return done.first() is not None


COLUMNS = (
    m.Outgoing.id,
    m.Outgoing.key,
    m.Outgoing.kind,
    m.Outgoing.address_id,
    m.Address.channel,
    m.Address.bot,
    m.Address.chat,
    m.Outgoing.person_id,
    m.Outgoing.assessment_id,
    m.Outgoing.unit_id,
    m.Outgoing.due_at,
    m.Outgoing.expires_at,
    m.Outgoing.attempts,
    m.Outgoing.parts_sent,
    m.Outgoing.body,
    m.Outgoing.seq,
)


def read(db: Db, row: Row) -> Outgoing:
    """A row of COLUMNS with its body opened."""
    *before, body, seq = row
    words = None if body is None else opened(db, body, f"outgoing/{row[1]}")
    columns: Row = (*before, words, seq)
    return Outgoing(*columns)


def known(db: Db, keys: Sequence[str]) -> set[str]:
    """Those of *keys* that are in the outbox already."""
    found: set[str] = set()
    for start in range(0, len(keys), 500):
        found |= set(db.scalars(sa.select(m.Outgoing.key).where(m.Outgoing.key.in_(keys[start : start + 500]))))
    return found


def put_notices(db: Db, rows: Sequence[dict[str, Any]], now: datetime) -> int:
    """Put what nobody asked for: dicts of ``put``'s arguments. Known keys stay as they are; how many are new."""
    there = known(db, [row["key"] for row in rows])
    new = [
        {"person_id": None, "assessment_id": None, "unit_id": None, "expires_at": None, "body": None}
        | row
        | {"to": row["address_id"], "state": m.QUEUED, "created_at": now}
        for row in rows
        if row["key"] not in there
    ]
    for row in new:
        if row["body"] is not None:
            row["body"] = seal(db, row["body"], f"outgoing/{row['key']}")
    if new:
        db.execute(insert_new(db, m.Outgoing).values(sender=_SENDER), new)
    return len(new)


def last_facts(db: Db, keys: Sequence[str]) -> tuple[datetime, dict[str, Any]] | None:
    """When the newest of these digests (keys in the order of their days) was sent, and its counts."""
    sent = {
        key: (at, facts)
        for key, at, facts in db.execute(
            sa.select(m.Outgoing.key, m.Outgoing.sent_at, m.Outgoing.facts).where(
                m.Outgoing.key.in_(keys), m.Outgoing.state == m.SENT, m.Outgoing.sent_at.is_not(None)
            )
        )
        if facts is not None
    }
    return next((sent[key] for key in reversed(keys) if key in sent), None)


def last_said(db: Db, address_id: int) -> str | None:
    """JSON of the Message this chat was sent last; None: nothing yet, or it was emptied.

    Last by the time of sending, not of putting: a reminder may have waited for hours. On a page, by its numbers.
    """
    row = db.execute(
        sa.select(*COLUMNS)
        .join(m.Address, m.Address.id == m.Outgoing.address_id)
        .where(m.Outgoing.address_id == address_id, m.Outgoing.state.in_((m.CLAIMED, m.SENT)))
        .order_by(
            sa.func.coalesce(m.Outgoing.seq, 0).desc(),
            sa.func.coalesce(m.Outgoing.sent_at, m.Outgoing.created_at).desc(),
            m.Outgoing.id.desc(),
        )
        .limit(1)
    ).first()
    return read(db, row).body if row else None


def set_facts(db: Db, outgoing_id: int, facts: Mapping[str, Any]) -> None:
    """The counts that a digest says, or what `reminders.uncount` needs of a reminder."""
    db.execute(sa.update(m.Outgoing).where(m.Outgoing.id == outgoing_id).values(facts=facts))


# Given to a page that has not shown it yet.
UNSHOWN = sa.and_(m.Outgoing.state == m.SENT, m.Outgoing.seq.is_not(None), m.Outgoing.sent_at.is_(None))

_WITHDRAW = (
    sa.update(m.Outgoing)
    .where(
        m.Outgoing.assessment_id == sa.bindparam("assessment"),
        m.Outgoing.kind == m.REMINDER,
        sa.or_(m.Outgoing.state == m.QUEUED, UNSHOWN),
    )
    .values(state=m.WITHDRAWN, why=sa.bindparam("because"))
)


def with_waiting_reminder(db: Db, assessment_ids: Collection[int], now: datetime) -> set[int]:
    """Those of these assessments for which a reminder is in the outbox and was neither sent yet nor shown on a page."""
    waiting = sa.select(m.Outgoing.assessment_id).where(
        m.Outgoing.assessment_id.in_(assessment_ids),
        m.Outgoing.kind == m.REMINDER,
        sa.or_(m.Outgoing.state.in_((m.QUEUED, m.CLAIMED)), UNSHOWN),
        sa.or_(m.Outgoing.expires_at.is_(None), m.Outgoing.expires_at >= now),  # a page may not have been opened since
    )
    return {found for found in db.scalars(waiting) if found is not None}


def withdraw_replies(db: Db, why: str) -> int:
    """Take back every reply that has not been sent; how many. Their people have gone on long since."""
    waiting = sa.update(m.Outgoing).where(
        m.Outgoing.kind.in_((m.REPLY, m.RECEIPT)), m.Outgoing.state.in_((m.QUEUED, m.CLAIMED))
    )
    return db.execute(waiting.values(state=m.WITHDRAWN, claimed_by=None, why=why)).rowcount


def withdraw_reminders(db: Db, assessment_id: int, why: str) -> None:
    """Take back every reminder of an assessment that has not been claimed."""
    db.execute(_WITHDRAW, {"assessment": assessment_id, "because": why})


def reword_first_notices(db: Db, expires_at: datetime) -> None:
    """What the first notices of the season said is no longer so: those that nobody was shown are worded anew, until
    *expires_at*."""
    first = m.Outgoing.kind == m.NOTICE, m.Outgoing.assessment_id.is_not(None)
    db.execute(sa.update(m.Outgoing).where(*first, sa.text(m.WAITING_NOTICE)).values(expires_at=expires_at))
    again = {"state": m.QUEUED, "seq": None, "body": None, "expires_at": expires_at}
    db.execute(sa.update(m.Outgoing).where(*first, UNSHOWN).values(again))


def withdraw_notices(db: Db, assessments: Sequence[int], why: str) -> None:
    """Take back every reminder and notice about these assessments that has not been claimed."""
    if assessments:
        about = m.Outgoing.assessment_id == sa.bindparam("assessment")
        unasked = sa.or_(m.Outgoing.kind == m.REMINDER, m.Outgoing.kind == m.NOTICE)
        statement = sa.update(m.Outgoing).where(about, unasked, sa.or_(m.Outgoing.state == m.QUEUED, UNSHOWN))
        db.execute(statement.values(state=m.WITHDRAWN, why=why), [{"assessment": each} for each in assessments])


def cut_off(db: Db, address_id: int, why: str) -> None:
    """Somebody else may read at this address from now on: what waits or is on its way is withdrawn, so that it is not
    tried again, and all words are emptied, so that no operator sends them again."""
    at = m.Outgoing.address_id == address_id
    open_ones = sa.update(m.Outgoing).where(at, m.Outgoing.state.in_((m.QUEUED, m.CLAIMED)))
    db.execute(open_ones.values(state=m.WITHDRAWN, why=why))
    db.execute(sa.update(m.Outgoing).where(at, m.Outgoing.body.is_not(None)).values(body=None))


def empty(db: Db, person_id: int) -> None:
    """Empty the words of all that was said to a person: a draft that is erased was read back in them."""
    theirs = sa.select(m.Address.id).where(m.Address.person_id == person_id)
    said = sa.update(m.Outgoing).where(m.Outgoing.address_id.in_(theirs), m.Outgoing.state == m.SENT)
    db.execute(said.values(body=None))


def expire_due(db: Db, now: datetime) -> int:
    """Drop the reminders and digests that are due by now and wait; how many."""
    done = db.execute(
        sa.update(m.Outgoing)
        .where(sa.text(m.WAITING_NOTICE), m.Outgoing.kind.in_((m.REMINDER, m.DIGEST)), m.Outgoing.due_at <= now)
        .values(state=m.EXPIRED, why="paused when it was due")
    )
    return done.rowcount


def announce(db: Db) -> None:
    """Once this is committed, wake whoever delivers in another process. SQLite has one process, which wakes itself."""
    if db.dialect.name == "postgresql":
        db.exec_driver_sql(f"NOTIFY {CHANNEL}")
