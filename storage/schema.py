"""Brings a database to the newest revision."""

from pathlib import Path
from typing import Any

from storage.database import Database, Db
from storage.models import Base

HERE = Path(__file__).parent / "migrations"


def _config(db: Db) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = db
    return config


def migrate(database: Database) -> None:
    """Run every migration that is missing, all or none.

    On SQLite foreign keys are off meanwhile (a batch change would otherwise empty the tables that hang on the
    changed one) and are checked before the commit. On PostgreSQL an advisory lock lets one process migrate at a time.
    """
    from alembic import command

    if database.file is not None and not database.file.exists():
        database.file.touch(0o600)  # it will hold what people wrote
    with database.engine.connect() as db:
        if database.is_sqlite:
            driver: Any = db.connection.dbapi_connection
            driver.execute("PRAGMA foreign_keys=OFF").close()
        try:
            with db.begin():
                if not database.is_sqlite:
                    db.exec_driver_sql("SELECT pg_advisory_xact_lock(7150431)")
                command.upgrade(_config(db), "head")
                if database.is_sqlite and db.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise RuntimeError("a migration would leave rows without their parent; nothing was changed")
        finally:
            if database.is_sqlite:
                driver.execute("PRAGMA foreign_keys=ON").close()


def revision(database: Database) -> str | None:
    """The revision the database is at; None: empty."""
    from alembic.runtime.migration import MigrationContext

    with database.transaction(read_only=True) as db:
        return MigrationContext.configure(db).get_current_revision()


def draft_revision(database: Database, message: str) -> None:
    """For maintainers: write the migration from what the database has to what the models say."""
    from alembic import command

    with database.transaction() as db:
        command.revision(_config(db), message=message, autogenerate=True)


def emptied(db: Db) -> None:
    """Remove every row of every table: for the demo alone."""
    for table in reversed(Base.metadata.sorted_tables):
        db.execute(table.delete())


def known_revisions() -> list[str]:
    """Every revision this program knows, the newest first."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(HERE))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
