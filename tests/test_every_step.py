"""The N-th statement, commit or send fails, for every N until a run meets no fault: all still ends well."""

import asyncio
import itertools
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from bot import delivery
from bot.channels import File, TryLater
from handlers.messages import Message
from storage import models as m
from storage.database import Database
from tests.checkers import all_is_well
from tests.conftest import postgres_database, sqlite_database
from tests.postgres import Postgres
from tests.statements import every_statement
from tests.story import AN, BINH, CHI, SUBMIT, Process, Story

SENDS = ("send", "unknown send")
NO_STEP = ("BEGIN", "PRAGMA", "SET")


class Fault:
    """Makes the *n*-th step of one kind fail, once."""

    def __init__(self, number: int, kind: str) -> None:
        self.left, self.in_main = number, kind in SENDS

    def step(self) -> bool:
        """Whether this step is the one that fails. What the test itself asks the database does not count."""
        if threading.current_thread() is threading.main_thread() and not self.in_main:
            return False
        self.left -= 1
        return self.left == 0

    @property
    def met(self) -> bool:
        return self.left <= 0


def broken(database: Database) -> Exception:
    """What the driver raises when the disk or the server fails."""
    cause = sqlite3.OperationalError("disk I/O error") if database.is_sqlite else psycopg.OperationalError("gone")
    return sa.exc.OperationalError("statement", {}, cause)


@contextmanager
def failing(story: Story, kind: str, fault: Fault) -> Iterator[None]:
    """Steps of this *kind* count, and the one that *fault* names fails."""
    engine, channel, database, undo = story.database.engine, story.channel, story.database, ExitStack()
    commit, send = engine.dialect.do_commit, channel.send

    def statement(text: str) -> None:
        if not text.startswith(NO_STEP) and fault.step():
            raise broken(database) if kind == "statement" else ZeroDivisionError

    def before_commit(connection: Any) -> None:
        if fault.step():
            raise broken(database)
        commit(connection)

    def after_commit(connection: Any) -> None:
        commit(connection)
        if fault.step():
            raise broken(database)

    async def lost(chat: str, message: Message, *, quiet: bool = False, file: File | None = None) -> None:
        if fault.step():
            raise TryLater(sent=None)
        await send(chat, message, quiet=quiet, file=file)

    async def taken(chat: str, message: Message, *, quiet: bool = False, file: File | None = None) -> None:
        await send(chat, message, quiet=quiet, file=file)
        if fault.step():
            raise TryLater(sent=None)

    match kind:
        case "statement" | "bug":
            undo.enter_context(every_statement(database, statement))
        case "commit":
            vars(engine.dialect)["do_commit"] = before_commit
        case "unknown commit":
            vars(engine.dialect)["do_commit"] = after_commit
        case "send":
            channel.send = lost  # type: ignore[method-assign]
        case "unknown send":
            channel.send = taken  # type: ignore[method-assign]
    try:
        yield
    finally:
        undo.close()
        vars(engine.dialect).pop("do_commit", None)
        channel.send = send  # type: ignore[method-assign]


async def play(story: Story) -> None:
    """Three people at once, a turn that raises, notices, a submission, while delivery runs."""
    process = Process(story, "run-1")
    delivering = asyncio.create_task(process.delivery.run())

    async def notices() -> None:
        while True:
            try:
                await story.database.write(lambda db: put(db))
                return
            except Exception:
                await asyncio.sleep(0.001)

    def put(db: sa.Connection) -> None:
        story.put(db, m.REMINDER, "reminder:2", BINH)
        story.put(db, m.DIGEST, "digest:3", CHI)

    await asyncio.gather(
        story.insists(process, AN, "a1", "two a2", "a3", SUBMIT, "a4"),
        story.insists(process, BINH, "b1", "b2"),
        story.insists(process, CHI, "raise c1", "c2"),
        notices(),
    )
    process.delivery.wake()
    await story.quiet()
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)


async def until_no_fault_is_met(kind: str, databases: Iterator[Database], stride: int) -> None:
    for number in itertools.count(1, stride):
        with closing(next(databases)) as database:
            story, fault = Story(database), Fault(number, kind)
            story.crashes = 1 if kind in ("send", "unknown send", "unknown commit") else 0
            with failing(story, kind, fault):
                await play(story)
            assert all_is_well(story) == [], f"{kind} {number}"
        if not fault.met:
            assert number > 2 * stride
            return


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are looked at again in a moment."""
    monkeypatch.setattr(delivery, "LOOK", 0.02)


EVERY = pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(300)])


@pytest.mark.parametrize("stride", [11, EVERY])
@pytest.mark.parametrize("kind", ["statement", "bug"])
async def test_whatever_statement_fails_all_ends_well(
    kind: str, stride: int, tmp_path: Path, sqlite_template: bytes, quick: None
) -> None:
    await until_no_fault_is_met(kind, _sqlite(tmp_path, sqlite_template), stride)


@pytest.mark.parametrize("stride", [3, EVERY])
@pytest.mark.parametrize("kind", ["commit", "unknown commit", *SENDS])
async def test_whatever_commit_or_send_fails_all_ends_well(
    kind: str, stride: int, tmp_path: Path, sqlite_template: bytes, quick: None
) -> None:
    await until_no_fault_is_met(kind, _sqlite(tmp_path, sqlite_template), stride)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "stride"), [("statement", 2), ("bug", 2), ("commit", 1), ("unknown commit", 1), ("unknown send", 1)]
)
async def test_whatever_step_fails_on_postgresql_all_ends_well(
    kind: str, stride: int, postgres: Postgres, quick: None
) -> None:
    await until_no_fault_is_met(kind, (postgres_database(postgres) for _ in itertools.count()), stride)


def _sqlite(folder: Path, template: bytes) -> Iterator[Database]:
    return (sqlite_database(folder, template) for _ in itertools.count())
