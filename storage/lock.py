"""Who delivers: one process for each bot, because a platform's rate limit belongs to the bot."""

import fcntl
import os
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from storage.database import Database
from storage.outbox import CHANNEL

PING = 2.0  # seconds between signs of life on PostgreSQL
GOOD_FOR = 6.0  # seconds after a good ping within which sending is allowed; the server frees the lock after 8


class FileLock:
    """On SQLite: a lock on a file beside the database, held until the process ends.

    ``<database>.run`` is held by the one process that delivers, runs the clock and takes in what arrives;
    ``<database>.use`` is shared by every process that has the database open, and a restore has it alone.
    """

    def __init__(self, file: Path, ending: str = ".run", *, shared: bool = False) -> None:
        self.path = file.with_name(file.name + ending)
        self.how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self.handle: int | None = None

    def take(self) -> bool:
        """Try to get it; whether it is ours now. Raises OSError where its file cannot be made."""
        # For reading: whoever made it, perhaps root, others can still lock it.
        handle = os.open(self.path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, self.how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self.handle = handle
        return True

    def held(self) -> bool:
        """Whether sending is allowed."""
        return self.handle is not None

    def watch(self, wake: Callable[[], object]) -> bool:
        """Nothing can take a file lock away: wait a moment and say that it is still ours."""
        time.sleep(PING)
        return self.held()

    def release(self) -> None:
        """Let somebody else have it."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


class AdvisoryLock:
    """On PostgreSQL: an advisory lock on a connection of its own.

    The server frees it when the process dies, and after 8 s of silence when it was stopped; ``held`` is False well
    before that, so that the old holder does not send beside the new one.
    """

    def __init__(self, dsn: str, bot: tuple[str, str]) -> None:
        self.dsn = dsn
        self.number = int.from_bytes(sha256(":".join(bot).encode()).digest()[:8], "big", signed=True)
        self.connection: Any = None
        self.good_until = 0.0

    def take(self) -> bool:
        """Try to get it; whether it is ours now. Raises OperationalError where the server is gone."""
        import psycopg

        began = time.monotonic()
        connection = psycopg.connect(self.dsn, autocommit=True, connect_timeout=5)
        connection.execute("SET idle_session_timeout = '8s'")
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (self.number,)).fetchone()
        if row is None or not row[0]:
            connection.close()
            return False
        connection.execute(f"LISTEN {CHANNEL}")
        self.connection, self.good_until = connection, began + GOOD_FOR
        return True

    def held(self) -> bool:
        """Whether sending is allowed: the last good ping is recent."""
        return time.monotonic() < self.good_until

    def watch(self, wake: Callable[[], object]) -> bool:
        """Wait for a NOTIFY or the next ping, and say whether the lock is still ours. Runs in a thread."""
        import psycopg

        try:
            for _ in self.connection.notifies(timeout=PING, stop_after=1):
                wake()
            began = time.monotonic()
            self.connection.execute("SELECT 1")
        except (psycopg.Error, OSError):
            self.good_until = 0.0
            return False
        self.good_until = began + GOOD_FOR
        return True

    def release(self) -> None:
        """Let somebody else have it."""
        self.good_until = 0.0
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def in_use(file: Path) -> FileLock:
    """The lock that says that this process has the SQLite database open."""
    return FileLock(file, ".use", shared=True)


def alone(file: Path) -> FileLock:
    """The lock that says that nobody else has the SQLite database open."""
    return FileLock(file, ".use")


Lock = FileLock | AdvisoryLock


def lock(database: Database, bot: tuple[str, str]) -> Lock:
    """The delivering lock of a bot."""
    if database.file is not None:
        return FileLock(database.file)
    return AdvisoryLock(database.url.set(drivername="postgresql").render_as_string(hide_password=False), bot)
