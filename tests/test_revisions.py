"""A database that is not at the revision of this program: commands and ``run`` say so in a line, and touch nothing."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from alembic import command

from storage.database import Database
from storage.schema import _config, revision
from tests.botapi import BotApi
from tests.fakes import until
from tests.postgres import Postgres
from tests.processes import Program
from tests.test_people_commands import run
from tests.test_roster import SAMPLE

OLD = "Cơ sở dữ liệu ở bản {}, cần bản 0002. Sao lưu rồi chạy: kiemdiem migrate\n"
NEW = "Cơ sở dữ liệu ở bản 9999, mới hơn chương trình này. Cài chương trình mới hơn.\n"
COMMANDS: list[tuple[object, ...]] = [("cycle", "list"), ("roster", "import", SAMPLE, "--dry-run"), ("tick",)]


@pytest.fixture(params=["0001", None])
def old(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[Database]:
    """A database of version 0.1 on PostgreSQL, and one that is empty."""
    name = f"old_{request.param or 'empty'}"
    postgres.execute(f"CREATE DATABASE {name}")
    with closing(Database(postgres.url(name))) as database:
        if request.param:
            with database.transaction() as db:
                command.upgrade(_config(db), request.param)
        yield database
    postgres.execute(f"DROP DATABASE {name}")


@pytest.fixture
def newer(database: Database) -> Database:
    """A database that a newer program has migrated."""
    with database.transaction() as db:
        db.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    return database


def told(database: Database, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, output and error of a command with this database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KIEMDIEM_DATABASE_URL", database.url.render_as_string(hide_password=False))
        return (run(*words), *capsys.readouterr())


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_beside_a_database_that_was_not_migrated_says_so(
    old: Database, words: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    at = revision(old)
    assert told(old, capsys, *words) == (1, "", OLD.format(at or "-"))
    assert revision(old) == at


@pytest.mark.parametrize("words", [*COMMANDS, ("migrate",)])
def test_a_command_beside_a_database_of_a_newer_program_says_so(
    newer: Database, words: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(newer, capsys, *words) == (1, "", NEW)


async def test_run_does_not_start_on_a_database_that_was_not_migrated(old: Database) -> None:
    async with BotApi() as api, Program(old, api) as program:
        assert await program.ended(within=10) == 1
    assert program.log.decode() == OLD.format(revision(old) or "-")


async def test_run_waits_for_a_server_that_does_not_answer_yet(sqlite: Database) -> None:
    gone = "postgresql://kiemdiem:s3cret@127.0.0.1:1/kiemdiem"
    async with BotApi() as api, Program(sqlite, api, KIEMDIEM_DATABASE_URL=gone) as program:
        await until(lambda: b"database.cannot_be_used" in program.log, 30)
        assert program.process.returncode is None
        assert await program.stop() == 0
    assert b"s3cret" not in program.log


async def test_run_does_not_start_on_a_database_of_a_newer_program(newer: Database) -> None:
    async with BotApi() as api, Program(newer, api) as program:
        assert await program.ended(within=10) == 1
    assert program.log.decode() == NEW
