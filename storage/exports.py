"""What an export of a cycle is made of, read row by row so that ten thousand reviews fit in memory."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db
from storage.sealing import opened

BATCH = 500  # rows fetched at once


@dataclass(frozen=True, slots=True)
class CycleForm:
    """A frozen form of a cycle: its row's id and its JSON."""

    id: int
    body: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was submitted last."""

    number: int
    at: datetime
    first_at: datetime
    first_late: bool  # a correction after the deadline makes nobody late
    receipt: str
    level: str | None
    score: float | None
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One person in a cycle; of a review that was never submitted the state alone."""

    units: tuple[str, ...]  # names from the root down
    code: str
    name: str
    form_id: int | None
    state: str
    exempt_reason: str | None
    reopened: bool  # submitted, and being changed all the same
    submitted: Submitted | None


def forms(db: Db, cycle_id: int) -> list[CycleForm]:
    """The forms of a cycle with all their versions, in the order in which they were frozen."""
    rows = db.execute(
        sa.select(m.CycleForm.id, m.CycleForm.body).where(m.CycleForm.cycle_id == cycle_id).order_by(m.CycleForm.id)
    )
    return [CycleForm(*row) for row in rows]


def rows(db: Db, cycle_id: int) -> Iterator[Row]:
    """Everybody in a cycle, unit by unit, by name: for the operator."""
    units = {row.id: row for row in db.execute(sa.select(m.Unit.id, m.Unit.name, m.Unit.path))}
    earlier, first = sa.orm.aliased(m.Submission), sa.orm.aliased(m.Submission)
    newest = sa.select(sa.func.max(earlier.number)).where(earlier.assessment_id == m.Assessment.id).scalar_subquery()
    found = db.execution_options(yield_per=BATCH).execute(
        sa.select(
            m.Assessment.id,
            m.Assessment.unit_id,
            m.Person.code,
            m.Person.name,
            m.Assessment.form_id,
            m.Assessment.state,
            m.Assessment.place,
            m.Assessment.exempt_reason,
            m.Submission.number,
            m.Submission.at,
            first.at.label("first_at"),
            first.late.label("first_late"),
            m.Submission.receipt,
            m.Submission.level,
            m.Submission.score,
            m.Submission.snapshot,
        )
        .join(m.Person, m.Person.id == m.Assessment.person_id)
        .join(m.Unit, m.Unit.id == m.Assessment.unit_id)
        .outerjoin(m.Submission, sa.and_(m.Submission.assessment_id == m.Assessment.id, m.Submission.number == newest))
        .outerjoin(first, sa.and_(first.assessment_id == m.Assessment.id, first.number == 1))
        .where(m.Assessment.cycle_id == cycle_id)
        .order_by(m.Unit.key, m.Person.name_key, m.Person.id)
    )
    for row in found:
        submitted = None
        if row.number is not None:
            answers = json.loads(opened(db, row.snapshot, f"submission/{row.id}/{row.number}"))
            submitted = Submitted(
                row.number, row.at, row.first_at, row.first_late, row.receipt, row.level, row.score, answers
            )
        path = [int(number) for number in units[row.unit_id].path.split(".") if number]
        names = tuple(units[number].name for number in path)
        reopened = m.is_reopened(row.state, row.place)
        yield Row(names, row.code, row.name, row.form_id, row.state, row.exempt_reason, reopened, submitted)
