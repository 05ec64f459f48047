"""One turn that raises, or a database that stores nothing, costs the others of its group next to nothing."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from bot.inbox import split
from handlers.messages import Message
from handlers.turn import Turn
from storage import addresses, incoming, notes, outbox
from storage import database as storage_database
from storage import models as m
from storage.database import Database, Db, Overtaken, cannot_store
from tests.conftest import postgres_database, sqlite_database
from tests.postgres import Postgres
from tests.test_inbox import Desk

PEOPLE = [f"chat {n}" for n in range(30)]


@contextmanager
def counted(database: Database, what: str) -> Iterator[list[None]]:
    """The transactions that begin, commit or roll back meanwhile."""
    found: list[None] = []

    def one(_db: Db) -> None:
        found.append(None)

    sa.event.listen(database.engine, what, one, insert=True)
    try:
        yield found
    finally:
        sa.event.remove(database.engine, what, one)


async def all_say(desk: Desk, said: dict[str, str]) -> list[BaseException | None]:
    """Everybody at once says something; *said*: those who say something else than hello."""
    came = [desk.incoming(chat, said.get(chat, "xin chào")) for chat in PEOPLE]
    return await asyncio.gather(*(desk.inbox.receive(each) for each in came), return_exceptions=True)


def kept(desk: Desk) -> int:
    with desk.database.transaction(read_only=True) as db:
        return len(incoming.kept(db))


async def test_a_turn_that_raises_costs_the_others_of_its_group_two_transactions(sqlite: Database) -> None:
    desk = Desk(sqlite)
    with counted(sqlite, "commit") as commits:
        assert await all_say(desk, {PEOPLE[17]: "raise"}) == [None] * 30
    assert (len(commits), kept(desk), desk.inbox.taken) == (3, 1, 29)  # before it, after it, and it is kept


async def test_who_raised_lately_runs_alone_and_the_others_once(sqlite: Database) -> None:
    desk = Desk(sqlite)
    await all_say(desk, {PEOPLE[17]: "raise"})
    desk.turns = 0
    with counted(sqlite, "commit") as commits:
        assert await all_say(desk, {PEOPLE[17]: "raise"}) == [None] * 30
    assert (len(commits), desk.turns, kept(desk)) == (2, 30, 2)


async def test_who_raised_long_ago_runs_with_the_others(sqlite: Database) -> None:
    desk = Desk(sqlite)
    await all_say(desk, {PEOPLE[17]: "raise"})
    desk.clock.at += timedelta(hours=1)
    with counted(sqlite, "commit") as commits:
        await all_say(desk, {})
    assert len(commits) == 1


async def test_several_that_raise_are_each_kept_and_the_others_answered_once(database: Database) -> None:
    desk = Desk(database)
    bad = {PEOPLE[n]: "raise" for n in (0, 7, 8, 29)}
    assert await all_say(desk, bad) == [None] * 30
    await desk.delivery.drain()
    assert kept(desk) == 4
    assert [desk.said(chat) for chat in PEOPLE if chat not in bad] == [["1"]] * 26


async def test_a_failure_that_no_turn_shows_is_found_by_halving(sqlite: Database) -> None:
    """The words of one turn break the statement that stores the replies of all."""
    desk = Desk(sqlite)
    with sqlite.transaction() as db:
        where = addresses.ensured(db, "fake", "1", "somebody", desk.clock())
        outbox.put(db, key="reply:fake:1:13:0", kind=m.REPLY, address_id=where.id, now=desk.clock(), state=m.SENT)
    with counted(sqlite, "commit") as commits:
        assert await all_say(desk, {}) == [None] * 30
    assert (kept(desk), desk.inbox.taken) == (1, 29)
    assert len(commits) < 10


def test_a_group_is_split_at_the_turn_that_raised_or_in_halves() -> None:
    assert split("abcde", "c") == ["ab", "de", "c"]
    assert split("abcde", "a") == ["bcde", "a"]
    assert split("abcde", "e") == ["abcd", "e"]
    assert split("abcde", None) == ["ab", "cde"]


async def test_where_the_file_stays_locked_everybody_is_told_after_one_try(
    tmp_path: Path, sqlite_template: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_database, "PRAGMAS", (*storage_database.PRAGMAS, "busy_timeout=20"))
    database = sqlite_database(tmp_path, sqlite_template)
    desk = Desk(database)
    assert database.file is not None
    with closing(sqlite3.connect(database.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with counted(database, "begin") as tries:
            told = await all_say(desk, {})
    assert [type(error) for error in told] == [sa.exc.OperationalError] * 30
    assert len(tries) == 1
    assert await all_say(desk, {}) == [None] * 30
    database.close()


async def test_a_row_that_is_held_holds_up_nobody_else(postgres: Postgres) -> None:
    """Not the database but one row is locked: the others of the group are answered."""
    database = postgres_database(postgres)
    desk = Desk(database)
    answer = desk.inbox.answer

    def writes_a_note(turn: Turn) -> list[Message]:
        if turn.address.chat == PEOPLE[4]:
            turn.db.exec_driver_sql("SET LOCAL lock_timeout = '30ms'")
            notes.write(turn.db, "paused", "1")
        return answer(turn)

    desk.inbox.answer = writes_a_note
    with database.transaction() as db:
        notes.write(db, "paused", "")
    with database.transaction() as db:
        db.execute(sa.select(m.Note).with_for_update())
        told = await all_say(desk, {})
    assert [(n, type(error)) for n, error in enumerate(told) if error] == [(4, sa.exc.OperationalError)]
    database.close()


def test_an_error_of_one_statement_does_not_say_that_nothing_can_be_stored(database: Database) -> None:
    def raised(text: str) -> BaseException:
        with pytest.raises(sa.exc.DBAPIError) as caught, database.transaction() as db:
            db.exec_driver_sql(text)
        return caught.value

    too_complex = f"SELECT {'-'.join(['1'] * 300_000)}"  # PostgreSQL's 54001
    one = raised("SELECT nothing FROM nowhere" if database.is_sqlite else too_complex)
    assert isinstance(one, sa.exc.OperationalError)
    assert not cannot_store(one)


async def test_transactions_that_lock_each_other_crosswise_are_run_again_whoever_writes(postgres: Postgres) -> None:
    database = postgres_database(postgres)
    clock = Desk(database).clock
    with database.transaction() as db:
        a, b = (addresses.ensured(db, "fake", "1", chat, clock()).id for chat in ("a", "b"))
    both = threading.Barrier(2)

    def crosswise(first: int, second: int, tries: list[None]) -> Callable[[Db], str]:
        def work(db: Db) -> str:
            tries.append(None)
            db.exec_driver_sql("SET LOCAL deadlock_timeout = '20ms'")
            addresses.go(db, first, "x")
            if len(tries) == 1:
                both.wait(10)
            addresses.go(db, second, "x")
            return "done"

        return work

    one, other = list[None](), list[None]()
    done = await asyncio.gather(database.write(crosswise(a, b, one)), database.write(crosswise(b, a, other)))
    assert list(done) == ["done", "done"]
    assert len(one) + len(other) == 3
    database.close()


async def test_what_can_never_be_serialised_is_tried_three_times(postgres: Postgres) -> None:
    database = postgres_database(postgres)
    tries: list[None] = []

    def work(db: Db) -> None:
        tries.append(None)
        db.exec_driver_sql("DO $$BEGIN RAISE SQLSTATE '40001'; END$$")

    with pytest.raises(sa.exc.OperationalError) as caught:
        await database.write(work)
    assert isinstance(caught.value.orig, psycopg.errors.SerializationFailure)
    assert len(tries) == 3
    database.close()


async def test_a_step_that_was_overtaken_is_run_again_with_what_is_true_then(database: Database) -> None:
    tries: list[None] = []

    def work(db: Db) -> str:
        tries.append(None)
        if len(tries) == 1:
            notes.write(db, "a", "b")
            raise Overtaken
        return notes.read(db, "a") or "undone"

    assert await database.write(work) == "undone"
    tries.clear()
    assert database.written(work) == "undone"
    assert len(tries) == 2


async def test_a_claim_that_is_run_again_sends_each_reply_once(postgres: Postgres) -> None:
    database = postgres_database(postgres)
    desk = Desk(database)
    with database.transaction() as db:
        address = addresses.ensured(db, "fake", "1", "an", desk.clock())
        outbox.put(db, key="k", kind=m.REPLY, address_id=address.id, now=desk.clock(), body='{"text": "một"}')
    failures = iter([True])

    @sa.event.listens_for(database.engine, "commit")
    def fails_once(db: Db) -> None:
        if next(failures, False):
            db.exec_driver_sql("DO $$BEGIN RAISE SQLSTATE '40001'; END$$")

    assert await desk.delivery.deliver_replies()
    await desk.delivery.drain()
    assert (desk.said("an"), desk.states(), desk.delivery.in_hand) == (["một"], [m.SENT], set())
    database.close()
