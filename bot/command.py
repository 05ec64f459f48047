"""What every command needs: the settings, the database, a way to fail."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bot.settings import Settings
    from storage.database import Database


FORMS = Path(__file__).parents[1] / "forms"
PATH: click.Path = click.Path(path_type=Path)


class Failed(Exception):
    """A command found something wrong: what to say in one line, and the exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.text, self.code = text, code


def settings() -> "Settings":
    """The settings of this environment."""
    from bot.settings import load

    return load()


@contextmanager
def database(*, migrated: bool = True, alone: bool = False) -> Iterator["Database"]:
    """The database of the settings, at the newest revision: SQLite is brought to it. Raises OtherRevision.

    *alone*: the command sees to it itself that nobody else has it open.
    """
    from bot.checkpoints import arm
    from bot.mistakes import Mistake
    from bot.settings import open_database
    from storage.lock import in_use
    from storage.schema import migrate, require_newest

    chosen = settings()
    arm(chosen.crash_at, chosen.crash_at_n)
    opened = open_database(chosen)
    held = None if opened.file is None or alone or not opened.file.parent.exists() else in_use(opened.file)
    if held is not None and not held.take():
        raise Mistake("backup.under_way")
    try:
        if migrated and opened.is_sqlite:
            migrate(opened)
        elif migrated:
            require_newest(opened)
        yield opened
    finally:
        opened.close()
        if held is not None:
            held.release()


@contextmanager
def progress(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error where that is a terminal; yields what takes each step."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


def moment(text: str | None, zone: Any, option: str = "--at") -> datetime:
    """A time given on the command line, on the organisation's clock; now where none was given."""
    from bot.app import real_time

    if text is None:
        return real_time()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Failed(f"{option} must be a time such as 2026-12-01T08:00", 2) from None
    return at if at.tzinfo else at.replace(tzinfo=zone)
