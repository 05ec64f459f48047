"""People at their chats, for the tests of joining: every word is one turn in a transaction of its own."""

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot import roster
from bot.season import open_cycle
from handlers.cycles import Consent, dumps
from handlers.messages import Event, Message, Said, Tapped, loads
from handlers.routes import route
from handlers.turn import Turn, current_cycle, group_of
from storage import addresses, cycles, invitations, people
from storage import models as m
from storage.addresses import Address
from storage.database import Database
from tests.season import CYCLE, FORM

SECRET = b"for tests only"
START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
AN, BINH = "KM-0043", "KM-0046"  # two people of the sample roster
BIRTHS = {AN: "28/7/1973", BINH: "3/3/1977"}
SAMPLE = Path("cycles/demo/roster.csv")

_numbers = itertools.count(1)


@cache
def _sample() -> roster.Roster:
    return roster.read(SAMPLE, today=date(2026, 11, 24))


@dataclass
class World:
    """A database with the sample roster, a clock, and perhaps an open cycle."""

    database: Database
    now: datetime = START

    def __post_init__(self) -> None:
        self.database.engine = self.database.engine.execution_options(secret=SECRET)
        with self.database.transaction() as db:
            roster.import_roster(db, _sample(), self.now)

    def forward(self, **step: float) -> None:
        """Let time pass."""
        self.now += timedelta(**step)

    def invite(self, code: str) -> str:
        """A new invitation of the person with this member code."""
        with self.database.transaction() as db:
            person = people.by_code(db, code)
            assert person is not None
            return invitations.make(db, [person.id], self.now)[person.id]

    def open_cycle(self, exempt: str = "") -> None:
        """A cycle in which everybody owes, but for the person with the member code *exempt*."""
        forms = tuple((value, FORM.id) for value in roster.FORMS)
        rules = replace(CYCLE, opens=self.now, admitted_before=None, forms=forms, consent=Consent("1", "Đồng ý? (1)"))
        with self.database.transaction() as db:
            db.execute(
                sa.update(m.Person).where(m.Person.code == exempt).values(exempt_reason="đình chỉ sinh hoạt đảng")
            )
            open_cycle(db, rules, {FORM.id: FORM}, self.now)

    def change_consent(self) -> None:
        """The consent text gets another version."""
        with self.database.transaction() as db:
            cycle = current_cycle(db)
            assert cycle is not None
            cycles.change(db, cycle.id, dumps(replace(cycle, consent=Consent("2", "Đồng ý? (2)"))))

    def person_at(self, channel: str, chat: str) -> str | None:
        """The member code of whoever a chat belongs to."""
        with self.database.transaction(read_only=True) as db:
            address = addresses.at(db, channel, "", chat)
            person = people.by_id(db, address.person_id) if address and address.person_id else None
            return person.code if person else None

    def rows(self, *columns: Any) -> list[tuple[Any, ...]]:
        """Some columns of a table, in the order they were stored."""
        with self.database.transaction(read_only=True) as db:
            return [tuple(row) for row in db.execute(sa.select(*columns).order_by(columns[0].class_.id))]

    def notices(self, chat: "Chat") -> list[Message]:
        """The notices that wait for a chat."""
        rows = sa.select(m.Outgoing.body).where(m.Outgoing.address_id == chat.address.id, m.Outgoing.kind == m.NOTICE)
        with self.database.transaction(read_only=True) as db:
            waiting = db.scalars(rows.where(m.Outgoing.state == m.QUEUED, m.Outgoing.body.is_not(None)))
            return [loads((body or b"")[1:].decode()) for body in waiting]

    def delivers_notices(self) -> None:
        """Everything that waits has been sent."""
        waiting = sa.update(m.Outgoing).where(m.Outgoing.state == m.QUEUED)
        with self.database.transaction() as db:
            db.execute(waiting.values(state=m.SENT, sent_at=self.now))


@dataclass
class Chat:
    """Somebody at a chat of a channel."""

    world: World
    channel: str = "telegram"
    chat: str = field(default_factory=lambda: str(next(_numbers)))
    last: Message = field(default_factory=lambda: Message(""))

    def says(self, text: str) -> str:
        """Type *text*; the words that came back."""
        return self._turn(Said(text))

    def taps(self, value: str) -> str:
        """Press a button, whether it is on offer or not; the words that came back."""
        return self._turn(Tapped(value))

    def joins(self, code: str, birth: str) -> str:
        """Type a code and a birth date; what came back at the end."""
        self.says(f"/start {code}")
        return self.says(birth)

    @property
    def address(self) -> Address:
        """The address as it stands now."""
        with self.world.database.transaction() as db:
            return addresses.ensured(db, self.channel, "", self.chat, self.world.now)

    @property
    def person(self) -> str | None:
        """Whose chat it is."""
        return self.world.person_at(self.channel, self.chat)

    def _turn(self, event: Event) -> str:
        with self.world.database.transaction() as db:
            address = addresses.ensured(db, self.channel, "", self.chat, self.world.now)
            person = people.by_id(db, address.person_id) if address.person_id else None
            key = f"{self.channel}:{next(_numbers)}"
            cycle = current_cycle(db)
            group = group_of(db, [person.id] if person else [], cycle)
            (self.last,) = route(Turn(db, self.world.now, key, event, address, person, cycle, "vi", group))
            group.write()
        return self.last.text
