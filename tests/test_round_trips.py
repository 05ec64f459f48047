"""A turn on PostgreSQL goes to the server as seldom as it can."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from handlers.messages import Tapped
from storage import models as m
from storage import notes
from storage.database import Database, Db
from storage.prepared import Prepared, sent_together
from tests.conftest import postgres_database
from tests.postgres import Postgres
from tests.world import AN, World

ASKED = re.compile(r"^F\t\d+\t(?:Sync|Query)", re.MULTILINE)


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    made = postgres_database(postgres)
    yield made
    made.close()


class Wire:
    """What goes over the connections of a database, as libpq tells it."""

    def __init__(self, database: Database, file: Path) -> None:
        self.file = file.open("w+")
        sa.event.listen(database.engine, "checkout", self.traced)
        self.drivers: list[Any] = []

    def traced(self, driver: Any, _record: object, _proxy: object) -> None:
        self.drivers.append(driver)
        driver.pgconn.trace(self.file.fileno())
        driver.pgconn.set_trace_flags(psycopg.pq.Trace.SUPPRESS_TIMESTAMPS)

    def asked(self) -> int:
        """How often the server was asked and waited for since this was called last."""
        self.file.seek(0)
        text = self.file.read().lstrip("\0")  # libpq goes on where it was
        self.file.seek(0)
        self.file.truncate()
        return len(ASKED.findall(text))

    def close(self) -> None:
        """Listen no more."""
        for driver in self.drivers:
            driver.pgconn.untrace()
        self.file.close()


async def test_a_lone_answer_asks_the_server_eleven_times(database: Database, tmp_path: Path) -> None:
    world = World(database)
    an = world.at_chat(AN)
    await an.does(Tapped("fill.open"))
    await an.does(Tapped("consent.accept"))
    await an.says("đúng", "đúng", *["một câu trả lời"] * 8)  # until the connection knows the statements
    wire = Wire(database, tmp_path / "wire")
    trips: list[int] = []
    answer = world.inbox.database.write

    async def counted(work: Any) -> Any:
        wire.asked()
        done = await answer(work)
        trips.append(wire.asked())
        return done

    world.inbox.database.write = counted  # type: ignore[method-assign]
    await an.says("và thêm một câu nữa")
    # BEGIN, which goes along with the look for the chat; locks; what a turn needs; consent, assessment, answers;
    # the answer, where it stands, the reply; COMMIT.
    wire.close()
    assert trips[0] == 11


def test_a_connection_that_the_server_ended_is_replaced_before_it_is_used(
    postgres: Postgres, database: Database
) -> None:
    def mine(db: Db) -> int:
        return int(db.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    for _ in range(3):
        with database.transaction() as db, database.transaction() as other:
            before = {mine(db), mine(other)}
        for each in before:
            postgres.execute(f"SELECT pg_terminate_backend({each}, 5000)")
        with database.transaction() as db, database.transaction() as other:
            assert {mine(db), mine(other)}.isdisjoint(before)


def test_a_connection_at_rest_is_not_asked_whether_it_is_there(database: Database, tmp_path: Path) -> None:
    wire = Wire(database, tmp_path / "wire")
    for _ in range(3):
        with database.transaction() as db:
            notes.read(db, "paused")
    wire.asked()
    with database.transaction() as db:
        notes.read(db, "paused")
    asked = wire.asked()
    wire.close()
    assert asked == 3  # BEGIN, SELECT, COMMIT


def test_of_statements_that_are_sent_together_an_error_is_sqlalchemys_and_undoes_all(database: Database) -> None:
    fails = Prepared(sa.select(sa.cast(sa.bindparam("text", type_=sa.Text), sa.Integer)))
    write = Prepared(sa.insert(m.Note).values(name="a", value="b").returning(m.Note.name))

    def together(db: Db) -> None:
        with sent_together(db):
            write.later(db)
            fails.later(db, text="no number")
            write.later(db)

    with database.transaction() as db, pytest.raises(sa.exc.DBAPIError) as caught:
        together(db)
    assert caught.value.args == ("22P02 None None",)
    with database.transaction() as db:
        assert notes.read(db, "a") is None


def test_what_must_know_how_many_rows_it_wrote_refuses_to_be_sent_along(database: Database) -> None:
    """A save that was overtaken by another process would look like one that was stored."""
    write = Prepared(sa.insert(m.Note).values(name="a", value="b").inline())

    def together(db: Db) -> None:
        with sent_together(db):
            write.run(db)

    with pytest.raises(RuntimeError), database.transaction() as db:
        together(db)
    with database.transaction() as db:
        assert notes.read(db, "a") is None
