"""Who a season concerns and how they can be reached, in numbers: for its opening."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from storage import models as m
from storage.database import Db
from storage.progress import LINKED, OFFICERS, PASSIVE, RINGING, SECRETARIES
from storage.reminders import best_address


@dataclass(frozen=True, slots=True)
class Bound:
    """Somebody who owes a review and can be written to."""

    assessment_id: int
    person_id: int
    address_id: int
    lang: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The numbers of a season."""

    people: int
    by_form: Mapping[str, int]  # who owe, by the roster's value
    exempt: Mapping[str, int]  # by reason
    reach: Mapping[str, int]  # who owe, by how they are reached: ringing, passive, unreachable, unlinked
    secretaries: int
    officers: int


def bound(db: Db, cycle_id: int) -> list[Bound]:
    """Everybody who owes a review, has a form and an open address."""
    address = best_address(m.Assessment.person_id).label("address")
    rows = db.execute(
        sa.select(m.Assessment.id, m.Assessment.person_id, address, m.Person.lang)
        .join(m.Person, m.Person.id == m.Assessment.person_id)
        .where(m.Assessment.cycle_id == cycle_id, m.Assessment.state.in_(m.OWES), m.Assessment.form_id.is_not(None))
        .order_by(m.Assessment.id)
    )
    return [Bound(*row) for row in rows if row.address is not None]


def standing(db: Db, cycle_id: int) -> Standing:
    """The numbers of a season, in a few statements."""
    mine = m.Assessment.cycle_id == cycle_id
    owes = m.Assessment.state.in_(m.OWES)
    by_form = (
        sa.select(m.CycleForm.key, sa.func.count().label("number"))
        .select_from(m.Assessment)
        .join(m.CycleForm, m.CycleForm.id == m.Assessment.form_id)
        .where(mine, owes)
        .group_by(m.CycleForm.key)
        .order_by(m.CycleForm.key)
    )
    exempt = (
        sa.select(m.Assessment.exempt_reason, sa.func.count())
        .where(mine, m.Assessment.state == m.EXEMPT)
        .group_by(m.Assessment.exempt_reason)
        .order_by(m.Assessment.exempt_reason)
    )
    how = sa.case((RINGING, "ringing"), (PASSIVE, "passive"), (LINKED, "unreachable"), else_="unlinked").label("how")
    reached = sa.select(how).where(mine, owes).subquery()
    reach = sa.select(reached.c.how, sa.func.count().label("number")).group_by(reached.c.how)
    return Standing(
        db.scalar(sa.select(sa.func.count()).where(mine)) or 0,
        {row.key: row.number for row in db.execute(by_form)},
        {reason or "": number for reason, number in db.execute(exempt)},
        {row.how: row.number for row in db.execute(reach)},
        _holders(db, SECRETARIES),
        _holders(db, OFFICERS),
    )


def _holders(db: Db, roles: tuple[str, ...]) -> int:
    people = sa.select(sa.func.count(sa.distinct(m.Role.person_id))).where(m.Role.name.in_(roles))
    return db.scalar(people) or 0
