"""Assessments: one person's review in one cycle, its answers and its submissions."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from storage import models as m
from storage.database import Db, Overtaken
from storage.prepared import Prepared, any_of
from storage.sealing import opened, seal


@dataclass(frozen=True, slots=True)
class Assessment:
    """Where a person's review stands."""

    id: int
    cycle_id: int
    person_id: int
    unit_id: int
    form_id: int | None
    form_digest: str | None  # of the form's text: a form once read need not be read again
    state: str
    exempt_reason: str | None
    place: str
    revision: int
    remind_at: datetime | None
    reminded: int
    reminded_at: datetime | None
    snoozed_until: datetime | None
    active_at: datetime | None
    submitted_at: datetime | None

    @property
    def owes(self) -> bool:
        """Whether it still has to be submitted."""
        return self.state in m.OWES

    @property
    def reopened(self) -> bool:
        """Whether it is submitted and being changed all the same."""
        return m.is_reopened(self.state, self.place)

    @property
    def editable(self) -> bool:
        """Whether its answers may be changed."""
        return self.owes or self.reopened


_COLUMNS = (
    m.Assessment.id,
    m.Assessment.cycle_id,
    m.Assessment.person_id,
    m.Assessment.unit_id,
    m.Assessment.form_id,
    m.CycleForm.digest,
    m.Assessment.state,
    m.Assessment.exempt_reason,
    m.Assessment.place,
    m.Assessment.revision,
    m.Assessment.remind_at,
    m.Assessment.reminded,
    m.Assessment.reminded_at,
    m.Assessment.snoozed_until,
    m.Assessment.active_at,
    m.Assessment.submitted_at,
)
_SELECT = sa.select(*_COLUMNS).outerjoin(m.CycleForm, m.CycleForm.id == m.Assessment.form_id)
_OF = Prepared(_SELECT.where(m.Assessment.cycle_id == sa.bindparam("cycle"), any_of(m.Assessment.person_id, "people")))
_PIECES = Prepared(
    sa.select(m.Answer.assessment_id, m.Answer.question, m.Answer.number, m.Answer.starts, m.Answer.words)
    .where(any_of(m.Answer.assessment_id, "assessments"))
    .order_by(m.Answer.id)
)
_starts = sa.orm.aliased(m.Answer, name="starts")
_last_start = (
    sa.select(
        _starts.assessment_id,
        _starts.question,
        sa.func.coalesce(sa.func.max(sa.case((_starts.starts, _starts.number))), 0).label("number"),
    )
    .where(any_of(_starts.assessment_id, "assessments"))
    .group_by(_starts.assessment_id, _starts.question)
    .subquery("last_start")
)
_STANDING = Prepared(
    sa.select(m.Answer.assessment_id, m.Answer.question, m.Answer.number, m.Answer.starts, m.Answer.words)
    .select_from(_last_start)
    .join(
        m.Answer,
        sa.and_(
            m.Answer.assessment_id == _last_start.c.assessment_id,
            m.Answer.question == _last_start.c.question,
            m.Answer.number >= _last_start.c.number,
        ),
    )
    .order_by(m.Answer.id)
)
_WRITTEN = ("assessment_id", "question", "number", "starts", "words", "at", "address_id")
_INSERT = Prepared(sa.insert(m.Answer).values({name: sa.bindparam(name) for name in _WRITTEN}).inline())
_SAVE = Prepared(
    sa.update(m.Assessment)
    .where(m.Assessment.id == sa.bindparam("assessment"), m.Assessment.revision == sa.bindparam("from_revision"))
    .values(
        {column: sa.bindparam(f"to_{column}") for column in ("place", "state", "remind_at", "active_at", "revision")}
    )
)


def of(db: Db, person_id: int, cycle_id: int) -> Assessment | None:
    """A person's own assessment in a cycle."""
    return of_all(db, [person_id], cycle_id).get(person_id)


def of_all(db: Db, people: Collection[int], cycle_id: int) -> dict[int, Assessment]:
    """The assessments of these people in a cycle, by person."""
    rows = _OF.rows(db, cycle=cycle_id, people=list(people))
    return {found.person_id: found for found in (Assessment(*row) for row in rows)}


def by_id(db: Db, assessment_id: int) -> Assessment | None:
    """An assessment by its id, which came from our own rows, never from outside."""
    row = db.execute(_SELECT.where(m.Assessment.id == assessment_id)).first()
    return Assessment(*tuple(row)) if row else None


def answers(db: Db, assessment_id: int) -> dict[str, str]:
    """What is answered, by question id; several messages are joined by a blank line."""
    return joined(db, assessment_id, pieces_of(db, [assessment_id]).get(assessment_id, []))


MANY = 40  # rows of a draft: with more, what was written over is left out of the reading
GOES_ON = "\x1f"
"""Before the words of a row that goes on in the middle of a text, without a blank line: a messenger cut it there.
Nobody can type it."""

Piece = tuple[str, int, bool, bytes]
"""A row of an answer: question, number, whether it starts, its words as they are stored."""


