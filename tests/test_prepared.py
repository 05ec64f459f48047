"""Prepared statements give, store and refuse what SQLAlchemy would."""

import asyncio
from collections.abc import Callable
from contextlib import closing, nullcontext
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from bot import inbox
from handlers.messages import Said, Tapped
from storage import addresses, claims, incoming, outbox
from storage import models as m
from storage.database import Database, Db
from storage.prepared import Prepared, Row, any_of
from tests.conftest import postgres_database
from tests.postgres import Postgres
from tests.world import AN, BINH, Member, World

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=timezone(timedelta(hours=7)))
OURS = "Nguyễn Thị Ánh"


@pytest.fixture
def selects(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], list[Row], list[Row]]]:
    """Of each prepared select that runs its values, what it gives, and what SQLAlchemy gives for the same."""
    all_: list[tuple[dict[str, Any], list[Row], list[Row]]] = []
    prepared = Prepared.rows

    def rows(self: Prepared, db: Db, **values: Any) -> list[Row]:
        found = prepared(self, db, **values)
        if isinstance(self.statement, sa.Select):
            all_.append((values, found, [tuple(row) for row in db.execute(self.statement, values)]))
        return found

    def later(self: Prepared, db: Db, **values: Any) -> Callable[[], list[Row]]:
        return lambda: self.rows(db, **values)

    monkeypatch.setattr(Prepared, "rows", rows)
    monkeypatch.setattr(Prepared, "later", later)
    for module in (addresses, inbox):  # SQLAlchemy cannot ask in between
        monkeypatch.setattr(module, "sent_together", lambda db: nullcontext())
    return all_


async def test_what_a_season_reads_is_what_sqlalchemy_reads(
    database: Database, selects: list[tuple[dict[str, Any], list[Row], list[Row]]]
) -> None:
    world = World(database)
    an, binh = Member(world, AN, AN), Member(world, BINH, BINH)
    for what in (Said("/start"), Tapped("fill.open"), Tapped("consent.accept"), Said("đúng"), Said("Tôi đã dự đủ.")):
        await an.does(what)
        await binh.does(what)
        await asyncio.gather(an.does(what), binh.does(what))  # in one transaction: lists of two
    world.clock.at = world.cycle.opens + timedelta(days=8)
    await world.jobs.tick("remind")
    await world.settle()
    await an.does(Tapped("fill.open"))
    assert len(selects) > 50
    assert {1, 2} <= {len(value) for values, *_ in selects for value in values.values() if isinstance(value, list)}
    for _, ours, theirs in selects:
        assert ours == theirs
        assert [[type(value) for value in row] for row in ours] == [[type(value) for value in row] for row in theirs]


def address(db: Db) -> int:
    row = {"channel": "telegram", "bot": "1", "chat": "7", "memory": {}, "last_seen": NOW}
    return int(db.execute(sa.insert(m.Address).returning(m.Address.id), row).scalar_one())


def test_what_is_put_prepared_is_stored_as_sqlalchemy_stores_it(database: Database) -> None:
    reply = {"kind": m.REPLY, "person_id": None, "claimed_by": None, "body": OURS, "seq": None, "sender": "telegram:1"}
    with database.transaction() as db:
        to = address(db)
        outbox.put_all(db, [reply | {"address_id": to, "key": "1", "state": m.QUEUED}], NOW)
        outbox.put_all(db, [reply | {"address_id": to, "key": key, "state": m.SENT} for key in ("2", "3")], NOW)
        outbox.put(db, key="4", kind=m.REPLY, address_id=to, now=NOW, body=OURS)
        outbox.put(db, key="5", kind=m.REPLY, address_id=to, now=NOW, body=OURS, state=m.SENT)
        rows = db.exec_driver_sql("SELECT * FROM outgoing ORDER BY id").mappings().all()
    stored = [{name: value for name, value in row.items() if name not in ("id", "key")} for row in rows]
    assert stored[0] == stored[3]
    assert stored[1] == stored[2] == stored[4]
    assert stored[1]["sent_at"] == stored[1]["created_at"] != stored[0]["sent_at"]


def test_keys_are_taken_in_once(database: Database) -> None:
    keys = [f"telegram:1:{number}" for number in range(300)]
    with database.transaction() as db:
        assert incoming.take_in(db, [], NOW) == set()
        assert incoming.take_in(db, keys[:100], NOW) == set(keys[:100])
        assert incoming.take_in(db, [*keys, 'it\'s "one" \\ %s :x ?'], NOW) == {*keys[100:], 'it\'s "one" \\ %s :x ?'}
        assert set(db.scalars(sa.select(m.IncomingKey.at))) == {NOW.astimezone(UTC)}


