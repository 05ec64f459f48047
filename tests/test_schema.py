"""Migrations and models make the same tables."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage.database import Database
from storage.models import Base
from storage.schema import HERE, known_revisions, revision


def test_migrations_make_the_tables_the_models_say(database: Database) -> None:
    with database.transaction(read_only=True) as db:
        context = MigrationContext.configure(db, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_revisions_are_known_without_loading_alembic(database: Database) -> None:
    assert known_revisions() == [script.revision for script in ScriptDirectory(str(HERE)).walk_revisions()]
    assert revision(database) == known_revisions()[0]
