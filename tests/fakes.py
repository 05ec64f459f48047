"""Small fakes that remember: a channel, a clock."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.channels import File, Receive
from handlers.messages import Message


async def until(holds: Callable[[], object], within: float = 10) -> None:
    """Wait until something holds that others bring about without an event; TimeoutError after *within* seconds."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Taken:
    """The message arrives, and then the call fails so."""

    error: Exception


class FakeChannel:
    """A channel in memory. ``fails[chat]``: how the next sends to that chat fail, in order (None: it goes well)."""

    def __init__(self, name: str = "fake", bot: str = "1", *, buttons: bool = True, max_text: int = 4096) -> None:
        self.name, self.bot, self.buttons, self.max_text = name, bot, buttons, max_text
        self.files = False
        self.skipped = 0
        self.arrived, self.called = asyncio.Event(), asyncio.Event()
        self.inbox: dict[str, list[Message]] = defaultdict(list)
        self.sent_files: list[File] = []
        self.order: list[tuple[str, str]] = []
        self.fails: dict[str, deque[Exception | Taken | None]] = defaultdict(deque)
        self.tries: dict[str, int] = defaultdict(int)
        self.holds: dict[str, asyncio.Event] = {}  # a send to that chat waits for it

    async def has(self, chat: str, count: int) -> None:
        """Wait until a chat has so many messages."""
        while len(self.inbox[chat]) < count:
            self.arrived.clear()
            await self.arrived.wait()

    async def is_called(self, chat: str) -> None:
        """Wait until something is being sent to a chat."""
        while not self.tries[chat]:
            self.called.clear()
            await self.called.wait()

    def platform_time(self) -> None:
        """It tells nothing."""

    async def look(self) -> None:
        """The platform takes us, or fails as the script ``fails["look"]`` says."""
        self.tries["look"] += 1
        if self.fails["look"] and isinstance(how := self.fails["look"].popleft(), Exception):
            raise how

    async def run(self, receive: Receive, works: Callable[[], None] = lambda: None) -> None:
        """Nothing arrives by itself."""
        await asyncio.Event().wait()

    async def send(self, chat: str, message: Message, *, quiet: bool = False, file: File | None = None) -> None:
        """Take the message, or fail as the script says."""
        self.tries[chat] += 1
        self.called.set()
        if chat in self.holds:
            await self.holds[chat].wait()
        how = self.fails[chat].popleft() if self.fails[chat] else None
        if isinstance(how, Exception):
            raise how
        self.inbox[chat].append(message)
        if file:
            self.sent_files.append(file)
        self.order.append((chat, message.text))
        self.arrived.set()
        if how:
            raise how.error


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **step: float) -> None:
        """Let time pass."""
        self.at += timedelta(**step)


class FakeTime:
    """Monotonic seconds that pass when a test says so: who sleeps wakes once they have."""

    def __init__(self) -> None:
        self.at, self.stepped = 0.0, asyncio.Event()
        self.sleeping: list[float] = []  # how long those sleep who do so now

    def __call__(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        """Sleep until so many seconds have passed."""
        until = self.at + seconds
        self.sleeping.append(seconds)
        try:
            while self.at < until:
                await self.stepped.wait()
        finally:
            self.sleeping.remove(seconds)

    def passes(self, seconds: float) -> None:
        """Let seconds pass."""
        self.at += seconds
        self.stepped.set()
        self.stepped = asyncio.Event()
