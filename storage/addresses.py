"""Addresses: a person on a channel."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from storage import models as m
from storage.database import Db, insert_new
from storage.prepared import Prepared, Row, any_of, sent_together


@dataclass(frozen=True, slots=True)
class Address:
    """A chat of a channel, with the person it is bound to, if any."""

    id: int
    channel: str
    bot: str
    chat: str
    person_id: int | None
    closed: str | None
    place: str
    memory: dict[str, Any]
    seq: int
    last_seen: datetime


_COLUMNS = (
    m.Address.id,
    m.Address.channel,
    m.Address.bot,
    m.Address.chat,
    m.Address.person_id,
    m.Address.closed,
    m.Address.place,
    m.Address.memory,
    m.Address.seq,
    m.Address.last_seen,
)
Chat = tuple[str, str, str]
"""Channel, bot, and the platform's id of the chat: what an address is known by outside."""

_OF_BOT = sa.select(*_COLUMNS).where(m.Address.channel == sa.bindparam("channel"), m.Address.bot == sa.bindparam("bot"))
_THESE = Prepared(_OF_BOT.where(any_of(m.Address.chat, "chats")))
_AT = Prepared(_OF_BOT.where(m.Address.chat == sa.bindparam("chat")))

_GO = Prepared(
    sa.update(m.Address)
    .where(m.Address.id == sa.bindparam("address"))
    .values(place=sa.bindparam("to_place"), memory=sa.bindparam("to_memory"))
)


_LOCK_TIMEOUT = Prepared(sa.select(sa.func.set_config("lock_timeout", "5s", sa.true())))  # of this transaction


def _locking(column: Any, *, wait: bool) -> Prepared:
    rows = sa.select(column).where(any_of(column, "ids")).order_by(column)
    return Prepared(rows.with_for_update(key_share=True, skip_locked=not wait))


_LOCK_PEOPLE = {wait: _locking(m.Person.id, wait=wait) for wait in (True, False)}
_LOCK_ADDRESSES = {wait: _locking(m.Address.id, wait=wait) for wait in (True, False)}


def at(db: Db, channel: str, bot: str, chat: str) -> Address | None:
    """The address of a chat, or None where nobody ever wrote from there."""
    row = _AT.first(db, channel=channel, bot=bot, chat=chat)
    return Address(*row) if row else None


def ensured(db: Db, channel: str, bot: str, chat: str, now: datetime) -> Address:
    """The address of a chat, made where it is new."""
    if found := at(db, channel, bot, chat):
        return found
    db.execute(
        insert_new(db, m.Address), {"channel": channel, "bot": bot, "chat": chat, "memory": {}, "last_seen": now}
    )
    made = at(db, channel, bot, chat)
    assert made is not None
    return made


def by_id(db: Db, address_id: int) -> Address | None:
    """An address by its own id, which came from our own rows."""
    row = db.execute(sa.select(*_COLUMNS).where(m.Address.id == address_id)).first()
    return Address(*row) if row else None


def of_person(db: Db, person_id: int) -> list[Address]:
    """The open addresses of a person, the best for a notice first: those that ring before the web, then the newest."""
    rows = db.execute(
        sa.select(*_COLUMNS)
        .where(m.Address.person_id == person_id, m.Address.closed.is_(None))
        .order_by(sa.case((m.Address.channel == "web", 1), else_=0), m.Address.last_seen.desc(), m.Address.id)
    )
    return [Address(*row) for row in rows]


def go(db: Db, address_id: int, place: str, memory: dict[str, Any] | None = None) -> None:
    """Send the next words of this chat to another flow, with what that flow must remember (ids, never words)."""
    _GO.run(db, address=address_id, to_place=place, to_memory=memory or {})


def bind(db: Db, address_id: int, person_id: int, now: datetime) -> None:
    """This chat is that person's from now on."""
    db.execute(
        sa.update(m.Address)
        .where(m.Address.id == address_id)
        .values(person_id=person_id, closed=None, place="", memory={}, last_seen=now)
    )


def release(db: Db, address_id: int, why: str) -> None:
    """This chat is nobody's any more; whoever writes there is asked for a code."""
    db.execute(
        sa.update(m.Address)
        .where(m.Address.id == address_id)
        .values(person_id=None, closed=why, place="join", memory={})
    )


def numbered(db: Db, address: Address, count: int) -> int:
    """The first of *count* new numbers on the web page of this address."""
    last = db.execute(
        sa.update(m.Address)
        .where(m.Address.id == address.id)
        .values(seq=m.Address.seq + count)
        .returning(m.Address.seq)
    ).scalar_one()
    return last - count + 1


def seen(db: Db, address_id: int, now: datetime) -> None:
    """They wrote: the address is open, again if need be."""
    db.execute(sa.update(m.Address).where(m.Address.id == address_id).values(closed=None, last_seen=now))


def together(db: Db, chats: Sequence[Chat], now: datetime, *, wait: bool) -> dict[Chat, Address]:
    """The addresses of several chats (channel, bot, chat), new ones made, each locked for one turn.

    On SQLite the transaction itself is the lock. On PostgreSQL the people's rows are locked in the order of their
    ids, then the addresses that are nobody's; without *wait* those that another process holds are left out.
    Plain FOR UPDATE would wait for every insert of a row that refers to the person; FOR NO KEY UPDATE does not.
    """
    found = _these(db, chats)
    if missing := [chat for chat in chats if chat not in found]:
        rows = [{"channel": a, "bot": b, "chat": c, "memory": {}, "last_seen": now} for a, b, c in missing]
        db.execute(insert_new(db, m.Address), rows)
        found |= _these(db, missing)
    if db.dialect.name == "sqlite":
        return found
    people = sorted({address.person_id for address in found.values() if address.person_id})
    nobodys = sorted(address.id for address in found.values() if not address.person_id)
    with sent_together(db):
        _LOCK_TIMEOUT.later(db)
        held = _LOCK_PEOPLE[wait].later(db, ids=people)
        free = _LOCK_ADDRESSES[wait].later(db, ids=nobodys) if nobodys else list
        again = _later(db, list(found))
    ours, free_ones = {row[0] for row in held()}, {row[0] for row in free()}
    now_there = _read(again)
    # Held by others, or bound to somebody else between the look and the lock: not ours to run now.
    return {
        chat: a
        for chat, a in now_there.items()
        if (a.person_id in ours or a.id in free_ones) and a.person_id == found[chat].person_id
    }


def _these(db: Db, chats: Sequence[Chat]) -> dict[Chat, Address]:
    with sent_together(db):
        asked = _later(db, chats)
    return _read(asked)


def _later(db: Db, chats: Sequence[Chat]) -> list[Callable[[], list[Row]]]:
    """Asked for each bot: for many pairs and triples at once SQLite would read the whole table."""
    theirs: dict[tuple[str, str], list[str]] = {}
    for channel, bot, chat in chats:
        theirs.setdefault((channel, bot), []).append(chat)
    return [_THESE.later(db, channel=channel, bot=bot, chats=chats) for (channel, bot), chats in theirs.items()]


def _read(rows: Iterable[Callable[[], list[Row]]]) -> dict[Chat, Address]:
    found = (Address(*row) for of_bot in rows for row in of_bot())
    return {(address.channel, address.bot, address.chat): address for address in found}
