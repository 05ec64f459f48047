"""Invitations for people of the roster, written down to be handed out."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import TextIO

from bot import named, tables
from handlers.texts import say
from storage import invitations, people, units
from storage.database import Db
from storage.enrolments import LEFT
from storage.people import Person


@dataclass(frozen=True, slots=True)
class Invited:
    """What one person is handed. A link is empty where the settings do not say where it leads."""

    code: str  # the member's
    name: str
    unit: str
    invitation: str
    telegram: str
    web: str


def whom(db: Db, *, unit: str | None = None, person: str | None = None) -> list[Person]:
    """The one person; or all below the unit, or everybody, cell by cell, but who died or moved. Raises NotFound."""
    if person is not None:
        return [named.person(db, person)]
    start = named.unit(db, unit).path if unit is not None else ""
    places = {unit.id: unit.path for unit in units.by_keys(db).values()}
    found = [each for each in people.by_codes(db).values() if places[each.unit_id].startswith(start)]
    found = [each for each in found if each.exempt_reason not in LEFT]
    return sorted(found, key=lambda each: (places[each.unit_id], each.id))


def invited(
    db: Db, invitees: Sequence[Person], now: datetime, *, lasts: timedelta, username: str = "", public_url: str = ""
) -> list[Invited]:
    """New invitations for these people; any they had is revoked. *username*: of the Telegram bot.

    Raises ValueError where the database was opened without a secret.
    """
    codes = invitations.make(db, [person.id for person in invitees], now, lasts)
    names = named.paths(db)
    return [
        Invited(
            code=person.code,
            name=person.name,
            unit=names[person.unit_id],
            invitation=invitations.written(codes[person.id]),
            telegram=f"https://t.me/{username}?start={codes[person.id]}" if username else "",
            web=f"{public_url.rstrip('/')}/chat/{codes[person.id]}" if public_url else "",
        )
        for person in invitees
    ]


def revoked(db: Db, whose: Sequence[Person], now: datetime) -> int:
    """Take back every invitation of these people that was not taken back yet; how many."""
    return invitations.revoke(db, [person.id for person in whose], now)


def print_table(out: TextIO, handed: Sequence[Invited]) -> None:
    """A CSV table."""
    tables.write(out, [field.name for field in fields(Invited)], [astuple(each) for each in handed])


def write_table(file: Path, handed: Sequence[Invited]) -> None:
    """A CSV table that only its owner may read."""
    with tables.private(file) as out:
        print_table(out, handed)


def write_sheets(folder: Path, handed: Sequence[Invited], lang: str) -> Path:
    """A page to print, ``invitations.html``, with a slip and a QR picture for each person; its place.

    Pictures are numbered: no name or code becomes the name of a file.
    """
    import segno

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    slips = []
    for number, each in enumerate(handed, 1):
        picture = folder / f"{number:05}.png"
        picture.touch(0o600)
        segno.make_qr(each.web or each.telegram or each.invitation, error="m").save(str(picture), scale=6)
        lines = "<br>".join(escape(line) for line in (each.unit, each.code, each.web or each.telegram) if line)
        slips.append(
            f'<section><img src="{picture.name}" alt="QR" width="150"><div><h2>{escape(each.name)}</h2>'
            f"<p>{lines}</p><p><b>{escape(each.invitation)}</b></p>"
            f"<p>{escape(say(lang, 'invitations.slip'))}</p></div></section>"
        )
    page = folder / "invitations.html"
    with tables.private(page) as out:
        out.write(
            f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>{escape(say(lang, "invitations.title"))}'
            "</title><style>body{font:14pt sans-serif}section{display:flex;gap:1em;border:1px dashed #888;padding:1em;"
            "margin-bottom:1em;break-inside:avoid}h2{margin:0}</style>" + "".join(slips) + "</html>"
        )
    return page
