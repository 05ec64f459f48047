"""Addresses of a bot that is ours no more: its token was changed, and nobody sends there."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from storage import models as m
from storage.database import Db
from storage.reminders import best_address

REPLIES = (m.REPLY, m.RECEIPT)
RETIRED = "the bot is retired"


@dataclass(frozen=True, slots=True)
class Old:
    """A bot beside the present one, with its open addresses and what waits for them."""

    bot: str
    addresses: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Retired:
    """What became of a bot's addresses."""

    closed: int
    moved: int  # messages that go to another address of their person
    withdrawn: int
    anew: tuple[str, ...]  # member codes: they have no other open address


def others(db: Db, channel: str, present: str) -> list[Old]:
    """The bots of a channel other than the *present* one that still have open addresses."""
    there = sa.select(m.Address.bot, sa.func.count()).where(
        m.Address.channel == channel,
        m.Address.bot != present,
        m.Address.closed.is_(None),
        m.Address.person_id.is_not(None),
    )
    found = db.execute(there.group_by(m.Address.bot).order_by(m.Address.bot)).all()
    waiting = sa.select(sa.func.count()).where(
        m.Outgoing.sender == sa.bindparam("sender"), m.Outgoing.state == m.QUEUED
    )
    return [Old(bot, count, db.scalar(waiting, {"sender": f"{channel}:{bot}"}) or 0) for bot, count in found]


def retire(db: Db, channel: str, bot: str) -> Retired:
    """Close every address of a bot. What waits there goes to another open address of its person, else it is withdrawn.

    A reminder that was being sent may have arrived and is closed as unsure; replies are answers in that chat and are
    withdrawn.
    """
    theirs = sa.select(m.Address.id).where(m.Address.channel == channel, m.Address.bot == bot)
    people = db.scalars(
        sa.select(m.Address.person_id)
        .where(m.Address.channel == channel, m.Address.bot == bot, m.Address.closed.is_(None))
        .where(m.Address.person_id.is_not(None))
        .distinct()
    ).all()
    done = db.execute(
        sa.update(m.Address)
        .where(m.Address.channel == channel, m.Address.bot == bot, m.Address.closed.is_(None))
        .values(closed=RETIRED)
    )
    at = m.Outgoing.address_id.in_(theirs)
    claimed = sa.update(m.Outgoing).where(at, m.Outgoing.kind == m.REMINDER, m.Outgoing.state == m.CLAIMED)
    db.execute(claimed.values(state=m.UNSURE, why=RETIRED))
    open_ones = m.Outgoing.state.in_((m.QUEUED, m.CLAIMED))
    here = aliased(m.Address)
    waiting = (
        sa.select(m.Outgoing.id, best_address(here.person_id).label("other"))
        .join(here, here.id == m.Outgoing.address_id)
        .where(at, open_ones, m.Outgoing.kind.not_in(REPLIES))
    )
    moves = [{"row": row.id, "other": row.other} for row in db.execute(waiting) if row.other is not None]
    if moves:
        sender = sa.select(m.Address.channel + ":" + m.Address.bot).where(m.Address.id == sa.bindparam("other"))
        move = sa.update(m.Outgoing).where(m.Outgoing.id == sa.bindparam("row"))
        columns = {"address_id": sa.bindparam("other"), "sender": sender.scalar_subquery()}
        db.execute(move.values(state=m.QUEUED, claimed_by=None, parts_sent=0, **columns), moves)
    withdrawn = db.execute(sa.update(m.Outgoing).where(at, open_ones).values(state=m.WITHDRAWN, why=RETIRED))
    return Retired(done.rowcount, len(moves), withdrawn.rowcount, tuple(_without_address(db, people)))


def _without_address(db: Db, people: Sequence[int | None]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(people), 500):
        some = people[start : start + 500]
        none = ~sa.exists().where(m.Address.person_id == m.Person.id, m.Address.closed.is_(None))
        found += db.scalars(sa.select(m.Person.code).where(m.Person.id.in_(some), none))
    return sorted(found)