def test_its_errors_are_those_of_sqlalchemy_and_hold_no_values(database: Database) -> None:
    put = Prepared(sa.insert(m.Note).values(name=sa.bindparam("note"), value=sa.bindparam("words")).inline())
    with database.transaction() as db:
        put.run(db, note=OURS, words="")
    with database.transaction() as db, pytest.raises(sa.exc.IntegrityError) as raised:
        put.run(db, note=OURS, words=OURS)
    assert OURS not in f"{raised.value} {raised.value.__cause__}"


def test_an_error_between_two_rows_is_sqlalchemys_and_holds_nobody_up(sqlite: Database) -> None:
    with sqlite.transaction() as db:
        for name in ("a", "b", "c"):
            db.exec_driver_sql("INSERT INTO note (name, value) VALUES (?, CAST(x'ff' AS TEXT))", (name,))
    read = Prepared(sa.select(m.Note.value))
    with sqlite.transaction() as db, pytest.raises(sa.exc.OperationalError, match="UTF-8") as raised:
        read.rows(db)
    assert raised.value  # it keeps its frames, in which a cursor that is left open would be too
    with closing(Database(str(sqlite.url))) as other, other.transaction() as db:
        db.execute(sa.delete(m.Note))
    with sqlite.transaction() as db:  # on the connection of before
        assert read.rows(db) == []


def test_a_lost_connection_is_given_up_and_the_cause_is_told(postgres: Postgres) -> None:
    newest = Prepared(sa.select(m.Note.value))

    def dies(database: Database) -> None:
        with database.transaction() as db:
            process = db.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with database.transaction() as other:
                other.exec_driver_sql("SELECT pg_terminate_backend(%s)", (process,))
            newest.rows(db)

    with closing(postgres_database(postgres)) as database:
        with pytest.raises(sa.exc.OperationalError, match="57P01") as raised:
            dies(database)
        assert raised.value.connection_invalidated
        with database.transaction() as db:
            assert newest.rows(db) == []


def test_outside_of_a_transaction_nothing_is_written(sqlite: Database) -> None:
    put = Prepared(sa.insert(m.Note).values(name=sa.bindparam("note"), value=sa.bindparam("words")).inline())
    with sqlite.engine.connect() as db, pytest.raises(RuntimeError, match="transaction"):
        put.run(db, note="a", words="b")
    with sqlite.transaction() as db:
        assert db.scalars(sa.select(m.Note.name)).all() == []


@pytest.mark.parametrize(
    "statement", [sa.select(sa.text("1"), m.Note.name), sa.select(m.Note.name).where(m.Note.name.in_(["a"]))]
)
def test_what_cannot_be_prepared_says_so(sqlite: Database, statement: sa.Select[Any]) -> None:
    with sqlite.transaction() as db, pytest.raises(ValueError, match="not to be prepared"):
        Prepared(statement).rows(db)


def test_a_list_is_of_ids_or_of_keys() -> None:
    with pytest.raises(TypeError, match="no list of"):
        any_of(m.Outgoing.sent_at, "times")


def test_a_value_too_few_or_too_many_is_an_error_of_ours(sqlite: Database) -> None:
    find = Prepared(sa.select(m.Note.value).where(any_of(m.Note.name, "names")))
    with sqlite.transaction() as db:
        for values in ({}, {"name": ["a"]}, {"names": ["a"], "more": 1}):
            with pytest.raises(TypeError, match="missing or unknown"):
                find.rows(db, **values)


def test_a_column_that_sqlalchemy_would_fill_in_must_be_named(sqlite: Database) -> None:
    put = Prepared(sa.insert(m.Address).values(chat=sa.bindparam("to_chat")))
    with sqlite.transaction() as db, pytest.raises(ValueError, match="place"):
        put.run(db, to_chat="7")


def test_marks_are_of_this_run_only(database: Database) -> None:
    with database.transaction() as db:
        to = address(db)
        for key, run in (("a", "mine"), ("b", "other"), ("c", "mine")):
            outbox.put(db, key=key, kind=m.REPLY, address_id=to, now=NOW, body="", state=m.CLAIMED, claimed_by=run)
        claims.mark_sent(db, ["a", "b"], "mine", NOW)
        states = {row.key: row.state for row in db.execute(sa.select(m.Outgoing.key, m.Outgoing.state))}
    assert states == {"a": m.SENT, "b": m.CLAIMED, "c": m.CLAIMED}
