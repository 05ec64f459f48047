"""Who delivers: one process for each bot, because a platform's rate limit belongs to the bot."""

import fcntl
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from storage.database import Database
from storage.outbox import CHANNEL

PING = 2.0  # seconds between signs of life on PostgreSQL
GOOD_FOR = 6.0  # seconds after a good ping within which sending is allowed; the server frees the lock after 8


class FileLock:
    """On SQLite: a lock on ``<database>.run``, held until the process ends."""

    def __init__(self, file: Path) -> None:
        self.path = file.with_name(file.name + ".run")
        self.handle: IO[bytes] | None = None

    def take(self) -> bool:
        """Try to get it; whether it is ours now."""
        handle = self.path.open("ab")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
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
        if self.handle:
            self.handle.close()
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


Lock = FileLock | AdvisoryLock


def lock(database: Database, bot: tuple[str, str]) -> Lock:
    """The delivering lock of a bot."""
    if database.file is not None:
        return FileLock(database.file)
    return AdvisoryLock(database.url.set(drivername="postgresql").render_as_string(hide_password=False), bot)
