"""The commands of whoever looks after the machine: check, pause, backup, export, and what is stuck."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bot.command import FORMS, Failed, database, settings

operator = typer.Typer()
outbox = typer.Typer(no_args_is_help=True, help="Messages that do not get out.")
inbox = typer.Typer(no_args_is_help=True, help="Turns that failed and are kept.")

Key = Annotated[str | None, typer.Argument(help="The key, as the list shows it.")]


@operator.command()
def check() -> None:
    """Settings, database, forms, tokens, what stands still: what is wrong, how to mend it. Exit code 1 if anything."""
    from bot.check import check as look

    found = look(os.environ, FORMS, datetime.now(UTC))
    typer.echo("\n".join(found.lines()))
    if found.wrong:
        raise SystemExit(1)


@operator.command()
def pause() -> None:
    """Stop everything that nobody asked for: reminders, digests, notices. Whoever writes is still answered."""
    from bot.pause import pause as hold

    with database() as opened, opened.transaction() as db:
        typer.echo(hold(db, datetime.now(UTC), settings().lang))


@operator.command()
def resume() -> None:
    """Go on after a pause or a restore. Nothing that became due meanwhile is sent late."""
    from bot.pause import resume as go_on

    with database() as opened, opened.transaction() as db:
        typer.echo(go_on(db, datetime.now(UTC), settings().lang))


@operator.command()
def backup(file: Annotated[Path, typer.Argument(help="A new file.")]) -> None:
    """Save the database, in use or not, to one verified file for your eyes only."""
    from bot.backup import save

    with database(migrated=False) as opened:
        typer.echo("\n".join(save(opened, file, settings().lang)))


@operator.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What backup wrote.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a database that holds people; it is kept.")] = False,
) -> None:
    """Bring a saved database back. It starts paused, and sends nothing that became due meanwhile."""
    from bot.backup import restore as bring_back
    from storage.sealing import Sealer

    chosen = settings()
    with database(migrated=False) as opened:
        done = bring_back(opened, file, datetime.now(UTC), force=force, sealer=Sealer(chosen.data_keys))
        typer.echo("\n".join(done.lines(opened.file or file, chosen.lang)))


@operator.command()
def export(
    cycle: Annotated[str, typer.Option(help="The season's code, as cycle list shows it.")],
    out: Annotated[Path, typer.Option(help="A file that ends in .csv or .xlsx.")],
    plain: Annotated[bool, typer.Option("--plain", help="CSV without the mark by which Excel knows UTF-8.")] = False,
) -> None:
    """Write the table of a season: a row for everybody, every submitted answer. It is recorded."""
    from bot.documents.sheet import export as write
    from handlers.texts import say

    lang = settings().lang
    with database() as opened:
        count = write(opened, cycle, out, datetime.now(UTC), lang, plain=plain)
    typer.echo(say(lang, "export.done", count=count, file=out))


@operator.command()
def rekey() -> None:
    """Seal all words that are stored with the newest key of KIEMDIEM_DATA_KEY. May be repeated."""
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
    typer.echo(say(lang, "rekey.done", count=count))


@outbox.command("list")
def outbox_list() -> None:
    """What was refused, is unsure or waits long: key, kind, channel, state, age, why. Never words."""
    from bot.stuck import outbox_lines

    with database() as opened, opened.transaction(read_only=True) as db:
        typer.echo("\n".join(outbox_lines(db, datetime.now(UTC), settings().lang)))


@outbox.command("retry")
def outbox_retry(
    key: Key = None,
    all_refused: Annotated[bool, typer.Option("--all-refused", help="Every refused message.")] = False,
) -> None:
    """Send a refused message again."""
    from bot.stuck import retry

    if (key is None) != all_refused:
        raise Failed("outbox retry: name a key or --all-refused", 2)
    with database() as opened, opened.transaction() as db:
        line, done = retry(db, key, datetime.now(UTC), settings().lang)
    _said(line, done)


@outbox.command("drop")
def outbox_drop(key: Annotated[str, typer.Argument(help="The key, as the list shows it.")]) -> None:
    """Never send a message."""
    from bot.stuck import drop

    with database() as opened, opened.transaction() as db:
        line, done = drop(db, key, datetime.now(UTC), settings().lang)
    _said(line, done)


@inbox.command("list")
def inbox_list() -> None:
    """The turns that failed: key, age, kind of error, whether their writer answered since. Never words."""
    from bot.stuck import inbox_lines

    with database() as opened, opened.transaction(read_only=True) as db:
        typer.echo("\n".join(inbox_lines(db, datetime.now(UTC), settings().lang)))


@inbox.command("replay")
def inbox_replay(
    key: Key = None,
    every: Annotated[bool, typer.Option("--all", help="All but words whose writer answered since.")] = False,
) -> None:
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
def inbox_drop(key: Annotated[str, typer.Argument(help="The key, as the list shows it.")]) -> None:
    """Never run a failed turn again: its words are emptied."""
    from bot.stuck import give_up

    with database() as opened, opened.transaction() as db:
        line, done = give_up(db, key, datetime.now(UTC), settings().lang)
    _said(line, done)


def _said(line: str, done: bool) -> None:
    if not done:
        raise Failed(line)
    typer.echo(line)
