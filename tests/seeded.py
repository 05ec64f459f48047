"""A small season written straight into the tables: two cells, an open cycle, a form, one review each."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from handlers import cycles as rules
from handlers import forms
from handlers.cycles import Consent, Cycle, Slot
from storage import addresses
from storage import models as m
from storage.database import Database, Db

START = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
CYCLE = Cycle(
    id=0,
    code="2026",
    name="Kiểm điểm năm 2026",
    year=2026,
    zone=ZONE,
    opens=START,
    due=datetime(2026, 12, 15, 10, 0, tzinfo=UTC),
    closes=datetime(2026, 12, 18, 10, 0, tzinfo=UTC),
    admitted_before=None,
    consent=Consent("1", "Đồng ý?"),
    levels=(),
    forms=(("2B", "small"),),
    slots=(Slot(-7, time(8)), Slot(-1, time(8))),
    days_off=frozenset(),
    days_on=frozenset(),
)
EMPTY = '{"id": "small", "title": "", "lang": "vi", "sections": []}'
PEOPLE = (("KM-1", "Nguyễn Văn An", 1), ("KM-2", "Trần Thị Bình", 1), ("KM-3", "Lê Minh Chi", 2))


def seed(database: Database, *, form: str = EMPTY, people: tuple[tuple[str, str, int], ...] = PEOPLE) -> None:
    """Person *n* has assessment *n*, not started, and a Telegram chat 7*n*; cells have the ids 1 and 2 under 3."""
    with database.transaction() as db:
        units = (
            (3, None, "organisation", "Đảng bộ A", "3."),
            (1, 3, "cell", "Chi bộ 1", "3.1."),
            (2, 3, "cell", "Chi bộ 2", "3.2."),
        )
        for number, parent, kind, name, path in units:
            row = {"id": number, "parent_id": parent, "kind": kind, "name": name, "key": name, "path": path}
            db.execute(sa.insert(m.Unit), row)
        cycle(db, form)
        for number, (code, name, unit) in enumerate(people, 1):
            person(db, number, code, name, unit)


def cycle(db: Db, form: str) -> None:
    """The open cycle, 1, with one form, 1."""
    text = rules.dumps(CYCLE)
    db.execute(sa.insert(m.Cycle).values(id=1, code="2026", opened_at=START, rules=text, digest="seeded"))
    digest = forms.digest(form)
    db.execute(sa.insert(m.CycleForm).values(id=1, cycle_id=1, key="2B", form_id="small", body=form, digest=digest))


def person(db: Db, number: int, code: str, name: str, unit: int) -> None:
    """A member of a cell with their review and their chat."""
    db.execute(
        sa.insert(m.Person).values(
            id=number, code=code, name=name, name_key=name.casefold(), birth_date=date(1985, 6, 15), unit_id=unit
        )
    )
    db.execute(
        sa.insert(m.Assessment).values(
            id=number, cycle_id=1, person_id=number, unit_id=unit, form_id=1, state=m.NOT_STARTED
        )
    )
    chat = addresses.ensured(db, "telegram", "1", f"7{number}", START)
    addresses.bind(db, chat.id, number, START)
