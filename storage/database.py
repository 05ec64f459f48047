"""One database, SQLite or PostgreSQL: its engine, its transactions, its thread."""

import asyncio
import secrets
import select
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection as Db
from sqlalchemy.engine import make_url

from storage.prepared import drive, insert_of, without_values
from storage.sealing import Sealer

__all__ = [
    "Database", "Db", "NotStored", "Overtaken", "Utc", "cannot_store", "concerns_some", "insert_new",
    "may_be_tried_again", "one_at_a_time", "put", "server_time",
]  # fmt: skip

T = TypeVar("T")

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=5000",
    "recursive_triggers=ON",
    "cache_size=-8000",  # KiB of pages for each connection
)
# A process that is stopped in the middle of a transaction keeps its locks from everybody; after 8 s it loses them.
FROZEN = "-c idle_in_transaction_session_timeout=8s"
TRIES = 3  # of a transaction that met a deadlock
PARALLEL = 8  # transactions at once on PostgreSQL; SQLite has one writer


def cannot_store(error: BaseException) -> bool:
    """Whether the database could store nothing: locked, full, gone. What came in must not be confirmed then.

    The drivers also call it operational where a statement is at fault (too long, too many values): not that.
    """
    if not isinstance(error, NotStored | sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.InternalError):
        return False
    cause = getattr(error, "orig", None)
    at_fault = (_sqlstate(error) or "").startswith("54") or (
        isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    )
    return not at_fault


def concerns_some(error: BaseException) -> bool:
    """Whether what could not be stored may be stored without the others: a row was held, or a deadlock (PostgreSQL)."""
    return may_be_tried_again(error) or _sqlstate(error) == "55P03"


def one_at_a_time(db: Db, number: int) -> None:
    """Wait until no other transaction does what has this *number*. SQLite has one writer anyway."""
    if db.dialect.name != "sqlite":
        db.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def server_time(db: Db) -> datetime | None:
    """What time it is where the database is; None where that is this machine."""
    if db.dialect.name == "sqlite":
        return None
    at: datetime = db.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return at


def insert_new(db: Db, table: type[Any]) -> Any:
    """An insert that leaves a row alone whose unique key is known already."""
    return insert_of(db.dialect)(table).on_conflict_do_nothing()


def put(db: Db, table: type[Any], row: dict[str, Any], *, change: Collection[str]) -> None:
    """Insert *row*; where its primary key is known already, *change* these columns to its values instead.

    One statement: several processes may do it at once.
    """
    insert = insert_of(db.dialect)(table).values(row)
    key = sa.inspect(table).primary_key
    db.execute(insert.on_conflict_do_update(index_elements=key, set_={name: insert.excluded[name] for name in change}))


class NotStored(Exception):
    """The driver left the transaction by itself (disk full, I/O error): what was written is gone."""


