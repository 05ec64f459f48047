"""What the web chat is built from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.channels import Receive
from bot.documents import Documents
from handlers.messages import Message
from storage.addresses import Address
from storage.claims import Word
from storage.database import Database, Db

NAME = "web"
Present = Callable[[Db, Address, datetime, str | None], Message | None]
"""What a page shows below its history when it is opened; the text is that of the last message in it."""


@dataclass(frozen=True, slots=True)
class Web:
    """The parts, wired by hand. ``public_url``: where people reach it, or "" on this machine only. ``stopping``:
    whether the server ends, which an open stream must not hold up."""

    database: Database
    receive: Receive
    now: Callable[[], datetime]
    word: Word
    secret_key: str
    zone: ZoneInfo
    documents: Documents
    lang: str = "vi"
    public_url: str = ""
    stopping: Callable[[], bool] = lambda: False
    present: Present = lambda db, address, now, last: None
