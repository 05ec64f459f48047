"""The few words the program keeps for itself."""

import sqlalchemy as sa

from storage import models as m
from storage.database import Db, put

PAUSED = "paused"
STOPPED = "stopped:"  # and a channel, its bot, a direction: since when and why it does not work
WRITTEN = "written"  # when a process last saw that it can write
WEBHOOK_TAKEN = "webhook_taken:"  # and a channel, its bot: when its webhook was last found to be taken away


def read(db: Db, name: str) -> str | None:
    """What is noted under *name*; None: nothing."""
    return db.execute(sa.select(m.Note.value).where(m.Note.name == name)).scalar()


def beginning(db: Db, prefix: str) -> dict[str, str]:
    """The notes whose names begin so."""
    rows = db.execute(sa.select(m.Note.name, m.Note.value).where(m.Note.name.startswith(prefix, autoescape=True)))
    return {name: value for name, value in rows}  # noqa: C416  a dict of rows has no types


def write(db: Db, name: str, value: str | None) -> None:
    """Note *value* under *name*; None takes the note away."""
    if value is None:
        db.execute(sa.delete(m.Note).where(m.Note.name == name))
    else:
        put(db, m.Note, {"name": name, "value": value}, change=["value"])


def paused(db: Db) -> bool:
    """Whether nothing may be said that nobody asked for."""
    return read(db, PAUSED) is not None
