"""The commands about review seasons: open, move, close, list."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.command import FORMS, PATH, Failed, database, moment, progress, settings

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
    """Open a review season. A row for every member, and the first notice to those already bound.

    The program may run meanwhile. Nobody sees the season before it is complete; stopped half way, run it again.
    """
    from bot.public_days import public_days
    from bot.season import rehearse
    from bot.season_opening import open_in_batches
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
        preview = rehearse(opened, season, now, chosen.lang)
        if isinstance(preview, Problem):
            raise Failed(told(preview))
        if preview.cycle is not season:
            click.echo(say(chosen.lang, "season.goes_on", code=season.code))
        click.echo("\n".join(preview.lines(chosen.lang)))
        if not dry_run and (yes or click.confirm("Mở kỳ này? / Open it?")):
            with progress(say(chosen.lang, "season.opening"), 2 * preview.people) as done:
                problem = open_in_batches(opened, season, forms, now, done=done)
            if problem:
                raise Failed(told(problem))
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
            moved = opened.written(lambda db: move_deadline(db, season, until, end, datetime.now(UTC)))
            if isinstance(moved, Problem):
                raise Failed(say(chosen.lang, moved.key, **moved.values))
            click.echo("Đã dời. / Moved.")


@cycle.command("close")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cycle_close(yes: bool) -> None:
    """Close the open season now. Nothing more is taken, and nothing that waits is sent. Gives up a half opened one."""
    from bot.season import close_cycle
    from bot.season_opening import discard
    from handlers.texts import say
    from storage import cycles

    lang = settings().lang
    with database() as opened:
        with opened.transaction(read_only=True) as db:
            half = cycles.opening(db)
        if half is not None:
            if yes or click.confirm(say(lang, "season.ask_discard", code=half.code)):
                discard(opened, half.id)
                click.echo(say(lang, "season.discarded", code=half.code))
            return
        season = open_one(opened)
        if yes or click.confirm(f"Đóng kỳ {season.code}? / Close it?"):
            opened.written(lambda db: close_cycle(db, season, datetime.now(UTC)))
            click.echo("Đã đóng. / Closed.")


@cycle.command("reopen")
@click.option("--due", help="Another deadline, local: 2026-12-20T17:00.")
@click.option("--closes", help="Until when late reviews are taken, local.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cycle_reopen(due: str | None, closes: str | None, yes: bool) -> None:
    """Open the season again that was closed last. Reminders go on from now; nothing that was withdrawn is sent."""
    from bot.season import reopen_cycle
    from handlers.forms import Problem
    from handlers.notices import when
    from handlers.texts import say
    from handlers.turn import current_cycle

    chosen, now = settings(), datetime.now(UTC)
    with database() as opened:
        with opened.transaction(read_only=True) as db:
            season = current_cycle(db)
        if season is None:
            raise Failed(say(chosen.lang, "season.none_closed"))
        if not season.closed:
            raise Failed(say(chosen.lang, "season.another_open", code=season.code))
        until = moment(due, chosen.zone, "--due") if due else None
        end = moment(closes, chosen.zone, "--closes") if closes else None
        if not yes and not click.confirm(say(chosen.lang, "season.ask_reopen", code=season.code)):
            return
        again = opened.written(lambda db: reopen_cycle(db, season, now, due=until, closes=end))
        if isinstance(again, Problem):
            raise Failed(say(chosen.lang, again.key, **again.values))
        days = {name: when(chosen.lang, again, at) for name, at in (("due", again.due), ("closes", again.closes))}
        click.echo(say(chosen.lang, "season.reopened", code=again.code, **days))


@cycle.command("list")
def cycle_list() -> None:
    """Every season there was."""
    from storage import cycles

    with database() as opened, opened.transaction(read_only=True) as db:
        for row in cycles.every(db):
            state = f"closed {row.closed_at:%Y-%m-%d}" if row.closed_at else "opening" if row.opening else "open"
            click.echo(f"{row.code}\t{state}")


def open_one(opened: "Database") -> "Cycle":
    """The open season. Raises Failed where there is none."""
    from handlers.turn import current_cycle

    with opened.transaction(read_only=True) as db:
        season = current_cycle(db)
    if season is None or season.closed:
        raise Failed("No season is open.")
    return season
