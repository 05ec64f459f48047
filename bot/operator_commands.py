"""The commands of whoever looks after the machine: check, pause, backup, export, and what is stuck."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import click

from bot.command import FORMS, PATH, Failed, database, settings

KEY = "The key, as the list shows it."


@click.command()
def check() -> None:
    """Say what is wrong and how to mend it. Exit code 1 if anything is.

    Looks at settings, database, forms, tokens, and what stands still.
    """
    from bot.check import check as look

    found = look(os.environ, FORMS, datetime.now(UTC))
    click.echo("\n".join(found.lines()))
    if found.wrong:
        raise SystemExit(1)


@click.command()
def pause() -> None:
    """Stop everything that nobody asked for. Reminders, digests, notices; whoever writes is still answered."""
    from bot.pause import pause as hold

    with database() as opened, opened.transaction() as db:
        click.echo(hold(db, datetime.now(UTC), settings().lang))


@click.command()
def resume() -> None:
    """Go on after a pause or a restore. Nothing that became due meanwhile is sent late."""
    from bot.pause import resume as go_on

    with database() as opened, opened.transaction() as db:
        click.echo(go_on(db, datetime.now(UTC), settings().lang))


@click.command()
@click.argument("file", type=PATH, help="A new file.")
def backup(file: Path) -> None:
    """Save the database, in use or not, to one verified file. For your eyes only."""
    from bot.backup import save

    with database(migrated=False) as opened:
        click.echo("\n".join(save(opened, file, settings().lang)))


@click.command()
@click.argument("file", type=PATH, help="What backup wrote.")
@click.option("--force", is_flag=True, help="Replace a database that holds people; it is kept.")
def restore(file: Path, force: bool) -> None:
    """Bring a saved database back. It starts paused, and sends nothing that became due meanwhile."""
    from bot.backup import restore as bring_back
    from storage.sealing import Sealer

    chosen = settings()
    with database(migrated=False, alone=True) as opened:
        done = bring_back(opened, file, datetime.now(UTC), force=force, sealer=Sealer(chosen.data_keys))
        click.echo("\n".join(done.lines(opened.file or file, chosen.lang)))


@click.command()
@click.option("--cycle", required=True, help="The season's code, as cycle list shows it.")
@click.option("--out", type=PATH, required=True, help="A file that ends in .csv or .xlsx.")
@click.option("--plain", is_flag=True, help="CSV without the mark by which Excel knows UTF-8.")
def export(cycle: str, out: Path, plain: bool) -> None:
    """Write the table of a season. A row for everybody, every submitted answer. It is recorded."""
    from bot.documents.sheet import export as write
    from handlers.texts import say

    lang = settings().lang
    with database() as opened:
        count = write(opened, cycle, out, datetime.now(UTC), lang, plain=plain)
    click.echo(say(lang, "export.done", count=count, file=out))


@click.command()
def rekey() -> None:
    """Seal all stored words with the newest of the data keys. May be repeated."""
    from handlers.texts import say
    from storage.resealing import NoKey, reseal

    lang = settings().lang
    if not settings().data_key:
        raise Failed(say(lang, "check.no_data_key"))
    with database() as opened:
        try:
            count = reseal(opened)
        except NoKey:
            raise Failed(say(lang, "check.data_key")) from None
    click.echo(say(lang, "rekey.done", count=count))


@click.group()
def outbox() -> None:
    """Messages that do not get out."""


@outbox.command("list")
def outbox_list() -> None:
    """What was refused, is unsure or waits long. Key, kind, channel, state, age, why; never words."""
    from bot.stuck import outbox_lines

    with database() as opened, opened.transaction(read_only=True) as db:
        click.echo("\n".join(outbox_lines(db, datetime.now(UTC), settings().lang)))


@outbox.command("retry")
@click.argument("key", required=False, help=KEY)
@click.option("--all-refused", is_flag=True, help="Every refused message.")
def outbox_retry(key: str | None, all_refused: bool) -> None:
    """Send a refused message again."""
    from bot.stuck import retry

    if (key is None) != all_refused:
        raise Failed("outbox retry: name a key or --all-refused", 2)
    with database() as opened, opened.transaction() as db:
        line, done = retry(db, key, datetime.now(UTC), settings().lang)
    _said(line, done)


@outbox.command("drop")
@click.argument("key", help=KEY)
def outbox_drop(key: str) -> None:
    """Never send a message."""
    from bot.stuck import drop

    with database() as opened, opened.transaction() as db:
        line, done = drop(db, key, datetime.now(UTC), settings().lang)
    _said(line, done)


@click.group()
def inbox() -> None:
    """Turns that failed and are kept."""


@inbox.command("list")
def inbox_list() -> None:
    """The turns that failed. Key, age, kind of error, whether their writer answered since; never words."""
    from bot.stuck import inbox_lines

    with database() as opened, opened.transaction(read_only=True) as db:
        click.echo("\n".join(inbox_lines(db, datetime.now(UTC), settings().lang)))


@inbox.command("replay")
@click.argument("key", required=False, help=KEY)
@click.option("--all", "every", is_flag=True, help="All but words whose writer answered since.")
def inbox_replay(key: str | None, every: bool) -> None:
    """Run a failed turn again, with one effect. If it fails again it stays kept."""
    from bot.app import real_time
    from bot.inbox import Inbox
    from bot.stuck import replay
    from handlers.routes import route

    if (key is None) != every:
        raise Failed("inbox replay: name a key or --all", 2)
    lang = settings().lang
    with database() as opened:
        desk = Inbox(opened, answer=route, now=real_time, lang=lang, deliveries={})
        lines, well = asyncio.run(replay(desk, opened, key, lang))
    _said("\n".join(lines), well)


@inbox.command("drop")
@click.argument("key", help=KEY)
def inbox_drop(key: str) -> None:
    """Never run a failed turn again: its words are emptied."""
    from bot.stuck import give_up

    with database() as opened, opened.transaction() as db:
        line, done = give_up(db, key, datetime.now(UTC), settings().lang)
    _said(line, done)


def _said(line: str, done: bool) -> None:
    if not done:
        raise Failed(line)
    click.echo(line)


COMMANDS = (check, pause, resume, backup, restore, export, rekey, outbox, inbox)
