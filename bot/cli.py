"""The commands, nothing else: each loads what it needs when it runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bot.settings import Settings
    from storage.database import Database

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
roster = typer.Typer(no_args_is_help=True, help="The list of members.")
cycle = typer.Typer(no_args_is_help=True, help="Review seasons.")
app.add_typer(roster, name="roster")
app.add_typer(cycle, name="cycle")


class Failed(Exception):
    """A command found something wrong: what to say in one line, and the exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.text, self.code = text, code


def main() -> None:
    """Run a command. No traceback for a user's mistake."""
    from bot.settings import WrongSettings

    try:
        app()
    except (Failed, WrongSettings) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(getattr(error, "code", 1)) from None
    except Exception as error:
        from storage.database import cannot_store

        if not cannot_store(error):
            raise
        sys.stderr.write(f"The database cannot be used now ({type(error).__name__}). `kiemdiem check` tells more.\n")
        raise SystemExit(1) from None


def settings() -> "Settings":
    """The settings of this environment."""
    from bot.settings import load

    return load()


@contextmanager
def database(*, migrated: bool = True) -> Iterator["Database"]:
    """The database of the settings, at the newest revision."""
    from bot.settings import open_database
    from storage.schema import migrate, revision

    opened = open_database(settings())
    try:
        if migrated and opened.is_sqlite:
            migrate(opened)
        elif migrated and revision(opened) is None:
            raise Failed("The database is empty. Run `kiemdiem migrate` first.")
        yield opened
    finally:
        opened.close()


@app.command()
def migrate() -> None:
    """Bring the database to the newest version."""
    from storage.schema import migrate as bring
    from storage.schema import revision

    with database(migrated=False) as opened:
        bring(opened)
        typer.echo(f"The database is at revision {revision(opened)}.")


# ---------------------------------------------------------------------- the roster


@roster.command("import")
def roster_import(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the list of members in: preview, errors by row, safe to repeat. Exit code 1 if a row was rejected."""
    from bot.roster import compared, imported, read
    from bot.roster_file import Unreadable
    from handlers.texts import say

    chosen = settings()
    with database() as opened:
        now = datetime.now(UTC)
        try:
            found = read(file, today=now.astimezone(chosen.zone).date())
        except Unreadable as error:
            raise Failed(say(chosen.lang, error.key, **error.values)) from None
        with opened.transaction(read_only=True) as db:
            preview = compared(db, found)
        typer.echo("\n".join(preview.lines(chosen.lang)))
        if preview.changes and not dry_run and (yes or typer.confirm("Ghi vào hệ thống? / Write?")):
            with opened.transaction() as db:
                imported(db, found, now)
            typer.echo("Đã ghi. / Written.")
        if found.rejected:
            raise SystemExit(1)
