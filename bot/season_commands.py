"""The commands about review seasons: open, move, close, list."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.command import FORMS, PATH, Failed, database, moment, settings

if TYPE_CHECKING:
    from handlers.cycles import Cycle
    from storage.database import Database


@click.group()
def cycle() -> None:
    """Review seasons."""


@cycle.command("open")
@click.argument("file", type=PATH, help="The TOML file of the season.")
@click.option("--dry-run", is_flag=True, help="Only say who would get what, and when.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cycle_open(file: Path, dry_run: bool, yes: bool) -> None:
    """Open a review season. A row for every member, and the first notice to those already bound."""
    from bot.public_days import public_days
    from bot.season import open_cycle, rehearse
    from handlers import cycle_files, form_files
    from handlers.forms import Problem
    from handlers.texts import say

    chosen = settings()

    def told(problem: Problem) -> str:
        return say(chosen.lang, problem.key, **problem.values)

    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Failed(f"{file}: this file cannot be read as text in UTF-8.") from None
    forms, problems = form_files.forms_in(FORMS, chosen.lang)
    if problems:
        raise Failed("\n".join(problems))
    season = cycle_files.load(text, file.name, forms, zone=chosen.zone, public_days=public_days)
    if isinstance(season, list):
        raise Failed("\n".join(map(told, season)))
    with database() as opened:
        now = datetime.now(UTC)
        preview = rehearse(opened, season, forms, now, chosen.lang)
        if isinstance(preview, Problem):
            raise Failed(told(preview))
        click.echo("\n".join(preview.lines(chosen.lang)))
        if not dry_run and (yes or click.confirm("Mở kỳ này? / Open it?")):
            with opened.transaction() as db:
                done = open_cycle(db, season, forms, now, chosen.lang)
            if isinstance(done, Problem):
                raise Failed(told(done))
            click.echo("Đã mở. / Opened.")


@cycle.command("move")
@click.option("--due", required=True, help="The new deadline, local: 2026-12-20T17:00.")
@click.option("--closes", required=True, help="Until when late reviews are taken, local.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cycle_move(due: str, closes: str, yes: bool) -> None:
    """Give the open season another deadline. Reminders follow it from now on; none is repeated."""
    from bot.season import move_deadline
    from handlers.forms import Problem
    from handlers.texts import say

    chosen = settings()
    with database() as opened:
        season = open_one(opened)
        until, end = moment(due, chosen.zone, "--due"), moment(closes, chosen.zone, "--closes")
        if yes or click.confirm(f"Dời hạn nộp của kỳ {season.code}? / Move its deadline?"):
            with opened.transaction() as db:
                moved = move_deadline(db, season, until, end, datetime.now(UTC))
            if isinstance(moved, Problem):
                raise Failed(say(chosen.lang, moved.key, **moved.values))
            click.echo("Đã dời. / Moved.")


@cycle.command("close")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cycle_close(yes: bool) -> None:
    """Close the open season now. Nothing more is taken, and nothing that waits is sent."""
    from bot.season import close_cycle

    with database() as opened:
        season = open_one(opened)
        if yes or click.confirm(f"Đóng kỳ {season.code}? / Close it?"):
            with opened.transaction() as db:
                close_cycle(db, season, datetime.now(UTC))
            click.echo("Đã đóng. / Closed.")


@cycle.command("list")
def cycle_list() -> None:
    """Every season there was."""
    from storage import cycles

    with database() as opened, opened.transaction(read_only=True) as db:
        for row in cycles.every(db):
            click.echo(f"{row.code}\t{f'closed {row.closed_at:%Y-%m-%d}' if row.closed_at else 'open'}")


def open_one(opened: "Database") -> "Cycle":
    """The open season. Raises Failed where there is none."""
    from handlers.turn import current_cycle

    with opened.transaction(read_only=True) as db:
        season = current_cycle(db)
    if season is None or season.closed:
        raise Failed("No season is open.")
    return season
