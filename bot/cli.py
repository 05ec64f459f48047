"""The commands, nothing else: each loads what it needs when it runs."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bot.settings import Settings
    from storage.database import Database

FORMS = Path(__file__).parents[1] / "forms"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
roster = typer.Typer(no_args_is_help=True, help="The list of members.")
cycle = typer.Typer(no_args_is_help=True, help="Review seasons.")
invite = typer.Typer(help="Invitations to join.")
role = typer.Typer(no_args_is_help=True, help="Roles beside those of the roster.")
app.add_typer(roster, name="roster")
app.add_typer(invite, name="invite")
app.add_typer(role, name="role")
app.add_typer(cycle, name="cycle")


class Failed(Exception):
    """A command found something wrong: what to say in one line, and the exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.text, self.code = text, code


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


def moment(text: str | None, zone: Any) -> datetime:
    """A time given on the command line, on the organisation's clock; now where none was given."""
    from bot.app import real_time

    if text is None:
        return real_time()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Failed("--at must be a time such as 2026-12-01T08:00", 2) from None
    return at if at.tzinfo else at.replace(tzinfo=zone)


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


# ---------------------------------------------------------------------- the roster


@roster.command("import")
def roster_import(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    form: Annotated[list[str] | None, typer.Option(help="A value of the form column besides 2A, 2B, 2C.")] = None,
) -> None:
    """Take the list of members in: preview, errors by row, safe to repeat. Exit code 1 if a row was rejected."""
    from bot.roster import compared, forms_known, imported, read
    from handlers.texts import say

    lang, now = settings().lang, datetime.now(UTC)
    with database() as opened:
        with opened.transaction(read_only=True) as db:
            found = read(file, today=now.astimezone(settings().zone).date(), forms=(*forms_known(db), *(form or ())))
            preview = compared(db, found)
        typer.echo("\n".join(preview.lines(lang)))
        if dry_run:
            typer.echo(say(lang, "roster.dry"))
        elif preview.changes and (yes or typer.confirm(say(lang, "roster.confirm"))):
            with opened.transaction() as db:
                synced = imported(db, found, now).synced
            typer.echo("\n".join([say(lang, "roster.done"), *(synced.lines(lang) if synced else ())]))
        if found.rejected:
            raise SystemExit(1)


# ---------------------------------------------------------------------- invitations and roles


@invite.callback(invoke_without_command=True)
def invite_people(
    context: typer.Context,
    unit: Annotated[str | None, typer.Option(help="Only below this unit: a path of names, or its end.")] = None,
    person: Annotated[str | None, typer.Option(help="Only this member code.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write a table that only you may read.")] = None,
    qr: Annotated[Path | None, typer.Option(help="Write slips to print, with QR pictures, into this folder.")] = None,
) -> None:
    """Make invitations: a code, a Telegram link and a web link a person. Earlier ones of these people end."""
    from bot import invitations
    from handlers.texts import say
    from storage import notes

    if context.invoked_subcommand:
        return
    chosen, now = settings(), datetime.now(UTC)
    if not chosen.secret_key:
        raise Failed(say(chosen.lang, "invitations.no_secret"))
    lasts = timedelta(days=chosen.invitation_days)
    with database() as opened, opened.transaction() as db:
        handed = invitations.invited(
            db,
            invitations.whom(db, unit=unit, person=person),
            now,
            lasts=lasts,
            username=chosen.telegram_username or notes.read(db, "telegram_username") or "",
            public_url=chosen.public_url,
        )
        if out:
            invitations.write_table(out, handed)
        if qr:
            typer.echo(invitations.write_sheets(qr, handed, chosen.lang))
        if not out and not qr:
            invitations.print_table(sys.stdout, handed)
    until = (now + lasts).astimezone(chosen.zone)
    typer.echo(say(chosen.lang, "invitations.made", count=len(handed), until=f"{until:%d/%m/%Y}"), err=True)
    if handed and not handed[0].web and not handed[0].telegram:
        typer.echo(say(chosen.lang, "invitations.no_links"), err=True)


@invite.command("revoke")
def invite_revoke(
    unit: Annotated[str | None, typer.Option(help="Everybody below this unit.")] = None,
    person: Annotated[str | None, typer.Option(help="This member code.")] = None,
) -> None:
    """Take invitations back: they open nothing any more. Who has joined stays."""
    from bot import invitations
    from handlers.texts import say

    if unit is None and person is None:
        raise Failed("invite revoke: name --unit or --person", 2)
    with database() as opened, opened.transaction() as db:
        count = invitations.revoked(db, invitations.whom(db, unit=unit, person=person), datetime.now(UTC))
    typer.echo(say(settings().lang, "invitations.revoked", count=count))


@role.command("grant")
def role_grant(
    code: Annotated[str, typer.Argument(help="A member code.")],
    name: Annotated[str, typer.Argument(metavar="ROLE", help="secretary, deputy, officer or admin.")],
    unit: Annotated[str, typer.Option(help="In which unit: a path of names, or its end.")],
) -> None:
    """Give a person a role that no roster takes away."""
    from bot.roles import granted

    with database() as opened, opened.transaction() as db:
        typer.echo(granted(db, code, name, unit, datetime.now(UTC), settings().lang))


@role.command("revoke")
def role_revoke(
    code: Annotated[str, typer.Argument(help="A member code.")],
    name: Annotated[str, typer.Argument(metavar="ROLE", help="secretary, deputy, officer or admin.")],
    unit: Annotated[str, typer.Option(help="In which unit: a path of names, or its end.")],
) -> None:
    """Take a role away."""
    from bot.roles import revoked

    with database() as opened, opened.transaction() as db:
        typer.echo(revoked(db, code, name, unit, datetime.now(UTC), settings().lang))


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
