"""Brings a database to the newest revision."""

from pathlib import Path
from typing import Any

from storage.database import Database, Db
from storage.models import Base

HERE = Path(__file__).parent / "migrations"


class OtherRevision(Exception):
    """The database is not at the revision of this program: *at* an older one (None: it is empty), or one of a newer
    program, which this one does not know."""

    def __init__(self, at: str | None) -> None:
        super().__init__(at)
        self.at, self.newest = at, known_revisions()[0]
        self.newer = at is not None and at not in known_revisions()


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
    Raises OtherRevision where a newer program has migrated it.
    """
    if database.file is not None and not database.file.exists():
        database.file.touch(0o600)  # it will hold what people wrote
    try:
        return require_newest(database)
    except OtherRevision as error:
        if error.newer:
            raise
    from alembic import command

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
    with database.transaction(read_only=True) as db:
        if not db.dialect.has_table(db, "alembic_version"):
            return None
        found: str | None = db.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return found


def require_newest(database: Database) -> None:
    """Raise OtherRevision where the database is not at the newest revision."""
    if (at := revision(database)) != known_revisions()[0]:
        raise OtherRevision(at)


def draft_revision(database: Database, message: str) -> None:
    """For maintainers: write the migration from what the database has to what the models say."""
    from alembic import command

    with database.transaction() as db:
        command.revision(_config(db), message=message, autogenerate=True, rev_id=f"{len(known_revisions()) + 1:04}")


def emptied(db: Db) -> None:
    """Remove every row of every table: for the demo alone."""
    for table in reversed(Base.metadata.sorted_tables):
        db.execute(table.delete())


def known_revisions() -> list[str]:
    """Every revision this program knows, the newest first.

    Their files say so: to load Alembic would cost every start half a second and 12 MB.
    """
    return sorted((file.name.partition("_")[0] for file in (HERE / "versions").glob("[0-9]*.py")), reverse=True)