def pieces_of(db: Db, assessment_ids: Iterable[int], *, revision: int | None = None) -> dict[int, list[Piece]]:
    """The rows that the answers of these assessments are made of, in order, still sealed.

    *revision*: the highest of them, where it is known: drafts with few rows are read as they are, which is quicker.
    """
    found: dict[int, list[Piece]] = {}
    statement = _PIECES if revision is not None and revision <= MANY else _STANDING
    for assessment_id, *piece in statement.rows(db, assessments=list(assessment_ids)):
        found.setdefault(assessment_id, []).append(tuple(piece))
    return found


def joined(db: Db, assessment_id: int, pieces: Sequence[Piece]) -> dict[str, str]:
    """The answers that these rows of one assessment make."""
    found: dict[str, str] = {}
    for question, number, starts, words in pieces:
        piece = opened(db, words, f"answer/{assessment_id}/{question}/{number}")
        before = None if starts else found.get(question)
        if not before:
            found[question] = piece.removeprefix(GOES_ON)
        elif piece.startswith(GOES_ON):
            found[question] = before + piece[len(GOES_ON) :]
        else:
            found[question] = f"{before}\n\n{piece}"
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """What one step changed in an assessment: *writes* are (question, words, starts), rows that are only ever added.

    A step writes a question at most once; its number is the revision it makes.
    """

    assessment: Assessment
    writes: Sequence[tuple[str, str, bool]]
    place: str
    state: str
    remind_at: datetime | None
    now: datetime
    address_id: int | None


def save(db: Db, *steps: Step) -> None:
    """Store steps, in their order. Raises Overtaken where one begins at a revision that is no longer the present one:
    run the turns again."""
    rows = [
        {
            "assessment_id": step.assessment.id,
            "question": question,
            "number": step.assessment.revision + 1,
            "starts": starts,
            "words": seal(db, words, f"answer/{step.assessment.id}/{question}/{step.assessment.revision + 1}"),
            "at": step.now,
            "address_id": step.address_id,
        }
        for step in steps
        for question, words, starts in step.writes
    ]
    _INSERT.each(db, rows)
    saved = _SAVE.each(
        db,
        [
            {
                "assessment": step.assessment.id,
                "from_revision": step.assessment.revision,
                "to_place": step.place,
                "to_state": step.state,
                "to_remind_at": step.remind_at,
                "to_active_at": step.now,
                "to_revision": step.assessment.revision + (1 if step.writes else 0),
            }
            for step in steps
        ],
    )
    if saved != len(steps):
        raise Overtaken


@dataclass(frozen=True, slots=True)
class Submission:
    """What was submitted, as it was then."""

    number: int  # 1 for the first time
    at: datetime
    late: bool
    receipt: str
    level: str | None
    score: float | None
    first_at: datetime
    first_late: bool  # of the first time: a correction after the deadline makes nobody late
    snapshot: Mapping[str, str]  # the answers, by question id


_THEIRS = m.Submission.assessment_id == sa.bindparam("assessment")
_TIMES = sa.select(sa.func.count()).where(_THEIRS)
_SUBMIT = sa.insert(m.Submission)
_SUBMITTED = (
    sa.update(m.Assessment).where(m.Assessment.id == sa.bindparam("assessment")).values(submitted_at=sa.bindparam("at"))
)
_FIRST = sa.orm.aliased(m.Submission)
_LAST = (
    sa.select(
        m.Submission.number,
        m.Submission.at,
        m.Submission.late,
        m.Submission.receipt,
        m.Submission.level,
        m.Submission.score,
        _FIRST.at.label("first_at"),
        _FIRST.late.label("first_late"),
        m.Submission.snapshot,
    )
    .join(_FIRST, sa.and_(_FIRST.assessment_id == m.Submission.assessment_id, _FIRST.number == 1))
    .where(_THEIRS)
    .order_by(m.Submission.number.desc())
    .limit(1)
)


def submit(
    db: Db,
    assessment_id: int,
    *,
    snapshot: Mapping[str, str],
    receipt: str,
    late: bool,
    level: str | None,
    score: float | None,
    now: datetime,
) -> None:
    """Keep a submission for good. ``save`` has said before that the assessment is submitted."""
    number = 1 + db.execute(_TIMES, {"assessment": assessment_id}).scalar_one()
    body = json.dumps(dict(snapshot), ensure_ascii=False)
    db.execute(
        _SUBMIT,
        {
            "assessment_id": assessment_id,
            "number": number,
            "at": now,
            "late": late,
            "receipt": receipt,
            "snapshot": seal(db, body, f"submission/{assessment_id}/{number}"),
            "level": level,
            "score": score,
        },
    )
    db.execute(_SUBMITTED, {"assessment": assessment_id, "at": now})


def last_submission(db: Db, assessment_id: int) -> Submission | None:
    """What was submitted last; None where nothing was yet. The caller has seen to it that the asker may read it."""
    row = db.execute(_LAST, {"assessment": assessment_id}).first()
    if row is None:
        return None
    body = opened(db, row.snapshot, f"submission/{assessment_id}/{row.number}")
    return Submission(*row[:-1], snapshot=json.loads(body))


def erase(db: Db, assessment_id: int) -> None:
    """Delete every answer of a draft, its history too: the person takes their consent back. Submissions stay."""
    db.execute(sa.delete(m.Answer).where(m.Answer.assessment_id == assessment_id))
    db.execute(
        sa.update(m.Assessment)
        .where(m.Assessment.id == assessment_id)
        .values(place="", revision=m.Assessment.revision + 1)
    )
