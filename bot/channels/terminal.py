"""The conversation in a terminal: for trying the bot out, and for recording a conversation as a test."""

import asyncio
import sys
from collections.abc import Callable
from typing import IO

from bot.channels import File, Incoming, Receive
from handlers.messages import Message, Said

MARGIN = "  "


class Terminal:
    """One person at a keyboard. Choices are written out with numbers, as on a channel without buttons."""

    name, bot = "terminal", ""
    buttons, files = False, False
    max_text = 1_000_000
    skipped = 0

    def __init__(self, chat: str, record: IO[str] | None = None) -> None:
        self.chat, self.record = chat, record
        self.number = 0
        self.answered = asyncio.Event()

    async def look(self) -> None:
        """Nobody to ask."""

    def platform_time(self) -> None:
        """No platform."""

    async def run(self, receive: Receive, works: Callable[[], None] = lambda: None) -> None:
        """Read lines until the end of the input."""
        while line := await asyncio.to_thread(sys.stdin.readline):
            if text := line.rstrip("\n"):
                await self.say(receive, text)

    async def say(self, receive: Receive, text: str) -> None:
        """One line of the person."""
        if self.record:
            self.record.write(f"> {text}\n")
        self.number += 1
        await receive(Incoming(f"terminal:{self.chat}:{self.number}", self.name, self.bot, self.chat, Said(text)))

    async def send(self, chat: str, message: Message, *, quiet: bool = False, file: File | None = None) -> None:
        """Print it."""
        text = "\n".join(f"{MARGIN}{line}".rstrip() for line in message.text.splitlines())
        sys.stdout.write(f"\n{text}\n\n")
        sys.stdout.flush()
        if self.record:
            self.record.write(f"{text}\n\n")
            self.record.flush()
