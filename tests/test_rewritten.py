"""A step of a form reads what the answers are now, not every word that ever was one."""

import random
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from storage import assessments
from storage import models as m
from storage.assessments import MANY
from storage.database import Database, Db
from storage.group import Group
from storage.sealing import seal
from tests.seeded import START, seed


@pytest.fixture
def db(database: Database) -> Iterator[Db]:
    seed(database)
    with database.transaction() as made:
        yield made


def sealed(db: Db, assessment_id: int, question: str, number: int, words: str) -> bytes:
    return seal(db, words, f"answer/{assessment_id}/{question}/{number}")


def written(db: Db, assessment_id: int, times: int, rng: random.Random, questions: int = 3) -> dict[str, str]:
    """Rewrite these questions again and again, now and then with a piece that goes on; what they come to."""
    now: dict[str, str] = {}
    rows = []
    for number in range(1, times + 1):
        question, words = f"q{rng.randrange(questions)}", rng.choice(["", f"lời {number}"])
        starts = not now.get(question) or rng.random() < 0.6
        now[question] = words if starts else f"{now[question]}\n\n{words}"
        rows.append(
            {
                "question": question,
                "number": number,
                "starts": starts,
                "words": sealed(db, assessment_id, question, number, words),
            }
        )
    db.execute(sa.insert(m.Answer), [row | {"assessment_id": assessment_id, "at": START} for row in rows])
    db.execute(sa.update(m.Assessment).where(m.Assessment.id == assessment_id).values(revision=times))
    return now


@pytest.mark.parametrize("times", [1, 2, MANY, MANY + 1, 5 * MANY])
def test_the_answers_are_the_last_start_of_each_question_and_what_followed(db: Db, times: int) -> None:
    rng = random.Random(times)
    for _ in range(5):
        db.execute(sa.delete(m.Answer))
        now = {number: written(db, number, times, rng) for number in (1, 2, 3)}
        assert {number: assessments.answers(db, number) for number in now} == now
        who = {row.person_id: row.id for row in db.execute(sa.select(m.Assessment.id, m.Assessment.person_id))}
        group = Group(db, who, 1, "v")
        for person, number in who.items():
            mine = group.assessment(person)
            assert mine is not None
            assert group.answers(mine) == now[number]


def test_of_a_thousand_rewrites_the_last_is_read(db: Db) -> None:
    written(db, 1, 1_000, random.Random(1), questions=2)
    assert len(assessments.pieces_of(db, [1])[1]) < 20
    group = Group(db, [1, 2], 1, "v")
    first, second = group.assessment(1), group.assessment(2)
    assert first is not None and second is not None
    group.answers(second)
    assert group._answers is not None
    assert len(group._answers[1]) < 20  # what is kept for the turn of the other one


def test_an_answer_in_a_thousand_pieces_is_read_once(db: Db) -> None:
    rows = [
        {
            "assessment_id": 1,
            "question": "q",
            "number": n,
            "starts": n == 1,
            "words": sealed(db, 1, "q", n, "x"),
            "at": START,
        }
        for n in range(1, 1_001)
    ]
    db.execute(sa.insert(m.Answer), rows)
    assert assessments.answers(db, 1) == {"q": "\n\n".join(["x"] * 1_000)}
