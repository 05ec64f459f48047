"""People for tests that need somebody, anybody."""

import itertools
from datetime import date

import sqlalchemy as sa

from storage import models as m
from storage.database import Db

_numbers = itertools.count(1)


def a_person(db: Db, name: str = "Nguyễn Văn An") -> int:
    """A new member of a new cell; their id."""
    number = next(_numbers)
    unit = db.execute(
        sa.insert(m.Unit)
        .values(kind="cell", name=f"Chi bộ {number}", key=f"chi bo {number}", path=f"{number}.")
        .returning(m.Unit.id)
    ).scalar_one()
    person = sa.insert(m.Person).values(
        code=f"T-{number:04}", name=name, name_key=name.casefold(), birth_date=date(1970, 1, 2), unit_id=unit
    )
    return db.execute(person.returning(m.Person.id)).scalar_one()
