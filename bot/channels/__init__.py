"""What a channel is, and the four ways its sending fails."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from handlers.messages import Event, Message


@dataclass(frozen=True, slots=True)
class Incoming:
    """Something that arrived, ready for the inbox. ``key`` is unique for ever: ``telegram:<bot>:<update_id>``."""

    key: str
    channel: str
    bot: str
    chat: str
    event: Event


@dataclass(frozen=True, slots=True)
class File:
    """A file to be sent. ``name``: plain letters, never from outside."""

    name: str
    data: bytes


Receive = Callable[[Incoming], Awaitable[None]]
"""Takes an Incoming and returns once its turn is committed: only then may the channel confirm it to the platform.
Raises where nothing could be stored."""


class TryLater(Exception):
    """Not now. ``sent`` False: surely not sent; None: nobody knows. ``after``: how long the platform asked to wait."""

    def __init__(self, after: timedelta | None = None, *, sent: bool | None = False, flood: bool = False) -> None:
        super().__init__("try later")
        self.after, self.sent, self.flood = after, sent, flood


class Unreachable(Exception):
    """This address takes nothing any more: blocked, deactivated, never started."""


class Refused(Exception):
    """Our fault: this message will never be taken."""


class Stopped(Exception):
    """The whole channel must stop: bad token, a second poller. The operator is told, and it is tried again later.

    ``kind``: which sentence tells what to do: ``token``, ``conflict``.
    """

    def __init__(self, why: str = "", kind: str = "token") -> None:
        super().__init__(why)
        self.kind = kind


class Channel(Protocol):
    """A way to people that sends by itself. (The web chat does not: its page comes to fetch.)"""

    name: str
    bot: str
    buttons: bool  # False: choices are written out with numbers
    files: bool
    max_text: int  # UTF-16 units in one message
    skipped: int  # what arrived and could not be taken in, nor ever will be

    async def run(self, receive: Receive, works: Callable[[], None] = ...) -> None:
        """Take in what arrives until cancelled. *works* is called each time the platform answers. Raises Stopped."""
        ...

    async def look(self) -> None:
        """Ask the platform whether it takes us. Raises one of the four."""
        ...

    def platform_time(self) -> datetime | None:
        """What time it is by the platform's clock, as its last answer told; None: it told nothing."""
        ...

    async def send(self, chat: str, message: Message, *, quiet: bool = False, file: File | None = None) -> None:
        """Send one message, no longer than ``max_text``. *quiet*: without a sound. *file* comes with it, where the
        channel takes files; the text is then no longer than a caption. Raises one of the four."""
        ...
