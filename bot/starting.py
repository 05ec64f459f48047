"""Waits at the start until the database can be used, and says why it cannot."""

import asyncio
import itertools
import signal
from pathlib import Path

import structlog

from storage.database import Database, cannot_store
from storage.lock import FileLock, in_use
from storage.schema import migrate, require_newest

log = structlog.get_logger()

LONGEST_WAIT = 60.0  # seconds between two tries: 1, 2, 4 ... 60


async def until_usable(database: Database) -> bool:
    """Bring a SQLite database to the newest revision, however long its disk is full or its file somebody else's; on
    PostgreSQL see that it is there, however long the server does not answer.

    False where a signal said stop before that. Raises OtherRevision, and what a migration raises that waiting would
    not mend.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    for tries in itertools.count():
        try:
            await asyncio.to_thread(_bring, database)
            return True
        except Exception as error:
            if not (cannot_store(error) or isinstance(error, OSError)):
                raise
            why = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or type(error).__name__)
            log.error(
                "database.cannot_be_used",
                why=why,
                where=str(database.file or database.url.host or "-"),
                error=type(error).__name__,
            )
        try:
            await asyncio.wait_for(stop.wait(), min(LONGEST_WAIT, 2.0**tries))
            return False
        except TimeoutError:
            continue
    raise AssertionError


def _bring(database: Database) -> None:
    if database.file is None:
        require_newest(database)
    else:
        migrate(database)
        for lock in (FileLock(database.file), in_use(database.file)):  # their files must be there, or can be made
            lock.take()
            lock.release()


def missing_folder(database: Database) -> Path | None:
    """The folder in which the SQLite file should lie, where there is none: no waiting makes it."""
    folder = database.file.absolute().parent if database.file is not None else None
    return folder if folder is not None and not folder.is_dir() else None
