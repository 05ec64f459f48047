"""A world with characters, talking through the whole program: inbox, routes, outbox, delivery, clock.

An is a member of cell 1, Bình her secretary, Chi the secretary of cell 2 who must see nothing of cell 1, Dung the
committee's officer.
"""

import itertools
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from bot import roster, season
from bot.channels import Incoming
from bot.clock import Clock
from bot.delivery import Delivery
from bot.inbox import Inbox
from bot.public_days import public_days
from bot.wording import worded
from handlers import cycle_files, form_files
from handlers.calendar import moment
from handlers.cycles import Cycle
from handlers.forms import Form
from handlers.messages import Event, Message, Said, Sent, Tapped, rows
from handlers.routes import route
from storage import addresses, invitations, people, roles, units
from storage import models as m
from storage.database import Database
from tests.fakes import FakeChannel, FakeClock

SECRET = b"for tests only"
AN, BINH, CHI, DUNG = "KM-0087", "KM-0043", "KM-0080", "KM-0028"
SAMPLE = Path("cycles/demo/roster.csv")
OPENS = date(2026, 11, 25)
_numbers = itertools.count(1)


@cache
def sample() -> roster.Roster:
    """The sample roster: 120 people in 8 cells."""
    return roster.read(SAMPLE, today=date(2026, 11, 24))


@cache
def all_forms() -> dict[str, Form]:
    """Every form of the folder ``forms``."""
    found, problems = form_files.forms_in(Path("forms"), "vi")
    assert problems == []
    return found


@cache
def demo_cycle() -> Cycle:
    """The demo's season, opening on 25 November 2026 at 08:00, due on 15 December at 17:00."""
    file = Path("cycles/demo/2026.toml")
    cycle = cycle_files.load(file.read_text("utf-8"), file.name, all_forms(), public_days=public_days)
    assert not isinstance(cycle, list), cycle
    return cycle


@dataclass
class Member:
    """Somebody at a chat of the fake channel."""

    world: "World"
    code: str
    chat: str

    async def does(self, event: Event) -> None:
        """One event, and what comes back."""
        await self.world.inbox.receive(Incoming(f"telegram:1:{next(_numbers)}", "telegram", "1", self.chat, event))
        await self.world.settle()

    async def says(self, *texts: str) -> None:
        """Type these, one message after another."""
        for text in texts:
            await self.does(Said(text))

    async def sends(self, what: str) -> None:
        """Send something that is not words."""
        await self.does(Sent(what))

    async def taps(self, *labels: str) -> None:
        """Tap the buttons with these labels, each on the newest message."""
        for label in labels:
            await self.does(Tapped(self.button(label)))

    def button(self, label: str) -> str:
        """What the button of the newest message with this label carries."""
        buttons = {button.label: button.value for row in rows(self.messages[-1]) for button in row}
        assert label in buttons, f"no button {label!r} among {list(buttons)}"
        return buttons[label]

    @property
    def messages(self) -> list[Message]:
        """All that arrived."""
        return self.world.channel.inbox[self.chat]

    @property
    def inbox(self) -> list[str]:
        """The words of all that arrived."""
        return [message.text for message in self.messages]

    @property
    def labels(self) -> list[str]:
        """The buttons of the newest message."""
        return [button.label for row in rows(self.messages[-1]) for button in row]


class World:
    """The whole program on one database, with a fake channel and a clock that stands still."""

    def __init__(self, database: Database, *, at: datetime | None = None, opened: bool = True) -> None:
        self.database = database
        database.engine = database.engine.execution_options(secret=SECRET)
        self.cycle = demo_cycle()
        self.clock = FakeClock(at or self.cycle.opens + timedelta(hours=1))
        self.channel = FakeChannel("telegram")
        self.delivery = Delivery(database, self.channel, run="run-1", now=self.clock, word=worded, pace=100_000)
        self.delivery.pace.next_notice = 0
        self.inbox = Inbox(
            database, answer=route, now=self.clock, lang="vi", deliveries={("telegram", "1"): self.delivery}
        )
        self.jobs = Clock(database, self.clock, lambda: None, self.cycle.zone)
        with database.transaction() as db:
            roster.import_roster(db, sample(), self.clock())
            committee = units.by_id(db, db.scalars(sa.select(m.Unit.id).where(m.Unit.parent_id.is_(None))).one())
            officer = people.by_code(db, DUNG)
            assert committee and officer
            roles.grant(db, officer.id, "officer", committee.id)
            if opened:
                season.open_cycle(db, self.cycle, all_forms(), self.clock())

    async def settle(self) -> None:
        """Let everything that is due go out."""
        await self.delivery.drain()
        while await self.delivery.deliver_replies() or await self.delivery.deliver_notice():
            await self.delivery.drain()

    def at_chat(self, code: str) -> Member:
        """Somebody who is bound already and has consented to nothing yet."""
        with self.database.transaction() as db:
            person = people.by_code(db, code)
            assert person is not None
            address = addresses.ensured(db, "telegram", "1", code, self.clock())
            addresses.bind(db, address.id, person.id, self.clock())
        return Member(self, code, code)

    def closed(self, chat: str) -> str | None:
        """Why nothing can be sent to a chat."""
        with self.database.transaction(read_only=True) as db:
            address = addresses.at(db, "telegram", "1", chat)
            assert address is not None
            return address.closed

    def stranger(self, chat: str) -> Member:
        """Somebody who is nobody yet."""
        return Member(self, "", chat)

    def invitation(self, code: str) -> str:
        """A new invitation of a person."""
        with self.database.transaction() as db:
            person = people.by_code(db, code)
            assert person is not None
            return invitations.make(db, [person.id], self.clock())[person.id]

    async def moves_to(self, day: date, at: str = "08:00") -> None:
        """Let it be that local time, run the jobs, and let what is due go out."""
        self.clock.at = moment(self.cycle, day, time.fromisoformat(at))
        await self.jobs.tick_all()
        await self.settle()
