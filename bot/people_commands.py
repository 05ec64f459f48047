"""The commands about people: the roster, invitations, roles."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from bot.command import Failed, database, settings

roster = typer.Typer(no_args_is_help=True, help="The list of members.")
invite = typer.Typer(help="Invitations to join.")
role = typer.Typer(no_args_is_help=True, help="Roles beside those of the roster.")
person = typer.Typer(no_args_is_help=True, help="The rights of one person.")


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


@person.command("export")
def person_export(
    code: Annotated[str, typer.Argument(help="A member code.")],
    out: Annotated[Path, typer.Option(help="A JSON file, for you alone.")],
) -> None:
    """Everything that is stored about a person, drafts and earlier answers too: for the person. It is recorded."""
    from bot.person_file import export

    with database() as opened:
        typer.echo(export(opened, code, out, datetime.now(UTC), settings().lang))
