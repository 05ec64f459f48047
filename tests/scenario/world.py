"""A season as it goes: true time, what will happen, and a program that may be down or die."""

import heapq
import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from storage.database import Database
from tests.scenario.model import Changes, History, Look, Rules, Turn, local
from tests.scenario.program import Killed, Program, Time, Watched
from tests.world import SECRET

Act = Callable[[], Awaitable[None]]
FIRST, LAST = date(2026, 11, 24), date(2026, 12, 20)  # 27 days
OPENS, DUE, CLOSES = (
    local(date(2026, 11, 25), time(8)),
    local(date(2026, 12, 15), time(17)),
    local(date(2026, 12, 18), time(17)),
)
OPENING_DAY, CLOSING_DAY = date(2026, 11, 25), date(2026, 12, 18)
SLOTS = tuple((days, time(8)) for days in (-19, -14, -7, -3, -1, 0, 1, 2))
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class World:
    """True time and what will happen; the program, alive or not; what was seen of it."""

    def __init__(self, database: Database, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        random.seed(seed)  # the program's own waits as well
        self.database, self.folder = database, folder
        database.engine = database.engine.execution_options(secret=SECRET)
        self.time = Time(local(FIRST, time(6)))
        week = self.random.choice((range(7), range(5)))
        rules = Rules(OPENS, DUE, CLOSES, SLOTS, frozenset(week), self.random.choice((3, 5, 10)))
        self.history = History(Changes(rules))
        self.api = Watched(self.time, self.history)
        self.program = Program(database, self.api, self.time)
        self.queue: list[tuple[datetime, int, str, Act]] = []
        self.numbers = itertools.count()
        self.seen = 0  # of what was told, how much people have looked at
        self.exempt: dict[str, str] = {}
        self.chats: dict[str, str] = {}  # everybody's first chat
        self.pages: dict[str, tuple[str, int]] = {}  # a page's address, and the last number it has
        self.birth = date(1980, 6, 15)

    def later(self, at: datetime, what: str, act: Act) -> None:
        """That happens then."""
        heapq.heappush(self.queue, (at, next(self.numbers), what, act))

    def note(self, what: str) -> None:
        """Write down what happens now."""
        self.history.notes.append((self.time.true, what))

    def some_day(self, first: date = OPENING_DAY, last: date = CLOSING_DAY, begin: int = 6, end: int = 22) -> datetime:
        """Any moment of the days from *first* to *last*, between these hours."""
        day = first + timedelta(days=self.random.randint(0, (last - first).days))
        return local(
            day, time(self.random.randint(begin, end - 1), self.random.randint(0, 59), self.random.randint(0, 59))
        )

    @staticmethod
    def of(act: Callable[..., Awaitable[None]], *arguments: Any) -> Act:
        """An act with its arguments."""

        async def does() -> None:
            await act(*arguments)

        return does

    async def look(self) -> None:
        """The program does what is due."""
        if self.program.up:
            await self.lives(self._look)
        works = self.program.up and not self.trouble
        self.history.looks.append(Look(self.time.true, self.time.wall(), works))

    async def _look(self) -> None:
        await self.take_line()
        await self.program.ticks()
        await self.program.sends()

    @property
    def trouble(self) -> bool:
        """Whether the Bot API takes nothing, or the bot was asked to wait."""
        return "sendMessage" in self.api.always or self.program.delivery.pace.notice_waits() > 2

    async def lives(self, does: Act) -> None:
        """The program does something, and may die of it; then it starts again after a while."""
        try:
            await does()
        except Killed:
            self.history.kills.append(self.time.true)
            self.note("the program dies")
            await self.program.die()
            wait = self.random.choice((MINUTE, 5 * MINUTE, HOUR, 5 * HOUR, 30 * HOUR))
            self.later(self.time.true + wait, "it starts again", self.start)

    async def start(self) -> None:
        """A new process."""
        if not self.program.up:
            await self.program.start()
            await self.look()

    async def take_line(self) -> None:
        """What people sent, in its order."""
        while self.api.line and self.program.up:
            update = self.api.line[0]
            if not await self.program.takes(update):
                return
            self.api.line.pop(0)
            chat, what = told_by(update)
            life = self.history.life_of(chat)
            if life and what in ("blocks", "unblocks"):
                life.closed_for[chat].put(self.time.true, what == "blocks")
            elif life:
                self.history.turns.append(Turn(self.time.true, chat, what))

    async def says(self) -> None:
        """What waits is heard and answered."""
        if self.program.up:
            await self.lives(self._says)

    async def _says(self) -> None:
        await self.take_line()
        if self.program.up:
            await self.program.sends()


def told_by(update: dict[str, Any]) -> tuple[str, str]:
    """From which chat an update is, and what it says."""
    match update:
        case {"message": {"chat": {"id": chat}, "text": text}}:
            return str(chat), str(text)
        case {"callback_query": {"message": {"chat": {"id": chat}}, "data": data}}:
            return str(chat), str(data)
        case {"my_chat_member": {"chat": {"id": chat}, "new_chat_member": {"status": status}}}:
            return str(chat), "blocks" if status == "kicked" else "unblocks"
    raise AssertionError(update)
