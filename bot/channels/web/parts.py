"""What the web chat is built from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.channels import Receive
from bot.documents import Documents
from storage.claims import Word
from storage.database import Database

NAME = "web"


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
