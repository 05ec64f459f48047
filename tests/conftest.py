"""The databases every test may ask for: SQLite always, PostgreSQL as well where the test's fixture says so."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from bot import logs
from storage.database import Database
from storage.schema import migrate
from tests.echo import Echo, member
from tests.postgres import Postgres
from tests.surfing import Browser

_numbers = itertools.count()
logs.set_up()
settings.register_profile("untimed", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An empty SQLite database at the newest revision, as bytes."""
    file = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{file}")
    migrate(database)
    database.close()
    return file.read_bytes()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server with a template database at the newest revision."""
    server = Postgres()
    server.execute("CREATE DATABASE template_kiemdiem")
    database = Database(server.url("template_kiemdiem"))
    migrate(database)
    database.close()
    yield server
    server.stop()


def sqlite_database(folder: Path, template: bytes) -> Database:
    """A fresh SQLite database in *folder*."""
    file = folder / f"{next(_numbers)}.db"
    file.write_bytes(template)
    return Database(f"sqlite:///{file}")


def postgres_database(server: Postgres) -> Database:
    """A fresh database of the test server."""
    name = f"test_{next(_numbers)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE template_kiemdiem")
    return Database(server.url(name))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fresh database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        made = sqlite_database(tmp_path, request.getfixturevalue("sqlite_template"))
    else:
        made = postgres_database(request.getfixturevalue("postgres"))
    yield made
    made.close()


@pytest.fixture
def sqlite(tmp_path: Path, sqlite_template: bytes) -> Iterator[Database]:
    """A fresh SQLite database, for what does not depend on the database."""
    made = sqlite_database(tmp_path, sqlite_template)
    yield made
    made.close()


@pytest.fixture
def echo(sqlite: Database) -> Echo:
    """A small conversation for the web chat."""
    return Echo(sqlite, member(sqlite))


@pytest.fixture
async def browser(echo: Echo) -> AsyncIterator[Browser]:
    """A browser in front of it."""
    made = Browser(echo)
    yield made
    await made.http.aclose()
