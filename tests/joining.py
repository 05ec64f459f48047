"""People at their chats, for the tests of joining: every word is one turn in a transaction of its own."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from bot import roster
from handlers import join
from handlers.cycles import Consent, Cycle, Slot
from handlers.messages import Event, Message, Said, Tapped, loads
from handlers.turn import Turn
from storage import addresses, invitations, people
from storage import models as m
from storage.addresses import Address
from storage.database import Database, Db

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
    cycle: Cycle | None = None  # the open one

    def __post_init__(self) -> None:
        self.database.engine = self.database.engine.execution_options(secret=SECRET)
        with self.database.transaction() as db:
            roster.imported(db, _sample(), self.now)

    def forward(self, **step: float) -> None:
        """Let time pass."""
        self.now += timedelta(**step)

    def invite(self, code: str) -> str:
        """A new invitation of the person with this member code."""
        with self.database.transaction() as db:
            person = people.by_code(db, code)
            assert person is not None
            return invitations.make(db, [person.id], self.now)[person.id]

    def open_cycle(self, version: str = "1", exempt: str = "") -> None:
        """A cycle in which everybody owes, but for the person with the member code *exempt*."""
        with self.database.transaction() as db:
            made = self.cycle.id if self.cycle else _cycle_row(db, self.now, exempt)
        self.cycle = Cycle(
            id=made,
            code="2026",
            name="Kiểm điểm năm 2026",
            year=2026,
            zone=ZoneInfo("Asia/Ho_Chi_Minh"),
            opens=self.now,
            due=self.now + timedelta(days=14),
            closes=self.now + timedelta(days=21),
            admitted_before=None,
            consent=Consent(version, f"Đồng chí có đồng ý không? ({version})"),
            levels=(),
            forms=(),
            slots=(Slot(-1, time(8, 0)),),
            days_off=frozenset(),
            days_on=frozenset(),
        )

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


def _cycle_row(db: Db, now: datetime, exempt: str) -> int:
    cycle = {"code": "2026", "opened_at": now, "rules": "{}", "digest": ""}
    made: int = db.execute(sa.insert(m.Cycle).values(cycle).returning(m.Cycle.id)).scalar_one()
    db.execute(
        sa.insert(m.Assessment),
        [
            {
                "cycle_id": made,
                "person_id": person.id,
                "unit_id": person.unit_id,
                "state": m.EXEMPT if code == exempt else m.NOT_STARTED,
            }
            for code, person in people.by_codes(db).items()
        ],
    )
    return made


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
            turn = Turn(db, self.world.now, key, event, address, person, self.world.cycle, "vi")
            (self.last,) = join.handle(turn)
        return self.last.text.partition("\n\nChào đồng chí ")[0]  # without the menu that follows what joining says
