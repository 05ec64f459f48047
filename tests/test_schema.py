"""Migrations and models make the same tables."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from bot.roster_row import unit_key
from storage.database import Database
from storage.models import Base
from storage.schema import HERE, _config, known_revisions, migrate, revision
from tests.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables, once on SQLite and once on PostgreSQL."""
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        server.execute("DROP DATABASE IF EXISTS empty")
        server.execute("CREATE DATABASE empty")
        url = server.url("empty")
    made = Database(url)
    yield made
    made.close()


def test_migrations_make_the_tables_the_models_say(database: Database) -> None:
    with database.transaction(read_only=True) as db:
        context = MigrationContext.configure(db, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_revisions_are_known_without_loading_alembic(database: Database) -> None:
    assert known_revisions() == [script.revision for script in ScriptDirectory(str(HERE)).walk_revisions()]
    assert revision(database) == known_revisions()[0]


def test_what_version_0_1_wrote_is_kept(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    with database.transaction() as db:
        command.upgrade(_config(db), "0001")
        for row in (
            "INSERT INTO cycle VALUES (1, '2026', '2026-11-25', NULL, '{}', 'd')",
            "INSERT INTO unit VALUES (1, NULL, 'cell', 'Chi bộ 1', 'chi bo 1', '1.')",
            "INSERT INTO unit VALUES (2, NULL, 'committee', 'Đảng bộ Khối', 'dang bo khoi', '2.')",
            "INSERT INTO unit VALUES (3, 2, 'base_cell', 'Chi bộ Hoà Bình', 'dang bo khoi/chi bo hoa binh', '2.3.')",
            "INSERT INTO unit VALUES (4, 2, 'base_cell', 'Chi bo A', 'dang bo khoi/chi bo a', '2.4.')",
            "INSERT INTO address (id, channel, bot, chat, place, memory, seq, last_seen)"
            " VALUES (1, 'web', '', 'x', '', '{}', 7, '2026-11-25')",
            "INSERT INTO person (id, code, name, name_key, birth_date, unit_id)"
            " VALUES (1, 'A', 'An', 'an', '1970-01-01', 1), (2, 'B', 'Ba', 'ba', '1970-01-01', 1)",
            "INSERT INTO assessment (id, cycle_id, person_id, unit_id, state, place, revision, reminded)"
            " VALUES (1, 1, 1, 1, 'in_progress', '', 3, 0), (2, 1, 2, 1, 'in_progress', '', 5, 0)",
            "INSERT INTO answer (assessment_id, question, number, starts, words, at)"
            " VALUES (1, 'a', 3, 1, '', '2026-11-25'), (1, 'b', 4, 1, '', '2026-11-25'),"
            " (2, 'a', 5, 1, '', '2026-11-25')",
        ):
            db.exec_driver_sql(row)
    migrate(database)
    with database.transaction(read_only=True) as db:
        assert db.exec_driver_sql("SELECT code, opening FROM cycle").all() == [("2026", 0)]
        assert db.exec_driver_sql("SELECT revision FROM assessment ORDER BY id").all() == [(4,), (5,)]  # it was behind
        paths: list[tuple[int, tuple[str, ...]]] = [(1, ("Chi bộ 1",)), (2, ("Đảng bộ Khối",))]
        paths += [(3, ("Đảng bộ Khối", "Chi bộ Hòa Bình")), (4, ("Đảng bộ Khối", "Chi bo A"))]
        keys = db.exec_driver_sql("SELECT id, key FROM unit ORDER BY id").all()
        assert keys == [(number, unit_key(path)) for number, path in paths]  # as an import finds them
        assert db.exec_driver_sql("SELECT seq, shown FROM address").all() == [(7, 0)]
    database.close()


def test_a_review_that_version_0_1_had_reopened_is_submitted_again(empty: Database) -> None:
    states = ["in_progress", "not_started", "paper", "returned", "exempt", "submitted"]
    with empty.transaction() as db:
        command.upgrade(_config(db), "0001")
        db.exec_driver_sql("INSERT INTO cycle VALUES (1, '2026', '2026-11-25', NULL, '{}', 'd')")
        db.exec_driver_sql("INSERT INTO unit VALUES (1, NULL, 'cell', 'Chi bộ 1', 'chi bo 1', '1.')")
        for number, state in enumerate([*states, "in_progress", "paper"], 1):
            db.exec_driver_sql(
                "INSERT INTO person (id, code, name, name_key, birth_date, unit_id)"
                f" VALUES ({number}, 'KM-{number}', 'An', 'an', '1980-01-01', 1)"
            )
            submitted = "'2026-12-01'" if number <= len(states) else "NULL"
            db.exec_driver_sql(
                "INSERT INTO assessment (id, cycle_id, person_id, unit_id, state, place, revision, reminded, remind_at,"
                f" submitted_at) VALUES ({number}, 1, {number}, 1, '{state}', 'b1_1', 3, 1, '2026-12-08', {submitted})"
            )
    migrate(empty)
    with empty.transaction(read_only=True) as db:
        rows = db.exec_driver_sql("SELECT state, place, remind_at IS NULL FROM assessment ORDER BY id").all()
    assert (
        [tuple(row) for row in rows]
        == [
            ("submitted", "b1_1", True),
            ("submitted", "", True),  # its draft was discarded: the answers are empty, what was submitted is not
            ("submitted", "", True),  # its draft was erased when they declined
            *((state, "b1_1", False) for state in states[3:]),
            ("in_progress", "b1_1", False),
            ("paper", "b1_1", False),
        ]
    )
