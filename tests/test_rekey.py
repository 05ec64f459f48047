"""Another data key: everything that is stored is sealed again, and the old key opens nothing any more."""

import pytest
import sqlalchemy as sa

from storage import assessments, incoming, outbox
from storage import models as m
from storage.database import Database
from storage.resealing import BATCH, NoKey, reseal
from storage.sealing import Sealer
from tests.seeded import START, seed

OLD, NEW = b"o" * 32, b"n" * 32
WORDS = "mười hai đề tài"


def with_keys(database: Database, *keys: bytes) -> Database:
    """The same database as a process sees it that has these keys."""
    return Database(database.url.render_as_string(hide_password=False), Sealer(keys))


@pytest.fixture
def sealed(database: Database) -> Database:
    """An answer, a submission, a message and a kept turn, sealed with the old key; and an answer from before any."""
    seed(database)
    answer(database, 1, WORDS)
    old = with_keys(database, OLD)
    answer(old, 2, WORDS)
    with old.transaction() as db:
        assessments.submit(db, 1, snapshot={"a": WORDS}, receipt="7K2P", late=False, level=None, score=None, now=START)
        outbox.put(db, key="reply:a:0", kind=m.REPLY, address_id=1, now=START, body=WORDS)
        outbox.put(db, key="digest:1", kind=m.DIGEST, address_id=1, now=START)
        incoming.keep(db, "telegram:1:5", "ValueError", WORDS, START)
    old.close()
    return database


def answer(database: Database, assessment: int, *words: str) -> None:
    with database.transaction() as db:
        draft = assessments.by_id(db, assessment)
        assert draft is not None
        assessments.save(
            db,
            assessments.Step(
                draft,
                writes=[(f"q{n}", each, True) for n, each in enumerate(words)],
                place="",
                state=m.IN_PROGRESS,
                remind_at=None,
                now=START,
                address_id=None,
            ),
        )


def words_in(database: Database) -> list[str | None]:
    with database.transaction(read_only=True) as db:
        submitted = assessments.last_submission(db, 1)
        assert submitted is not None
        row = db.execute(sa.select(*outbox.COLUMNS).join(m.Address).where(m.Outgoing.key == "reply:a:0")).one()
        return [
            assessments.answers(db, 1)["q0"],
            assessments.answers(db, 2)["q0"],
            submitted.snapshot["a"],
            outbox.read(db, row).body,
            incoming.kept(db)[0].payload,
        ]


def test_everything_is_sealed_again_once_and_the_new_key_alone_opens_it(sealed: Database) -> None:
    both = with_keys(sealed, NEW, OLD)
    assert (reseal(both), reseal(both)) == (5, 0)
    new, old = with_keys(sealed, NEW), with_keys(sealed, OLD)
    assert words_in(new) == [WORDS] * 5
    with pytest.raises(KeyError):
        words_in(old)
    for each in (both, new, old):
        each.close()


def test_a_key_that_is_missing_is_told_and_what_it_sealed_stays(sealed: Database) -> None:
    new = with_keys(sealed, NEW)
    with pytest.raises(NoKey):
        reseal(new)
    new.close()
    old = with_keys(sealed, OLD)
    assert words_in(old) == [WORDS] * 5
    old.close()


def test_more_than_one_batch_is_done(sqlite: Database) -> None:
    seed(sqlite)
    answer(sqlite, 1, *["x"] * (BATCH + 3))
    new = with_keys(sqlite, NEW)
    assert reseal(new) == BATCH + 3
    new.close()
