"""The delivering lock: one holder, who knows at once when it is lost."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bot.channels import Incoming
from bot.inbox import Inbox
from handlers.messages import Message, Said
from storage import lock as locks
from storage import outbox
from storage.lock import AdvisoryLock, FileLock, lock
from tests.conftest import postgres_database
from tests.fakes import FakeClock
from tests.postgres import Postgres

BOT = ("telegram", "1")


def taken(other: AdvisoryLock, within: float = 5) -> bool:
    """Take it once the server has seen that the other connection is gone: whether within so many seconds."""
    until = time.monotonic() + within
    while not other.take():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def dsn(postgres: Postgres) -> str:
    return postgres.dsn("postgres")


@pytest.fixture
def held(dsn: str) -> Iterator[AdvisoryLock]:
    mine = AdvisoryLock(dsn, BOT)
    assert taken(mine)
    yield mine
    mine.release()


def killed(postgres: Postgres) -> None:
    """The server ends every connection that holds an advisory lock."""
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
    )


def test_there_is_one_holder_for_each_bot(held: AdvisoryLock, dsn: str) -> None:
    second, other_bot = AdvisoryLock(dsn, BOT), AdvisoryLock(dsn, ("telegram", "2"))
    assert (second.take(), second.held()) == (False, False)
    assert other_bot.take()
    other_bot.release()
    held.release()
    assert taken(second)
    second.release()


def test_a_holder_whose_connection_is_cut_stops_at_once_and_another_takes_over(
    held: AdvisoryLock, postgres: Postgres, dsn: str
) -> None:
    killed(postgres)
    began = time.monotonic()
    assert not held.watch(lambda: None)
    assert not held.held()
    assert time.monotonic() - began < locks.PING
    second = AdvisoryLock(dsn, BOT)
    assert taken(second)
    second.release()


def test_a_holder_that_has_not_reached_the_server_lately_does_not_send(
    held: AdvisoryLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PING", 0.01)
    assert held.watch(lambda: None)
    assert 0 < held.good_until - time.monotonic() <= locks.GOOD_FOR
    assert held.held()
    held.good_until = time.monotonic()  # so long ago was the last good ping
    assert not held.held()
    assert held.watch(lambda: None)
    assert held.held()


def test_the_holder_is_woken_when_something_is_put(held: AdvisoryLock, dsn: str) -> None:
    woken = threading.Event()
    watching = threading.Thread(target=held.watch, args=[woken.set])
    watching.start()
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(f"NOTIFY {outbox.CHANNEL}")
    assert woken.wait(1)
    watching.join()


def test_a_server_that_is_gone_is_said(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError):
        AdvisoryLock("postgresql://test@/postgres?host=/nowhere", BOT).take()


def test_a_file_is_run_by_one_process(tmp_path: Path) -> None:
    file = tmp_path / "kiemdiem.db"
    first, second = FileLock(file), FileLock(file)
    assert (first.take(), second.take(), second.held()) == (True, False, False)
    first.release()
    assert second.take()
    second.release()


def test_a_process_that_is_killed_lets_the_file_go(tmp_path: Path) -> None:
    file = tmp_path / "kiemdiem.db"
    program = (
        "import sys, pathlib, time; from storage.lock import FileLock; "
        "lock = FileLock(pathlib.Path(sys.argv[1])); print(lock.take(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "True\n"
        mine = FileLock(file)
        assert not mine.take()
        child.send_signal(signal.SIGKILL)
    assert mine.take()
    mine.release()


async def test_a_reply_that_another_process_must_send_wakes_it_at_once(postgres: Postgres) -> None:
    database = postgres_database(postgres)
    elsewhere = lock(database, BOT)
    assert elsewhere.take()
    woken = threading.Event()
    watching = threading.Thread(target=lambda: elsewhere.watch(woken.set))
    watching.start()
    inbox = Inbox(database, answer=lambda turn: [Message("1")], now=FakeClock(), lang="vi", deliveries={})
    await inbox.receive(Incoming("telegram:1:1", "telegram", "1", "an", Said("chào")))
    assert await asyncio.to_thread(woken.wait, 1.5)  # a ping is 2 s away
    watching.join()
    elsewhere.release()
    database.close()
