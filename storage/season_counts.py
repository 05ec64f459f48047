"""Who a season concerns and how they can be reached, in numbers: for its opening."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from storage import models as m
from storage.database import Db
from storage.enrolments import IN_THE_CELL, exempt_reason
from storage.progress import OFFICERS, SECRETARIES
from storage.reminders import best_address


@dataclass(frozen=True, slots=True)
class Bound:
    """Somebody who owes a review and has not begun it, with the address to write to, if any."""

    assessment_id: int
    person_id: int
    address_id: int | None
    lang: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The numbers of a season that is to be opened with the roster as it is."""

    people: int
    by_form: Mapping[str, int]  # who will owe, by the roster's value
    exempt: Mapping[str, int]  # by reason
    without_form: int  # who will owe and have none
    reach: Mapping[str, int]  # who will owe, by how they are reached: ringing, passive, unreachable, unlinked
    secretaries: int
    officers: int


def page(db: Db, cycle_id: int, *, after: int, limit: int) -> list[Bound]:
    """The next people after the id *after* who owe a review, have a form and have not begun."""
    address = best_address(m.Assessment.person_id).label("address")
    rows = db.execute(
        sa.select(m.Assessment.id, m.Assessment.person_id, address, m.Person.lang)
        .join(m.Person, m.Person.id == m.Assessment.person_id)
        .where(*_not_begun(cycle_id, after))
        .order_by(m.Assessment.person_id)
        .limit(limit)
    )
    return [Bound(*row) for row in rows]


def left(db: Db, cycle_id: int, *, after: int) -> int:
    """How many people ``page`` would still give who can be written to."""
    written_to = best_address(m.Assessment.person_id).is_not(None)
    return db.scalar(sa.select(sa.func.count()).where(*_not_begun(cycle_id, after), written_to)) or 0


def _not_begun(cycle_id: int, after: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        m.Assessment.cycle_id == cycle_id,
        m.Assessment.person_id > after,
        m.Assessment.state.in_(m.OWES),
        m.Assessment.form_id.is_not(None),
        m.Assessment.active_at.is_(None),
    )


def standing(db: Db, forms: Collection[str], admitted_before: date | None) -> Standing:
    """The numbers of a season with these forms (the roster's values), in one walk over the roster."""
    open_one = sa.select(m.Address.channel).where(m.Address.person_id == m.Person.id, m.Address.closed.is_(None))
    how = sa.case(
        (open_one.where(m.Address.channel != "web").exists(), "ringing"),
        (open_one.exists(), "passive"),
        (sa.exists().where(m.Address.person_id == m.Person.id), "unreachable"),
        else_="unlinked",
    )
    reason = exempt_reason(admitted_before)
    people = sa.select(
        reason.label("reason"),
        sa.case((m.Person.form.in_(forms), m.Person.form), else_=None).label("form"),
        sa.case((reason.is_(None), how), else_="").label("how"),
    ).where(IN_THE_CELL)
    each = people.subquery()
    columns = each.c.reason, each.c.form, each.c.how
    exempt, by_form, reach = Counter[str](), Counter[str](), Counter[str]()
    for why, form, reached, number in db.execute(sa.select(*columns, sa.func.count()).group_by(*columns)):
        if why is not None:
            exempt[why] += number
        else:
            by_form[form or ""] += number
            reach[reached] += number
    return Standing(
        exempt.total() + by_form.total(),
        {form: by_form[form] for form in sorted(by_form) if form},
        dict(sorted(exempt.items())),
        by_form[""],
        reach,
        _holders(db, SECRETARIES),
        _holders(db, OFFICERS),
    )


def without_form(db: Db, forms: Collection[str], admitted_before: date | None, limit: int) -> list[str]:
    """The member codes of the first of those who would owe a review but have no form."""
    owes = exempt_reason(admitted_before).is_(None)
    none = sa.or_(m.Person.form.is_(None), m.Person.form.not_in(forms))
    return list(
        db.scalars(sa.select(m.Person.code).where(IN_THE_CELL, owes, none).order_by(m.Person.code).limit(limit))
    )


def _holders(db: Db, roles: tuple[str, ...]) -> int:
    people = sa.select(sa.func.count(sa.distinct(m.Role.person_id))).where(m.Role.name.in_(roles))
    return db.scalar(people) or 0
