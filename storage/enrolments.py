"""Who is in a cycle: assessment rows that follow the roster."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage import models as m
from storage import people
from storage.database import Db, Utc

LEFT = ("chuyển sinh hoạt đảng", "từ trần")  # reasons of those who are in the cell no more
NEWLY_ADMITTED = "mới kết nạp chưa đủ 6 tháng"  # Quy định 366-QĐ/TW, Điều 5


@dataclass(frozen=True, slots=True)
class Difference:
    """Where an assessment does not say what the roster says now."""

    id: int
    person_id: int
    code: str
    state: str
    state_before: str | None
    started: bool
    submitted: bool
    place: str
    old_unit_id: int
    unit_id: int
    old_reason: str | None
    reason: str | None  # why the roster exempts them
    remind_at: datetime | None
    reminded: int
    reminded_at: datetime | None
    form_id: int | None
    other_form: bool  # the roster gives another form than the one it has
    wanted_form_id: int | None


class Change(NamedTuple):
    """What an assessment is to say from now on."""

    id: int
    unit_id: int
    form_id: int | None
    place: str
    state: str
    state_before: str | None
    exempt_reason: str | None
    remind_at: datetime | None


IN_THE_CELL = sa.func.coalesce(m.Person.exempt_reason, "").not_in(LEFT)


def exempt_reason(admitted_before: date | None) -> sa.ColumnElement[str | None]:
    """Why the roster exempts a person; NULL: it does not."""
    if admitted_before is None:
        return sa.type_coerce(m.Person.exempt_reason, sa.Text)
    young = sa.case((m.Person.admitted_on >= admitted_before, NEWLY_ADMITTED), else_=None)
    return sa.func.coalesce(m.Person.exempt_reason, young)


def _form(cycle_id: int) -> sa.ScalarSelect[int]:
    """The newest version of the form that the roster gives a person in this cycle."""
    return (
        sa.select(m.CycleForm.id)
        .where(m.CycleForm.cycle_id == cycle_id, m.CycleForm.key == m.Person.form)
        .order_by(m.CycleForm.version.desc())
        .limit(1)
        .correlate(m.Person)
        .scalar_subquery()
    )


def add_missing(
    db: Db,
    cycle_id: int,
    admitted_before: date | None,
    remind_at: datetime | None,
    *,
    after: int = 0,
    until: int | None = None,
) -> int:
    """A row for everybody in the roster who has none yet; how many were added. *after*, *until*: of these ids only.

    The exempt and those without a form are never reminded. Who has left the cell, or died, is not in the cycle; who
    does so later stays in it as exempt.
    """
    reason, form = exempt_reason(admitted_before), _form(cycle_id)
    owes = sa.and_(reason.is_(None), form.is_not(None))
    has_one = sa.exists().where(m.Assessment.cycle_id == cycle_id, m.Assessment.person_id == m.Person.id)
    rows = sa.select(
        sa.literal(cycle_id),
        m.Person.id,
        m.Person.unit_id,
        form,
        sa.case((reason.is_(None), m.NOT_STARTED), else_=m.EXEMPT),
        reason,
        sa.literal(""),
        sa.literal(0),
        sa.literal(0),
        sa.case((owes, sa.literal(remind_at, Utc())), else_=None),
    ).where(~has_one, IN_THE_CELL, m.Person.id > after)
    if until is not None:
        rows = rows.where(m.Person.id <= until)
    columns = ["cycle_id", "person_id", "unit_id", "form_id", "state", "exempt_reason"]
    columns += ["place", "revision", "reminded", "remind_at"]
    insert = sa.insert(m.Assessment).from_select(columns, rows)
    return db.execute(insert, execution_options={"preserve_rowcount": True}).rowcount


def differences(db: Db, cycle_id: int, admitted_before: date | None) -> list[Difference]:
    """Every assessment that does not say what the roster says now, by member code; to be changed in this transaction.

    These people are locked, so that no turn of theirs changes an assessment meanwhile, and the assessments too, which
    clock and delivery change without the lock of the person.
    """
    different = _different(cycle_id, admitted_before)
    if db.dialect.name != "sqlite":
        people.lock(db, [row.person_id for row in db.execute(different)])
    rows = db.execute(different.with_for_update(key_share=True, of=m.Assessment))
    return [Difference(*tuple(row)) for row in rows]


def _different(cycle_id: int, admitted_before: date | None) -> sa.Select[*tuple[Any, ...]]:
    reason, form = exempt_reason(admitted_before), _form(cycle_id)
    other_form = m.CycleForm.key.is_distinct_from(sa.case((form.is_not(None), m.Person.form), else_=None))
    return (
        sa.select(
            m.Assessment.id,
            m.Assessment.person_id,
            m.Person.code,
            m.Assessment.state,
            m.Assessment.state_before,
            m.Assessment.active_at.is_not(None),
            m.Assessment.submitted_at.is_not(None),
            m.Assessment.place,
            m.Assessment.unit_id,
            m.Person.unit_id,
            m.Assessment.exempt_reason,
            reason,
            m.Assessment.remind_at,
            m.Assessment.reminded,
            m.Assessment.reminded_at,
            m.Assessment.form_id,
            other_form,
            form,
        )
        .join(m.Person, m.Person.id == m.Assessment.person_id)
        .outerjoin(m.CycleForm, m.CycleForm.id == m.Assessment.form_id)
        .where(
            m.Assessment.cycle_id == cycle_id,
            sa.or_(
                m.Assessment.unit_id != m.Person.unit_id,
                m.Assessment.exempt_reason.is_distinct_from(reason),
                other_form,
            ),
        )
        .order_by(m.Person.code)
    )


def change(db: Db, changes: Sequence[Change]) -> None:
    """Write what follows from the roster."""
    if changes:
        columns = [column for column in Change._fields if column != "id"]
        statement = sa.update(m.Assessment).where(m.Assessment.id == sa.bindparam("row"))
        values: dict[str, Any] = {column: sa.bindparam(f"new_{column}") for column in columns}
        db.execute(
            statement.values(values),
            [{"row": each.id} | {f"new_{column}": getattr(each, column) for column in columns} for each in changes],
        )


def without_form(db: Db, cycle_id: int) -> list[str]:
    """The member codes of those who owe a review but have no form."""
    return list(
        db.scalars(
            sa.select(m.Person.code)
            .join(m.Assessment, m.Assessment.person_id == m.Person.id)
            .where(m.Assessment.cycle_id == cycle_id, m.Assessment.form_id.is_(None), m.Assessment.state.in_(m.OWES))
            .order_by(m.Person.code)
        )
    )


def on_paper(db: Db, person_id: int, cycle_id: int) -> None:
    """They declined the consent text and hand in a paper form: not reminded, and counted apart.

    Who had submitted is submitted again: what they submitted last counts, and the draft is erased.
    """
    exempt, done = m.Assessment.state == m.EXEMPT, m.Assessment.submitted_at.is_not(None)
    theirs = sa.or_(m.Assessment.state.in_(m.OWES), exempt)
    to = sa.case((done, m.SUBMITTED), else_=m.PAPER)
    db.execute(
        sa.update(m.Assessment)
        .where(m.Assessment.person_id == person_id, m.Assessment.cycle_id == cycle_id, theirs)
        .values(
            state=sa.case((exempt, m.EXEMPT), else_=to),
            state_before=sa.case((exempt, to), else_=None),
            place=sa.case((done, ""), else_=m.Assessment.place),
            remind_at=None,
        )
    )


def off_paper(db: Db, person_id: int, cycle_id: int, remind_at: datetime | None) -> None:
    """They accepted the consent text after all, and begin anew: the draft was erased when they declined.

    Who had submitted before that owes nothing and is not reminded.
    """
    exempt, done = m.Assessment.state == m.EXEMPT, m.Assessment.submitted_at.is_not(None)
    paper = sa.or_(m.Assessment.state == m.PAPER, sa.and_(exempt, m.Assessment.state_before == m.PAPER))
    to = sa.case((done, m.SUBMITTED), else_=m.NOT_STARTED)
    db.execute(
        sa.update(m.Assessment)
        .where(m.Assessment.person_id == person_id, m.Assessment.cycle_id == cycle_id, paper)
        .values(
            state=sa.case((exempt, m.EXEMPT), else_=to),
            state_before=sa.case((exempt, to), else_=None),
            place=sa.case((done, ""), else_=m.Assessment.place),
            remind_at=sa.case((sa.or_(exempt, done), None), else_=sa.literal(remind_at, Utc())),
        )
    )
