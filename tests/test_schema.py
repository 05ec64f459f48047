"""Migrations and models make the same tables."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from storage.database import Database
from storage.models import Base


def test_migrations_make_the_tables_the_models_say(database: Database) -> None:
    with database.transaction(read_only=True) as db:
        context = MigrationContext.configure(db, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
