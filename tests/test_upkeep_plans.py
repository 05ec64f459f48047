"""What keeps the outbox in order, and what counts it, looks only at the rows it is about, not at all ever said."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from storage import claims, invitations, outbox, pulse, stuck, tidying
from storage import models as m
from storage.database import Database, Db
from tests.fakes import FakeClock
from tests.statements import every_statement

NOW = FakeClock()()
BOT = ("fake", "1")
ONLY = {
    "ix_outgoing_replies", "ix_outgoing_notices", "ix_outgoing_open", "ix_outgoing_claimed", "ix_outgoing_said",
    "ix_outgoing_failed", "ix_incoming_failed",
}  # fmt: skip
"""Partial indexes: what waits, is in a hand, has its words still, or failed."""
USES = {
    "empty_bodies": {"ix_outgoing_said"},
    "take_over": {"ix_outgoing_claimed"},
    "put_back_lost": {"ix_outgoing_claimed"},
}

UPKEEP: dict[str, Callable[[Db], object]] = {
    "empty_bodies": lambda db: tidying.empty_bodies(db, NOW - timedelta(days=7), 100),
    "forget_keys": lambda db: tidying.forget_keys(db, NOW, 100),
    "forget_attempts": lambda db: tidying.forget_attempts(db, NOW),
    "take_over": lambda db: claims.take_over(db, "run-2", BOT, NOW),
    "put_back_lost": lambda db: claims.put_back_lost(db, "run-1", BOT, set(), NOW),
    "waiting": lambda db: pulse.waiting(db, NOW - timedelta(days=30)),
    "kept_turns": lambda db: pulse.kept_turns(db),
    "overdue": lambda db: pulse.overdue(db, 1, NOW),
    "counts": lambda db: stuck.counts(db, NOW),
    "due": lambda db: stuck.due(db, NOW),
    "listed": lambda db: stuck.listed(db, NOW, 20),
    "retry_refused": lambda db: stuck.retry_refused(db, NOW),
    "expire_due": lambda db: outbox.expire_due(db, NOW),
    "asked_open_replies": lambda db: claims.asked_open_replies(db, [1, 2])(),
}


@contextmanager
def outbox_of(database: Database, said: int) -> Iterator[Db]:
    """An outbox in which nearly everything was said long ago."""
    states = [m.CLAIMED, m.QUEUED, m.REFUSED, m.UNSURE, *[m.SENT] * said]
    kinds = [m.REPLY, m.REMINDER, m.NOTICE]
    with database.transaction() as db:
        db.execute(sa.insert(m.Address).values(channel="fake", bot="1", chat="an", memory={}, last_seen=NOW))
        row = {"address_id": 1, "sender": "fake:1", "due_at": NOW - timedelta(days=20), "created_at": NOW}
        db.execute(
            sa.insert(m.Outgoing),
            [
                row
                | {
                    "key": f"{state}:{kind}:{number}",
                    "kind": kind,
                    "state": state,
                    "claimed_by": "run-1" if state == m.CLAIMED else None,
                    "body": b"{}" if state != m.SENT or number % 10 == 0 else None,
                    "sent_at": NOW - timedelta(days=20) if state == m.SENT else None,
                }
                for number, state in enumerate(states)
                for kind in kinds
            ],
        )
        yield db


@pytest.mark.parametrize("name", UPKEEP)
def test_on_sqlite_it_reads_no_table_from_end_to_end(sqlite: Database, name: str) -> None:
    with outbox_of(sqlite, 3) as db, every_statement(sqlite) as ran:
        UPKEEP[name](db)
    assert sqlite.file is not None
    found, used = [], set[str]()
    with closing(sqlite3.connect(sqlite.file)) as db:
        for statement, parameters in ran:
            for *_, step in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
                used |= set(re.findall(r"INDEX (ix_outgoing_\w+)", step))
                scan = re.match(r"SCAN (outgoing|incoming|attempt|assessment|address)(?:.* INDEX (\w+))?", step)
                if scan and scan[2] not in ONLY:
                    found.append(step)
    assert (len(ran) > 0, found) == (True, [])
    assert used >= USES.get(name, set())


@pytest.fixture(scope="module")
def filled(postgres: object) -> Iterator[Database]:
    """10,000 messages on PostgreSQL, which knows how many there are of each."""
    from tests.conftest import postgres_database

    database = postgres_database(postgres)  # type: ignore[arg-type]
    with outbox_of(database, 3_300):
        pass
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql("VACUUM ANALYZE outgoing")
    yield database
    database.close()


@pytest.mark.parametrize("name", [name for name in UPKEEP if name not in {"forget_attempts", "forget_keys"}])
def test_on_postgresql_it_reads_a_big_outbox_by_its_indexes(filled: Database, name: str) -> None:
    """PostgreSQL reads small tables from end to end, and is right to: only the outbox is big here."""
    with filled.transaction() as db:
        with every_statement(filled) as ran:
            UPKEEP[name](db)
        db.rollback()
    plans = []
    with filled.transaction(read_only=True) as db:
        for statement, parameters in ran:
            plans += [row[0] for row in db.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
    assert [step for step in plans if "Seq Scan on outgoing" in step] == []


def test_what_it_finds_and_does(database: Database) -> None:
    with outbox_of(database, 20) as db:
        waiting = {(each.kind, each.state): each.count for each in pulse.waiting(db, NOW - timedelta(days=30))}
        assert waiting == {
            (kind, state): 1
            for kind in (m.NOTICE, m.REMINDER, m.REPLY)
            for state in (m.CLAIMED, m.QUEUED, m.REFUSED, m.UNSURE)
        }
        assert {each.channel for each in pulse.waiting(db, NOW)} == {"fake"}
        assert {each.state for each in pulse.waiting(db, NOW)} == {m.CLAIMED, m.QUEUED}
        assert stuck.counts(db, NOW) == {m.CLAIMED: 3, m.QUEUED: 3, m.REFUSED: 3, m.UNSURE: 3}
        assert [each.state for each in stuck.listed(db, NOW, 100)] == [
            state for state in (m.CLAIMED, m.QUEUED, m.REFUSED, m.UNSURE) for _ in range(3)
        ]
        assert stuck.counts(db, NOW + timedelta(days=60)) == {m.CLAIMED: 3, m.QUEUED: 3, m.REFUSED: 3}
        assert stuck.due(db, NOW) == (0, 2)
        assert [tidying.empty_bodies(db, NOW - timedelta(days=7), 4) for _ in range(3)] == [4, 2, 0]
        assert claims.take_over(db, "run-2", ("fake", "2"), NOW) == 0
        assert claims.take_over(db, "run-1", BOT, NOW) == 0
        claims.put_back_lost(db, "run-1", BOT, {"claimed:reply:0", "claimed:notice:0"}, NOW)
        assert claims.take_over(db, "run-2", BOT, NOW) == 2
        assert stuck.retry_refused(db, NOW) == 3
        assert outbox.expire_due(db, NOW) == 3


def test_messages_on_a_page_are_not_stuck_there(database: Database) -> None:
    with outbox_of(database, 0) as db:
        db.execute(sa.update(m.Address).values(channel="web", bot=""))
        db.execute(sa.update(m.Outgoing).values(sender="web:"))
        assert stuck.counts(db, NOW) == {m.REFUSED: 3, m.UNSURE: 3}
        assert {each.channel for each in stuck.listed(db, NOW, 100)} == {"web"}
        assert {each.channel for each in pulse.waiting(db, datetime.min.replace(tzinfo=UTC))} == {"web"}


def test_invitations_of_a_whole_province_are_revoked_at_once(database: Database) -> None:
    with database.transaction() as db:
        assert invitations.revoke(db, range(1, 70_001), NOW) == 0