class Utc(sa.types.TypeDecorator[datetime]):
    """An aware time, stored in UTC. Refuses a naive one; gives the zone back that SQLite drops."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Overtaken(Exception):
    """Somebody else changed a row after it was read: what was to be stored would overwrite that."""


def may_be_tried_again(error: BaseException) -> bool:
    """Whether the same transaction, begun anew, may succeed: `Overtaken`, a deadlock, or a serialisation failure."""
    return isinstance(error, Overtaken) or _sqlstate(error) in {"40P01", "40001"}


def _tried(once: Callable[[], T]) -> T:
    """What *once* returns, at most at the third try."""
    for tried in range(1, TRIES):
        try:
            return once()
        except Exception as error:
            if not may_be_tried_again(error):
                raise
        time.sleep(tried * (10 + secrets.randbelow(20)) / 1000)  # begun at once, it would meet the other one again
    return once()


def _sqlstate(error: BaseException) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)


class Database:
    """The engine with its transactions.

    Every writing transaction of the process goes through ``write``: on SQLite one thread with a fair queue (several
    writers would wait in SQLite's busy handler and starve each other), on PostgreSQL a small pool of threads.
    *secret*: the key under which invitation codes are hashed.
    """

    def __init__(self, url: str, sealer: Sealer | None = None, secret: bytes = b"") -> None:
        self.url = make_url(url)
        if self.url.get_backend_name() == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._engine().execution_options(sealer=sealer or Sealer(), secret=secret)
        self.writers = ThreadPoolExecutor(1 if self.is_sqlite else PARALLEL, thread_name_prefix="database")
        self.readers = ThreadPoolExecutor(2, thread_name_prefix="reading")
        self._connection: Db | None = None

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None on a server."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    def _engine(self) -> sa.Engine:
        if not self.is_sqlite:
            engine = sa.create_engine(
                self.url,
                hide_parameters=True,
                pool_size=PARALLEL + 2,
                pool_use_lifo=True,  # the one that knows the statements best
                max_overflow=4,
                connect_args={"options": FROZEN},
            )
            event.listen(engine, "handle_error", _without_values)
            event.listen(engine, "checkout", partial(_still_there, engine.dialect))
            return engine
        engine = sa.create_engine(self.url, hide_parameters=True, pool_size=4, max_overflow=4)
        event.listen(engine, "connect", _opened)
        event.listen(engine, "begin", _begun)
        event.listen(engine, "commit", _still_in_transaction)
        return engine

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Db]:
        """A transaction in this thread: for commands and tests. Commits at the end, rolls back on an exception."""
        with self.engine.connect() as connection:
            if read_only:
                connection = connection.execution_options(read_only=True)
                if not self.is_sqlite:
                    connection = connection.execution_options(postgresql_readonly=True)
            with self._anew_if_it_fails(connection), connection.begin():
                if read_only and not self.is_sqlite:  # it holds nobody up, and may take its time between statements
                    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                yield connection

    def written(self, work: Callable[[Db], T]) -> T:
        """As ``write``, in this thread: for commands."""

        def once() -> T:
            with self.transaction() as db:
                return work(db)

        return _tried(once)

    async def write(self, work: Callable[[Db], T]) -> T:
        """Run *work* in one transaction in the database's thread; its result, once committed.

        After a deadlock, a serialisation failure or `Overtaken` it is run again from the start, in a new transaction:
        what *work* keeps outside of the database it begins anew each time.
        """

        def once() -> T:
            with self._kept() if self.is_sqlite else self.transaction() as db:
                return work(db)

        return await asyncio.get_running_loop().run_in_executor(self.writers, _tried, once)

    async def read(self, work: Callable[[Db], T]) -> T:
        """Run *work* in a transaction that only reads: no turn waits for it."""

        def job() -> T:
            with self.transaction(read_only=True) as db:
                return work(db)

        return await asyncio.get_running_loop().run_in_executor(self.readers, job)

    @contextmanager
    def _kept(self) -> Iterator[Db]:
        """A transaction of SQLite's one writing thread, which keeps its connection and so its cache of pages."""
        if self._connection is None:
            self._connection = self.engine.connect()
        with self._anew_if_it_fails(self._connection), self._connection.begin():
            yield self._connection

    @contextmanager
    def _anew_if_it_fails(self, connection: Db) -> Iterator[None]:
        """After a failure a connection to SQLite is opened anew.

        A cursor may still be open in the error's frames, or the transaction after a commit that failed: the next
        BEGIN would find the database locked.
        """
        try:
            yield
        except BaseException:
            if self.is_sqlite:
                connection.invalidate()
            raise

    def close(self) -> None:
        """Let what is under way end, then close every connection."""
        self.writers.shutdown(wait=True)
        self.readers.shutdown(wait=True)
        if self._connection is not None:
            self._connection.close()
        self.engine.dispose()


def _opened(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _still_there(dialect: sa.Dialect, driver: Any, _record: Any, _proxy: Any) -> None:
    """Have a connection replaced that the server has ended: one at rest to which something was sent.

    Asking each of them instead (``pool_pre_ping``) would be a way to the server and back for every transaction.
    """
    look = select.poll()
    try:
        look.register(driver.fileno(), select.POLLIN)
        if look.poll(0):
            dialect.do_ping(driver)
    except dialect.loaded_dbapi.Error as error:
        raise sa.exc.InvalidatePoolError from error  # and all others that were opened before


def _begun(connection: Db) -> None:
    read_only = connection.get_execution_options().get("read_only")
    drive(connection, "BEGIN" if read_only else "BEGIN IMMEDIATE")


def _still_in_transaction(connection: Db) -> None:
    driver = connection.connection.dbapi_connection
    if isinstance(driver, sqlite3.Connection) and not driver.in_transaction:
        raise NotStored("the database left the transaction before its commit")


def _without_values(context: sa.engine.ExceptionContext) -> None:
    without_values(context.original_exception, context.sqlalchemy_exception)
