"""Everything that is stored about one person, for the person: what the law calls a copy of their data."""

import json
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from storage import models as m
from storage.assessments import GOES_ON
from storage.database import Db
from storage.people import Person
from storage.sealing import opened

SECRET = {"code_hash", "name_key", "memory", "remind_at", "words", "snapshot"}  # inner workings, and what is opened


def everything(db: Db, person: Person) -> dict[str, Any]:
    """The rows about a person by table, with their answers, every earlier version and every submission opened."""
    mine = sa.select(m.Assessment.id).where(m.Assessment.person_id == person.id).scalar_subquery()
    about: dict[str, tuple[Any, Any]] = {
        "person": (m.Person, m.Person.id == person.id),
        "roles": (m.Role, m.Role.person_id == person.id),
        "addresses": (m.Address, m.Address.person_id == person.id),
        "invitations": (m.Invitation, m.Invitation.person_id == person.id),
        "consents": (m.Consent, m.Consent.person_id == person.id),
        "reviews": (m.Assessment, m.Assessment.person_id == person.id),
        "answers": (m.Answer, m.Answer.assessment_id.in_(mine)),
        "submissions": (m.Submission, m.Submission.assessment_id.in_(mine)),
        "audit": (m.Audit, sa.or_(m.Audit.person_id == person.id, m.Audit.actor_id == person.id)),
    }
    return {
        name: [_row(db, row) for row in db.execute(sa.select(table.__table__).where(which).order_by(table.id))]
        for name, (table, which) in about.items()
    }


def _row(db: Db, row: Any) -> dict[str, Any]:
    values = row._asdict()
    shown = {name: _plain(value) for name, value in values.items() if name not in SECRET}
    if "words" in values:
        about = f"answer/{row.assessment_id}/{row.question}/{row.number}"
        shown["answer"] = opened(db, row.words, about).removeprefix(GOES_ON)
    if "snapshot" in values:
        shown["answers"] = json.loads(opened(db, row.snapshot, f"submission/{row.assessment_id}/{row.number}"))
    return shown


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value
