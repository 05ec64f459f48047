"""A database for measuring: so many members already bound on Telegram, their consent given, a season open.

    .venv/bin/python -m benchmarks.seed 10000 [--database sqlite:///seeded.db]

Member *n* has the chat 1,000,000 + n of the bot 4242, form 2B, and a place in a cell of twelve.
"""

import argparse
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.crowd import FIRST
from benchmarks.standin import TOKEN
from bot.season import open_cycle
from handlers import cycle_files, form_files
from handlers.cycles import Cycle
from storage import models as m
from storage import roles, units
from storage.database import Database, Db, Utc
from storage.schema import migrate

HERE = Path(__file__).parents[1]
IN_A_CELL, CELLS = 12, 10  # members of a cell, cells of an organisation
ROOT = "dang bo"


def seed(database: Database, people: int, now: datetime) -> None:
    """Fill an empty database. Member 1 is an officer of the whole committee, and each cell has a secretary."""
    migrate(database)
    with database.transaction() as db:
        first_cell = _tree(db, -(-people // IN_A_CELL))
        number = _numbers(people)
        cell = first_cell + (number - 1) // IN_A_CELL  # the ids of a new table follow one another
        _add(
            db,
            m.Person,
            number,
            code="BM-" + sa.cast(number, sa.Text),
            name="Nguyễn Văn " + sa.cast(number, sa.Text),
            name_key="nguyen van " + sa.cast(number, sa.Text),
            birth_date=sa.literal(date(1980, 5, 19)),
            position=sa.literal("Chuyên viên"),
            form=sa.literal("2B"),
            unit_id=cell,
        )
        of_a_cell = number % IN_A_CELL == 1
        _add(db, m.Role, number, of_a_cell, person_id=number, unit_id=cell, name=sa.literal("secretary"),
             granted=sa.false())  # fmt: skip
        roles.grant(db, 1, "officer", 1)
        cycle, forms = season(now)
        open_cycle(db, cycle, forms, now)  # before anybody is bound: nobody is told
        bot = TOKEN.partition(":")[0]
        _add(db, m.Address, number, person_id=number, channel=sa.literal("telegram"), bot=sa.literal(bot),
             chat=sa.cast(number + FIRST - 1, sa.Text), place=sa.literal(""), memory=sa.literal({}, sa.JSON),
             seq=sa.literal(0), last_seen=sa.literal(now, Utc()))  # fmt: skip
        _add(db, m.Consent, number, person_id=number, cycle_id=sa.literal(1), given=sa.true(), address_id=number,
             version=sa.literal(cycle.consent.version), at=sa.literal(now, Utc()))  # fmt: skip
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql("ANALYZE")


def season(now: datetime) -> tuple[Cycle, dict[str, Any]]:
    """The season of ``cycles/2026.toml`` as though it had begun yesterday, and the forms."""
    forms, _ = form_files.forms_in(HERE / "forms", "vi")
    text = (HERE / "cycles/2026.toml").read_text("utf-8")
    cycle = cycle_files.load(text, "2026.toml", forms, begins=(now - timedelta(days=1)).date())
    assert isinstance(cycle, Cycle), cycle
    return cycle, forms


def _tree(db: Db, cells: int) -> int:
    """The committee (unit 1), its organisations and so many cells; the id of the first cell."""
    organisations = -(-cells // CELLS)
    names = {ROOT: "Đảng bộ"} | {f"{ROOT}/to {n}": f"Đảng bộ cơ sở {n}" for n in range(organisations)}
    names |= {f"{ROOT}/to {n // CELLS}/chi bo {n}": f"Chi bộ {n}" for n in range(cells)}
    units.add(db, names)
    first = db.execute(sa.select(sa.func.min(m.Unit.id)).where(m.Unit.key.like("%/chi bo %"))).scalar_one()
    db.execute(sa.update(m.Unit).where(m.Unit.id < first).values(kind="organisation"))
    db.execute(sa.update(m.Unit).where(m.Unit.id == 1).values(kind="committee"))
    return int(first)


def _numbers(last: int) -> sa.ColumnElement[int]:
    """1 to *last*, as a column."""
    numbers = sa.select(sa.literal(1).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.n + 1).where(numbers.c.n < last))
    return numbers.c.n


def _add(db: Db, table: type[m.Base], number: sa.ColumnElement[int], *only: Any, **columns: Any) -> None:
    rows = sa.select(*columns.values()).where(*only).order_by(number)
    db.execute(sa.insert(table).from_select(list(columns), rows, include_defaults=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", type=int)
    parser.add_argument("--database", default="sqlite:///seeded.db")
    given = parser.parse_args()
    database, began = Database(given.database), time.perf_counter()
    seed(database, given.people, datetime.now(UTC))
    database.close()
    print(f"{given.people:,} members in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
