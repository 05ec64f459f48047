"""Words at rest: with a data key neither the file nor a swapped row gives them away."""

import os
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag

from storage import assessments
from storage import models as m
from storage.database import Database
from storage.sealing import Sealer
from tests.conftest import sqlite_database
from tests.world import AN, World

WORDS = "CANARY việc đã làm trong năm"


async def with_an_answer(database: Database) -> int:
    """An writes one answer; her assessment's id."""
    an = World(database).at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý", "Đúng")
    await an.says(WORDS, "đoạn sau")
    with database.transaction(read_only=True) as db:
        return db.execute(sa.select(m.Answer.assessment_id).limit(1)).scalar_one()


def sealed(folder: Path, template: bytes, *keys: bytes) -> Database:
    """A fresh database that seals with these keys."""
    made = sqlite_database(folder, template)
    made.engine = made.engine.execution_options(sealer=Sealer(keys))
    return made


def everything(folder: Path) -> bytes:
    """All bytes of a database, its log included."""
    return b"".join(file.read_bytes() for file in sorted(folder.glob("*.db*")))


async def test_a_stolen_file_holds_nobodys_words(tmp_path: Path, sqlite_template: bytes) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "sealed").mkdir()
    plain = sealed(tmp_path / "plain", sqlite_template)
    secret = sealed(tmp_path / "sealed", sqlite_template, os.urandom(32))
    for database in (plain, secret):
        await with_an_answer(database)
    assert b"CANARY" in everything(tmp_path / "plain")
    assert b"CANARY" not in everything(tmp_path / "sealed")
    plain.close()
    secret.close()


async def test_words_moved_to_another_row_do_not_open(tmp_path: Path, sqlite_template: bytes) -> None:
    database = sealed(tmp_path, sqlite_template, os.urandom(32))
    assessment = await with_an_answer(database)
    with database.transaction() as db:
        first, second = db.execute(
            sa.select(m.Answer.id, m.Answer.words).where(m.Answer.question == "a1_1").order_by(m.Answer.id)
        ).all()
        db.execute(sa.update(m.Answer).where(m.Answer.id == second.id).values(words=first.words))
    with database.transaction(read_only=True) as db, pytest.raises(InvalidTag):
        assessments.answers(db, assessment)
    database.close()


async def test_an_old_key_still_opens_after_a_new_one_is_put_before_it(tmp_path: Path, sqlite_template: bytes) -> None:
    old, new = os.urandom(32), os.urandom(32)
    database = sealed(tmp_path, sqlite_template, old)
    assessment = await with_an_answer(database)
    database.engine = database.engine.execution_options(sealer=Sealer([new, old]))
    with database.transaction(read_only=True) as db:
        assert assessments.answers(db, assessment)["a1_1"] == f"{WORDS}\n\nđoạn sau"
    database.engine = database.engine.execution_options(sealer=Sealer([new]))
    with database.transaction(read_only=True) as db, pytest.raises(KeyError):
        assessments.answers(db, assessment)
    database.close()
