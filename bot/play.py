"""The demo: a fresh database with the sample roster and an open season, and a clock that can be moved."""

import asyncio
import contextlib
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path
from typing import IO

from bot import logs
from bot.app import App, real_time
from bot.channels import Incoming
from bot.channels.terminal import Terminal
from bot.channels.web import Web
from bot.clock import Clock
from bot.command import Failed
from bot.delivery import Delivery
from bot.demo import Demo
from bot.documents import Documents
from bot.inbox import Inbox
from bot.public_days import public_days
from bot.roster import import_roster, read
from bot.season import open_cycle
from bot.server import free_port
from bot.settings import Secret, Settings, load, open_database
from bot.wording import worded
from handlers import cycle_files, form_files
from handlers.routes import route
from storage import addresses, notes, people, roles, units
from storage.database import Database, Db
from storage.schema import emptied, migrate

HERE = Path(__file__).parents[1]
MORNING = time(9, 0)
MARK = "demo"  # the note that a database is for playing


class MovableClock:
    """The real clock, put at nine in the morning of today and moved forward at will."""

    def __init__(self, settings: Settings) -> None:
        today = real_time().astimezone(settings.zone)
        self.begins = datetime.combine(today.date(), MORNING, settings.zone)
        self.ahead = self.begins - real_time()

    def __call__(self) -> datetime:
        """Now, in the demo."""
        return real_time() + self.ahead

    def move(self, to: datetime) -> None:
        """Let it be *to* now."""
        self.ahead = to - real_time()


def seed(db: Db, settings: Settings, now: datetime) -> None:
    """The sample roster, an open season, an officer of the committee: everything a player needs."""
    forms, problems = form_files.forms_in(HERE / "forms", settings.lang)
    assert not problems, problems
    file = HERE / "cycles" / "demo" / "2026.toml"
    today = now.astimezone(settings.zone).date()
    cycle = cycle_files.load(
        file.read_text("utf-8"), file.name, forms, zone=settings.zone, public_days=public_days, begins=today
    )
    assert not isinstance(cycle, list), cycle
    import_roster(db, read(HERE / "cycles" / "demo" / "roster.csv", today=today), now)
    officer, committee = people.by_code(db, "KM-0028"), units.root(db)
    assert officer is not None
    assert committee is not None
    roles.grant(db, officer.id, "officer", committee.id)
    open_cycle(db, cycle, forms, now, settings.lang)
    notes.write(db, MARK, "1")


def fresh(settings: Settings, now: datetime) -> Database:
    """A database of these settings, made for playing."""
    database = open_database(settings)
    migrate(database)
    with database.transaction() as db:
        seed(db, settings, now)
    return database


def settings_in(folder: str, port: int = 8000) -> Settings:
    """The settings of a demo: nothing is asked for."""
    return replace(
        load({}), database_url=f"sqlite:///{folder}/demo.db", port=port, secret_key=Secret(secrets.token_hex(32))
    )


async def play(port: int) -> None:
    """Serve the demo until it is stopped; its database goes with it."""
    logs.set_up("WARNING")
    with tempfile.TemporaryDirectory(prefix="kiemdiem-demo-") as folder:
        settings = settings_in(folder, free_port("127.0.0.1", port))
        clock = MovableClock(settings)
        database = await asyncio.to_thread(fresh, settings, clock())
        jobs = Clock(database, clock, lambda: None, settings.zone)

        async def move_to(moment: datetime) -> Mapping[str, int]:
            clock.move(moment)
            done = await jobs.tick_all()
            return {"reminder": done["remind"].put_out, "digest": done["digest"].put_out}

        async def reset() -> None:
            clock.move(clock.begins)

            def anew(db: Db) -> None:
                emptied(db)
                seed(db, settings, clock())

            await database.write(anew)

        def pages(page: Web) -> Demo:
            return Demo(page, move_to, reset)

        app = App(settings, database, now=clock, also=lambda page: pages(page).routes())
        sys.stdout.write(
            f"\n  Mở / open:  http://127.0.0.1:{settings.port}/\n\n"
            "  Vào vai một đảng viên, một bí thư, một cán bộ phụ trách; rồi chỉnh đồng hồ và xem lời nhắc đến.\n"
            "  Play a member, a secretary, an officer; then move the clock and watch the reminders arrive.\n"
            "  Ctrl+C: dừng / stop.\n\n"
        )
        sys.stdout.flush()
        await app.run(("web", "clock"))


class Seat:
    """Somebody of the roster at a terminal, with an inbox and a delivery of their own."""

    def __init__(
        self, database: Database, settings: Settings, now: Callable[[], datetime], code: str, record: IO[str] | None
    ) -> None:
        self.database, self.now = database, now
        self.terminal = Terminal(code, record)
        delivers = (self.terminal.name, self.terminal.bot)
        self.delivery = Delivery(
            database,
            self.terminal,
            run=secrets.token_hex(8),
            now=now,
            word=worded,
            pace=settings.pace,
            documents=Documents(database, now, settings.secret_key.reveal(), settings.public_url, settings.lang),
        )
        self.inbox = Inbox(database, answer=route, now=now, lang=settings.lang, deliveries={delivers: self.delivery})

    async def take(self) -> None:
        """Sit down: the chat is bound to the person without a code, which only a demo allows. Raises Failed."""

        def bound(db: Db) -> None:
            if notes.read(db, MARK) is None:
                raise Failed("`kiemdiem chat` plays on a demo database only; this one holds real people's answers.")
            person = people.by_code(db, self.terminal.chat)
            if person is None:
                raise Failed(
                    f"Nobody has the code {self.terminal.chat}. Try KM-0087, a member, or KM-0043, a secretary."
                )
            address = addresses.ensured(db, self.terminal.name, self.terminal.bot, self.terminal.chat, self.now())
            addresses.bind(db, address.id, person.id, self.now())

        await self.database.write(bound)

    async def receive(self, incoming: Incoming) -> None:
        """One turn, and its answer printed."""
        await self.inbox.receive(incoming)
        await self.delivery.drain()

    async def says(self, text: str) -> None:
        """Type one line."""
        await self.terminal.say(self.receive, text)


async def chat_as(code: str, record: Path | None) -> None:
    """Talk as *code* in the terminal: on a database marked as a demo, or on a fresh one where none is set.

    With *record* the clock stands still, so that the conversation can be played again word for word.
    """
    logs.set_up("WARNING")
    chosen = load()
    with contextlib.ExitStack() as stack:
        now: Callable[[], datetime] = real_time
        if chosen.database_url == Settings().database_url:
            chosen = settings_in(stack.enter_context(tempfile.TemporaryDirectory(prefix="kiemdiem-chat-")))
            clock = MovableClock(chosen)
            now = (lambda: clock.begins) if record else clock
            database = await asyncio.to_thread(fresh, chosen, now())
        else:
            database = open_database(chosen)
        stack.callback(database.close)
        file = stack.enter_context(record.open("w", encoding="utf-8")) if record else None
        seat = Seat(database, chosen, now, code, file)
        await seat.take()
        if file:
            file.write(f"# {code}, {now():%Y-%m-%d}\n\n")
        await seat.says("/start")
        await seat.terminal.run(seat.receive)
