"""The commands, nothing else: each loads what it needs when it runs."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bot.command import FORMS, Failed, database, moment, settings
from bot.operator_commands import inbox, operator, outbox
from bot.people_commands import invite, role, roster

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
cycle = typer.Typer(no_args_is_help=True, help="Review seasons.")
app.add_typer(roster, name="roster")
app.add_typer(invite, name="invite")
app.add_typer(role, name="role")
app.add_typer(cycle, name="cycle")
app.add_typer(operator)
app.add_typer(outbox, name="outbox")
app.add_typer(inbox, name="inbox")


def main() -> None:
    """Run a command. No traceback for a user's mistake."""
    from bot.mistakes import Mistake
    from bot.settings import WrongSettings

    try:
        app()
    except Mistake as error:
        sys.stderr.write(f"{error.sentence(settings().lang)}\n")
        raise SystemExit(1) from None
    except (Failed, WrongSettings) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(getattr(error, "code", 1)) from None
    except Exception as error:
        from storage.database import cannot_store

        if not cannot_store(error):
            raise
        sys.stderr.write(f"The database cannot be used now ({type(error).__name__}). `kiemdiem check` tells more.\n")
        raise SystemExit(1) from None


# ---------------------------------------------------------------------- running


@app.command()
def demo(port: Annotated[int, typer.Option(help="Where the page is served.")] = 8000) -> None:
    """Play it in the browser: no token, no set-up, a fresh database with a sample roster and an open cycle."""
    from bot.play import play

    asyncio.run(play(port))


@app.command()
def chat(
    as_: Annotated[str, typer.Option("--as", help="Whose part to take: a member code.")] = "KM-0043",
    record: Annotated[Path | None, typer.Option(help="Write the conversation to this file.")] = None,
) -> None:
    """The same conversation in the terminal, on a demo database."""
    from bot.play import chat_as

    asyncio.run(chat_as(as_, record))


@app.command()
def run(only: Annotated[str, typer.Option(help="Some of: web,delivery,clock,telegram.")] = "") -> None:
    """The real thing; without --only, everything in one process."""
    from bot import logs
    from bot.app import PARTS, AlreadyRunning, App
    from bot.channels.telegram import Telegram
    from bot.checkpoints import arm
    from bot.settings import open_database
    from storage.schema import migrate

    chosen = settings()
    if not chosen.secret_key:
        raise Failed("KIEMDIEM_SECRET_KEY is not set; make one with: openssl rand -hex 32")
    parts = [part.strip() for part in only.split(",") if part.strip()] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        raise Failed(f"--only: there is no part called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", 2)
    token = chosen.telegram_token.reveal()
    if token and chosen.public_url.startswith("https://") and not chosen.telegram_secret:
        raise Failed("KIEMDIEM_TELEGRAM_SECRET is not set; make one with: openssl rand -hex 32")
    logs.set_up(chosen.log_level, secrets=(token, chosen.secret_key.reveal(), chosen.telegram_secret.reveal()))
    arm(chosen.crash_at, chosen.crash_at_n)
    channels = []
    if token:
        channels.append(Telegram(token, api_url=chosen.telegram_api_url, secret=chosen.telegram_secret.reveal()))

    async def together() -> None:
        opened = open_database(chosen)
        if opened.is_sqlite:
            await asyncio.to_thread(migrate, opened)
        await App(chosen, opened, channels=channels).run(parts)

    with quick_loop() as runner:
        try:
            runner.run(together())
        except AlreadyRunning:
            raise Failed(
                "Another kiemdiem run uses this database. Stop it first, or use PostgreSQL for several processes."
            ) from None


def quick_loop() -> "asyncio.Runner":
    """uvloop where it is present."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


@app.command()
def migrate() -> None:
    """Bring the database to the newest version."""
    from storage.schema import migrate as bring
    from storage.schema import revision

    with database(migrated=False) as opened:
        bring(opened)
        typer.echo(f"The database is at revision {revision(opened)}.")


@app.command()
def tick(at: Annotated[str | None, typer.Option(help="As though it were this local time.")] = None) -> None:
    """Run the clock's jobs once and say what was put out."""
    from bot.clock import Clock

    with database() as opened:
        now = moment(at, settings().zone)
        clock = Clock(opened, lambda: now, lambda: None, settings().zone)
        for name, done in asyncio.run(clock.tick_all()).items():
            typer.echo(f"{name}: {done.put_out} put out, {done.expected} expected")


# ---------------------------------------------------------------------- seasons


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


@cycle.command("close")
def cycle_close(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Close the open season now: nothing more is taken, and nothing that waits is sent."""
    from bot.season import close_cycle
    from handlers.turn import current_cycle

    with database() as opened:
        with opened.transaction(read_only=True) as db:
            season = current_cycle(db)
        if season is None or season.closed:
            raise Failed("No season is open.")
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
