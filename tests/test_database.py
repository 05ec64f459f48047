"""The database's threads: what fails or is given up leaves nothing behind."""

import asyncio
import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from storage import models as m
from storage.database import Database, Db, insert_new


def put(db: Db, *names: str) -> None:
    db.execute(insert_new(db, m.Note), [{"name": name, "value": ""} for name in names])


async def test_a_job_that_fails_while_it_reads_holds_nobody_up(sqlite: Database) -> None:
    def fails(db: Db) -> None:
        rows = db.exec_driver_sql("SELECT * FROM note")
        for _ in rows:  # it has read one of two when it fails
            raise ZeroDivisionError

    await sqlite.write(lambda db: put(db, "a", "b"))
    for attempt in (sqlite.write, sqlite.read):
        with pytest.raises(ZeroDivisionError) as raised:
            await attempt(fails)
        with closing(Database(str(sqlite.url))) as other, other.transaction() as db:
            put(db, "c")
        await sqlite.write(lambda db: put(db, "d"))
        assert raised.value  # as while a turn is kept: it holds its frames, and they the cursor


async def test_a_commit_that_fails_leaves_no_transaction_open(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(connection: object) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, Exception())

    with monkeypatch.context() as patch:
        patch.setattr(sqlite.engine.dialect, "do_commit", fails)
        with pytest.raises(sa.exc.OperationalError):
            await sqlite.write(lambda db: put(db, "a"))
    await sqlite.write(lambda db: put(db, "b"))
    assert await sqlite.read(lambda db: db.scalars(sa.select(m.Note.name)).all()) == ["b"]


async def test_a_job_that_nobody_waits_for_any_more_does_not_begin(sqlite: Database) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def long(db: Db) -> None:
        put(db, "a")
        begun.set()
        may_end.wait(10)

    first = asyncio.create_task(sqlite.write(long))
    second = asyncio.create_task(sqlite.write(lambda db: put(db, "b")))
    await asyncio.to_thread(begun.wait, 10)
    first.cancel()
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    may_end.set()
    await sqlite.write(lambda db: put(db, "c"))
    assert await sqlite.read(lambda db: db.scalars(sa.select(m.Note.name)).all()) == ["a", "c"]
