"""The commands, nothing else: each loads what it needs when it runs."""

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import cast

import click

from bot import operator_commands as operator
from bot.command import PATH, Failed, database, moment, settings
from bot.people_commands import address, invite, person, role, roster
from bot.season_commands import cycle


@click.group(context_settings={"show_default": True, "max_content_width": 120})
def app() -> None:
    """A chatbot that takes members through their yearly self-review."""


for command in (roster, invite, address, role, person, cycle, *operator.COMMANDS):
    app.add_command(command)


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
        from handlers.texts import say
        from storage.database import cannot_store
        from storage.schema import OtherRevision

        if isinstance(error, OtherRevision):
            key = "check.new_database" if error.newer else "check.old_database"
            sys.stderr.write(f"{say(settings().lang, key, at=error.at or '-', newest=error.newest)}\n")
            raise SystemExit(1) from None
        if not cannot_store(error):
            raise
        sys.stderr.write(f"The database cannot be used now ({type(error).__name__}). `kiemdiem check` tells more.\n")
        raise SystemExit(1) from None


# ---------------------------------------------------------------------- running


@app.command()
@click.option("--port", default=8000, help="Where the page is served.")
def demo(port: int) -> None:
    """Play it in the browser, with nothing to set up. A fresh database, a sample roster, an open season, no token."""
    from bot.play import play

    asyncio.run(play(port))


@app.command()
@click.option("--as", "whom", default="KM-0043", help="Whose part to take: a member code.")
@click.option("--record", type=PATH, help="Write the conversation to this file.")
def chat(whom: str, record: Path | None) -> None:
    """The same conversation in the terminal, on a demo database."""
    from bot.play import chat_as

    with suppress(KeyboardInterrupt):  # the usual end
        asyncio.run(chat_as(whom, record))


@app.command()
@click.option("--only", default="", show_default="everything", help="Some of: web,delivery,clock,telegram.")
def run(only: str) -> None:
    """Run the bot: the web page, Telegram, delivery, the clock."""
    gc.disable()  # loading leaves no garbage to look for
    with without("rich", "cryptography"):  # structlog's coloured traces, python-telegram-bot's Passport: 11 MB
        from bot import logs
        from bot.app import PARTS, AlreadyRunning, App, BeingRestored
        from bot.channels.telegram import Telegram
        from bot.checkpoints import arm
        from bot.settings import open_database
        from bot.starting import missing_folder, until_usable

    gc.freeze()  # what is loaded stays for ever: the collector need not walk through it again and again
    gc.enable()
    gc.set_threshold(20_000, 20, 20)  # a turn leaves few cycles behind: they are looked for less often
    chosen = settings()
    if not chosen.secret_key:
        raise Failed("KIEMDIEM_SECRET_KEY is not set; make one with: openssl rand -hex 32")
    parts = [part.strip() for part in only.split(",") if part.strip()] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        raise Failed(f"--only: there is no part called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", 2)
    token = chosen.telegram_token.reveal()
    if token and chosen.public_url.startswith("https://") and not chosen.telegram_secret:
        raise Failed("KIEMDIEM_TELEGRAM_SECRET is not set; make one with: openssl rand -hex 32")
    logs.set_up(chosen.log_level, secrets=chosen.secrets)
    arm(chosen.crash_at, chosen.crash_at_n)
    channels = []
    if token:
        channels.append(Telegram(token, api_url=chosen.telegram_api_url, secret=chosen.telegram_secret.reveal()))

    async def together() -> None:
        opened = open_database(chosen)
        if folder := missing_folder(opened):
            raise Failed(f"There is no folder {folder}; KIEMDIEM_DATABASE_URL names a file in it.")
        if not await until_usable(opened):
            return
        await App(chosen, opened, channels=channels).run(parts)

    with quick_loop() as runner:
        try:
            runner.run(together())
        except SystemExit:  # uvicorn's way to say that it cannot listen; it has logged why
            raise Failed(f"Cannot listen on {chosen.host}:{chosen.port}. Set KIEMDIEM_PORT to a free port.") from None
        except BeingRestored:
            raise Failed("This database is being restored. Start again once that is done.") from None
        except AlreadyRunning:
            raise Failed(
                "Another kiemdiem run uses this database. Stop it first, or use PostgreSQL for several processes."
            ) from None


@contextmanager
def without(*libraries: str) -> Iterator[None]:
    """Load others without these, which they would take along where they find them. Later they are there again."""
    hidden = [name for name in libraries if sys.modules.setdefault(name, cast("ModuleType", None)) is None]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


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
        click.echo(f"The database is at revision {revision(opened)}.")


@app.command()
@click.option("--at", help="As though it were this local time.")
def tick(at: str | None) -> None:
    """Run the clock's jobs once and say what was put out."""
    from bot.clock import Clock

    with database() as opened:
        now = moment(at, settings().zone)
        clock = Clock(opened, lambda: now, lambda: None, settings().zone)
        for name, done in asyncio.run(clock.tick_all()).items():
            click.echo(f"{name}: {done.put_out} put out, {done.expected} expected")
