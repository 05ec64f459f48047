"""The commands about review seasons: open, move, close, list."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.command import FORMS, Failed, database, moment, settings

if TYPE_CHECKING:
    from handlers.cycles import Cycle
    from storage.database import Database

cycle = typer.Typer(no_args_is_help=True, help="Review seasons.")


@cycle.command("open")
def cycle_open(
    file: Annotated[Path, typer.Argument(help="The TOML file of the season.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say who would get what, and when.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Open a review season: a row for every member, and the first notice to those already bound."""
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
        typer.echo("\n".join(preview.lines(chosen.lang)))
        if not dry_run and (yes or typer.confirm("Mở kỳ này? / Open it?")):
            with opened.transaction() as db:
                done = open_cycle(db, season, forms, now, chosen.lang)
            if isinstance(done, Problem):
                raise Failed(told(done))
            typer.echo("Đã mở. / Opened.")


@cycle.command("move")
def cycle_move(
    due: Annotated[str, typer.Option(help="The new deadline, local: 2026-12-20T17:00.")],
    closes: Annotated[str, typer.Option(help="Until when late reviews are taken, local.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Give the open season another deadline. Reminders follow it from now on; none is repeated."""
    from bot.season import move_deadline
    from handlers.forms import Problem
    from handlers.texts import say

    chosen = settings()
    with database() as opened:
        season = open_one(opened)
        until, end = moment(due, chosen.zone, "--due"), moment(closes, chosen.zone, "--closes")
        if yes or typer.confirm(f"Dời hạn nộp của kỳ {season.code}? / Move its deadline?"):
            with opened.transaction() as db:
                moved = move_deadline(db, season, until, end, datetime.now(UTC))
            if isinstance(moved, Problem):
                raise Failed(say(chosen.lang, moved.key, **moved.values))
            typer.echo("Đã dời. / Moved.")


@cycle.command("close")
def cycle_close(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Close the open season now: nothing more is taken, and nothing that waits is sent."""
    from bot.season import close_cycle

    with database() as opened:
        season = open_one(opened)
        if yes or typer.confirm(f"Đóng kỳ {season.code}? / Close it?"):
            with opened.transaction() as db:
                close_cycle(db, season, datetime.now(UTC))
            typer.echo("Đã đóng. / Closed.")


@cycle.command("list")
def cycle_list() -> None:
    """Every season there was."""
    from storage import cycles

    with database() as opened, opened.transaction(read_only=True) as db:
        for row in cycles.every(db):
            typer.echo(f"{row.code}\t{f'closed {row.closed_at:%Y-%m-%d}' if row.closed_at else 'open'}")


def open_one(opened: "Database") -> "Cycle":
    """The open season. Raises Failed where there is none."""
    from handlers.turn import current_cycle

    with opened.transaction(read_only=True) as db:
        season = current_cycle(db)
    if season is None or season.closed:
        raise Failed("No season is open.")
    return season
