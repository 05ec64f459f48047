"""A person's own data as a file: the right to a copy."""

import json
from datetime import datetime
from pathlib import Path

from bot import named
from bot.tables import private
from handlers.texts import say
from storage import audit, person_data
from storage.database import Database


def export(database: Database, code: str, out: Path, now: datetime, lang: str) -> str:
    """Write everything that is stored about the person *code* to *out* (JSON, for its owner alone); the line to print.

    It is on record before anything is read. Raises Mistake.
    """
    with database.transaction() as db:
        person = named.person(db, code)
        audit.record(db, "person.exported", now, person_id=person.id)
    with database.transaction(read_only=True) as db:
        data = person_data.everything(db, person)
    with private(out, "utf-8") as file:
        json.dump(data, file, ensure_ascii=False, indent=1)
    return say(lang, "person.exported", code=person.code, file=out)
