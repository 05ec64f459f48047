"""Addresses: a person on a channel."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from storage import models as m
from storage.database import Db, insert_new


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
_AT = sa.select(*_COLUMNS).where(
    m.Address.channel == sa.bindparam("channel"),
    m.Address.bot == sa.bindparam("bot"),
    m.Address.chat == sa.bindparam("chat"),
)


def at(db: Db, channel: str, bot: str, chat: str) -> Address | None:
    """The address of a chat, or None where nobody ever wrote from there."""
    row = db.execute(_AT, {"channel": channel, "bot": bot, "chat": chat}).first()
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
    db.execute(sa.update(m.Address).where(m.Address.id == address_id).values(place=place, memory=memory or {}))


def bind(db: Db, address_id: int, person_id: int, now: datetime) -> None:
    """This chat is that person's from now on."""
    db.execute(
        sa.update(m.Address)
        .where(m.Address.id == address_id)
        .values(person_id=person_id, closed=None, place="", memory={}, last_seen=now)
    )


def close(db: Db, address_id: int, why: str) -> None:
    """Nothing can be sent there any more."""
    db.execute(sa.update(m.Address).where(m.Address.id == address_id).values(closed=why))


def seen(db: Db, address_id: int, now: datetime) -> None:
    """They wrote: the address is open, again if need be."""
    db.execute(sa.update(m.Address).where(m.Address.id == address_id).values(closed=None, last_seen=now))
