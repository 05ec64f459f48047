"""A season that runs right now, for real processes: N members in the middle of a long answer, each with a chat."""

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from handlers import cycles
from handlers.fill import PLACE
from handlers.forms import dumps
from storage import models as m
from storage.database import Db
from storage.sealing import opened, seal
from tests.botapi import TOKEN
from tests.filling import FORMS, complete
from tests.world import demo_cycle

BOT = ("telegram", TOKEN.partition(":")[0])
FORM, QUESTION = "mau_2b_2025", "a1_1"  # a long answer: it grows by each message
FIRST = 1001  # member n has the chat FIRST + n - 1, and the assessment n


def settle(db: Db, people: int, cells: int = 1) -> None:
    """The season and its members 1 to *people*, spread over *cells* whose secretaries are the first of them."""
    now = datetime.now(UTC)
    day = timedelta(days=1)
    cycle = replace(demo_cycle(), opens=now - day, due=now + 20 * day, closes=now + 23 * day, slots=())
    cycle = replace(cycle, quiet_from=time.max, quiet_until=time.min)
    cycle = replace(cycle, digest_at=time.max, officer_digest_at=time.max)  # at whatever hour this runs
    members, units = range(1, people + 1), range(1, cells + 1)
    born = datetime(1979, 11, 5).date()
    header = {question.id: complete(FORM)[question.id] for question in FORMS[FORM].fields}
    rows: dict[type[m.Base], list[dict[str, Any]]] = {
        m.Unit: [
            {"id": n, "kind": "cell", "name": f"Chi bộ {n}", "key": f"chi bo {n}", "path": f"{n}."} for n in units
        ],
        m.Cycle: [{"id": 1, "code": "now", "opened_at": now, "rules": cycles.dumps(cycle), "digest": "now"}],
        m.CycleForm: [
            {"id": 1, "cycle_id": 1, "key": "2B", "form_id": FORM, "body": dumps(FORMS[FORM]), "digest": "2b"}
        ],
        m.Person: [
            {"id": n, "code": f"T-{n}", "name": f"Người {n}", "name_key": f"nguoi {n}", "birth_date": born}
            | {"unit_id": cell_of(n, cells), "form": "2B"}
            for n in members
        ],
        m.Role: [{"person_id": n, "unit_id": n, "name": "secretary", "granted": True} for n in units],
        m.Address: [
            {"id": n, "channel": BOT[0], "bot": BOT[1], "chat": str(FIRST + n - 1), "person_id": n}
            | {"place": PLACE, "memory": {}, "last_seen": now}
            for n in members
        ],
        m.Assessment: [
            {"id": n, "cycle_id": 1, "person_id": n, "unit_id": cell_of(n, cells), "form_id": 1}
            | {"state": m.IN_PROGRESS, "place": QUESTION}
            for n in members
        ],
        m.Consent: [
            {"person_id": n, "cycle_id": 1, "version": cycle.consent.version, "given": True, "at": now, "address_id": n}
            for n in members
        ],
        m.Answer: [answer for n in members for answer in _answers(db, n, header, now)],
    }
    for table, values in rows.items():
        db.execute(sa.insert(table), values)
    if db.dialect.name == "postgresql":  # ids were given: let those that follow be new
        for table in rows.keys() - {m.Role, m.Consent, m.Answer}:
            name = table.__tablename__
            db.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))")


def cell_of(member: int, cells: int) -> int:
    """The cell of a member: the first ones are their cells' secretaries."""
    return (member - 1) % cells + 1


def completes(db: Db, member: int) -> str:
    """This member has answered everything and is asked to confirm; what the button to submit carries."""
    answers = complete(FORM)
    rest = {key: answers[key] for key in answers.keys() - {question.id for question in FORMS[FORM].fields}}
    db.execute(sa.insert(m.Answer), _answers(db, member, rest, datetime.now(UTC)))
    db.execute(sa.update(m.Assessment).where(m.Assessment.id == member).values(place="confirm"))
    revision = db.execute(sa.select(m.Assessment.revision).where(m.Assessment.id == member)).scalar_one()
    return f"{member}.submit={revision}"


def _answers(db: Db, member: int, answers: dict[str, str], now: datetime) -> list[dict[str, Any]]:
    return [
        {"assessment_id": member, "question": question, "number": 1, "starts": True, "at": now}
        | {"words": seal(db, words, f"answer/{member}/{question}/1")}
        for question, words in answers.items()
    ]


def written(db: Db, member: int) -> list[str]:
    """What the member said to the long question, piece by piece, in the order in which it was stored."""
    rows = db.execute(
        sa.select(m.Answer.number, m.Answer.words)
        .where(m.Answer.assessment_id == member, m.Answer.question == QUESTION)
        .order_by(m.Answer.id)
    )
    return [opened(db, words, f"answer/{member}/{QUESTION}/{number}") for number, words in rows]


def snapshots(db: Db, member: int) -> list[dict[str, str]]:
    """What the member submitted, each time."""
    rows = db.execute(
        sa.select(m.Submission.number, m.Submission.snapshot)
        .where(m.Submission.assessment_id == member)
        .order_by(m.Submission.number)
    )
    return [json.loads(opened(db, words, f"submission/{member}/{number}")) for number, words in rows]
