"""The commands about people: the roster, invitations, roles."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from bot.command import PATH, Failed, database, progress, settings


@click.group()
def roster() -> None:
    """The list of members."""


@roster.command("import")
@click.argument("file", type=PATH, help="CSV or XLSX.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--form", "other", multiple=True, help="A value of the form column besides 2A, 2B, 2C. May be repeated.")
@click.option("--same", multiple=True, help="This code is one person under a new name and birth date. May be repeated.")
@click.option("--report", type=PATH, help="Write every finding and every change to this file, for you alone.")
def roster_import(
    file: Path, dry_run: bool, yes: bool, other: tuple[str, ...], same: tuple[str, ...], report: Path | None
) -> None:
    """Take the list of members in. Preview, errors by row, safe to repeat; exit code 1 if a row was rejected."""
    from bot.roster import compared, forms_known, import_roster, read
    from bot.roster_file import rows_in
    from bot.tables import private
    from handlers.texts import say

    lang, now = settings().lang, datetime.now(UTC)
    today = now.astimezone(settings().zone).date()
    with database() as opened:
        with opened.transaction(read_only=True) as db:
            forms = (*forms_known(db), *other)
        with progress(say(lang, "roster.reading"), rows_in(file)) as step:
            found = read(file, today=today, forms=forms, same=same, step=step)
        with opened.transaction(read_only=True) as db:
            preview = compared(db, found)
        click.echo("\n".join(preview.lines(lang)))
        if report:
            with private(report, "utf-8") as out:
                out.writelines(f"{line}\n" for line in preview.lines(lang, whole=True))
            click.echo(say(lang, "roster.report", file=report))
        if dry_run:
            click.echo(say(lang, "roster.dry"))
        elif preview.changes and (yes or click.confirm(say(lang, "roster.confirm"))):
            synced = opened.written(lambda db: import_roster(db, found, now, preview)).synced
            click.echo("\n".join([say(lang, "roster.done"), *(synced.lines(lang) if synced else ())]))
        if preview.rejected:
            raise SystemExit(1)


@click.group(invoke_without_command=True)
@click.option("--unit", help="Only below this unit: a path of names, or its end.")
@click.option("--person", help="Only this member code.")
@click.option("--out", type=PATH, help="Write a table that only you may read.")
@click.option("--qr", type=PATH, help="Write slips to print, with QR pictures, into this folder.")
@click.pass_context
def invite(context: click.Context, unit: str | None, person: str | None, out: Path | None, qr: Path | None) -> None:
    """Make invitations. A code, a Telegram link and a web link a person; earlier ones of these people end."""
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
            click.echo(invitations.write_sheets(qr, handed, chosen.lang))
        if not out and not qr:
            invitations.print_table(sys.stdout, handed)
    until = (now + lasts).astimezone(chosen.zone)
    click.echo(say(chosen.lang, "invitations.made", count=len(handed), until=f"{until:%d/%m/%Y}"), err=True)
    if handed and not handed[0].web and not handed[0].telegram:
        click.echo(say(chosen.lang, "invitations.no_links"), err=True)


@invite.command("revoke")
@click.option("--unit", help="Everybody below this unit.")
@click.option("--person", help="This member code.")
def invite_revoke(unit: str | None, person: str | None) -> None:
    """Take invitations back: they open nothing any more. Who has joined stays."""
    from bot import invitations
    from handlers.texts import say

    if unit is None and person is None:
        raise Failed("invite revoke: name --unit or --person", 2)
    with database() as opened, opened.transaction() as db:
        count = invitations.revoked(db, invitations.whom(db, unit=unit, person=person), datetime.now(UTC))
    click.echo(say(settings().lang, "invitations.revoked", count=count))


@click.group()
def role() -> None:
    """Roles beside those of the roster."""


@role.command("grant")
@click.argument("code", help="A member code.")
@click.argument("role", help="secretary, deputy, officer or admin.")
@click.option("--unit", required=True, help="In which unit: a path of names, or its end.")
def role_grant(code: str, role: str, unit: str) -> None:
    """Give a person a role that no roster takes away."""
    from bot.roles import granted

    with database() as opened, opened.transaction() as db:
        click.echo(granted(db, code, role, unit, datetime.now(UTC), settings().lang))


@role.command("revoke")
@click.argument("code", help="A member code.")
@click.argument("role", help="secretary, deputy, officer or admin.")
@click.option("--unit", required=True, help="In which unit: a path of names, or its end.")
def role_revoke(code: str, role: str, unit: str) -> None:
    """Take a role away."""
    from bot.roles import revoked

    with database() as opened, opened.transaction() as db:
        click.echo(revoked(db, code, role, unit, datetime.now(UTC), settings().lang))


@click.group()
def person() -> None:
    """The rights of one person."""


@person.command("export")
@click.argument("code", help="A member code.")
@click.option("--out", type=PATH, required=True, help="A JSON file, for you alone.")
def person_export(code: str, out: Path) -> None:
    """Everything that is stored about a person. Drafts and earlier answers too, for the person. It is recorded."""
    from bot.person_file import export

    with database() as opened:
        click.echo(export(opened, code, out, datetime.now(UTC), settings().lang))


@click.group()
def address() -> None:
    """Where people are written to."""


@address.command("retire-bot")
@click.argument("bot", help="The number of the old bot: what its token begins with.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--out", type=PATH, help="Write the member codes of who must join anew, for you alone.")
def address_retire_bot(bot: str, yes: bool, out: Path | None) -> None:
    """After a change of the token: close the addresses of the old bot. What waits goes to other addresses."""
    from bot.retiring import retire_bot
    from handlers.texts import say

    chosen = settings()
    if chosen.telegram_token.reveal().partition(":")[0] == bot:
        raise Failed(say(chosen.lang, "retired.present", bot=bot))
    if yes or click.confirm(say(chosen.lang, "retired.ask", bot=bot)):
        with database() as opened, opened.transaction() as db:
            lines = retire_bot(db, bot, datetime.now(UTC), chosen.lang, out)
        click.echo("\n".join(lines))
