"""A backup is whole or refused; what is brought back goes on where it stood, paused, and sends nothing late."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import backup
from bot.mistakes import Mistake
from storage import assessments, notes, outbox
from storage import models as m
from storage.database import Database
from storage.lock import FileLock, in_use
from storage.sealing import Sealer
from tests.seeded import seed

NOW = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
KEY = bytes(32)


@pytest.fixture
def running(sqlite: Database) -> Database:
    """A database in use in which An has answered one question."""
    seed(sqlite)
    with sqlite.transaction() as db:
        answer(db, "a1", "12 đề tài")
    return sqlite


@contextmanager
def refused(why: str) -> Iterator[None]:
    """What is done in here is refused with a sentence about *why*."""
    with pytest.raises(Mistake) as error:
        yield
    assert re.search(why, error.value.sentence("en"))


def answer(db: sa.Connection, question: str, words: str) -> None:
    draft = assessments.by_id(db, 1)
    assert draft is not None
    assessments.save(
        db,
        assessments.Step(
            draft,
            writes=[(question, words, True)],
            place="a2",
            state=m.IN_PROGRESS,
            remind_at=NOW - timedelta(hours=2),
            now=NOW,
            address_id=1,
        ),
    )


def restore(target: Path, file: Path, *, force: bool = False) -> list[str]:
    database = Database(f"sqlite:///{target}")
    try:
        return backup.restore(database, file, NOW, force=force, sealer=Sealer()).lines(target, "en")
    finally:
        database.close()


def test_a_backup_of_a_database_in_use_is_one_file_for_its_owner_alone(running: Database, tmp_path: Path) -> None:
    file = tmp_path / "saved.db"
    with running.transaction() as db:  # somebody answers meanwhile
        answer(db, "a2", "chưa")
        lines = backup.save(running, file, "en")
    assert lines == [f"Saved and verified: {file}. Revision 0002: 3 members, 1 answers, 0 submissions."]
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.glob("saved.db*")) == ["saved.db"]


def test_a_draft_is_resumed_on_the_restored_database(running: Database, tmp_path: Path) -> None:
    backup.save(running, tmp_path / "saved.db", "en")
    target = tmp_path / "new" / "kiemdiem.db"
    target.parent.mkdir()
    assert restore(target, tmp_path / "saved.db") == [
        f"Restored {target}. Revision 0002: 3 members, 1 answers, 0 submissions.",
        "Due meanwhile: 1 reminders, 0 waiting messages. Nothing was sent.",
        "It is PAUSED: it answers, and sends nothing by itself. Have a look, then run: kiemdiem resume",
    ]
    restored = Database(f"sqlite:///{target}")
    with restored.transaction() as db:
        draft = assessments.by_id(db, 1)
        assert draft is not None
        assert (draft.place, draft.state, draft.revision) == ("a2", m.IN_PROGRESS, 1)
        answer(db, "a2", "chưa có gì")
    with restored.transaction(read_only=True) as db:
        assert assessments.answers(db, 1) == {"a1": "12 đề tài", "a2": "chưa có gì"}
        assert notes.paused(db)
        assert list(db.scalars(sa.select(m.Audit.action))) == ["database.restored"]
    restored.close()
    assert sorted(path.name for path in target.parent.iterdir()) == [
        "kiemdiem.db",
        "kiemdiem.db.run",
        "kiemdiem.db.use",
    ]


def test_replies_that_waited_when_it_was_saved_are_not_sent_when_it_is_brought_back(
    running: Database, tmp_path: Path
) -> None:
    with running.transaction() as db:
        for key, kind in (("reply", m.REPLY), ("receipt", m.RECEIPT), ("told", m.NOTICE)):
            outbox.put(db, key=key, kind=kind, address_id=1, person_id=1, now=NOW, body="{}")
    backup.save(running, tmp_path / "saved.db", "en")
    target = tmp_path / "new" / "kiemdiem.db"
    target.parent.mkdir()
    restore(target, tmp_path / "saved.db")
    database = Database(f"sqlite:///{target}")
    with database.transaction(read_only=True) as db:
        states = {key: state for key, state in db.execute(sa.select(m.Outgoing.key, m.Outgoing.state))}  # noqa: C416
    database.close()
    assert states == {"reply": m.WITHDRAWN, "receipt": m.WITHDRAWN, "told": m.QUEUED}


def test_a_database_with_people_is_replaced_by_force_only_and_kept(running: Database, tmp_path: Path) -> None:
    file = tmp_path / "saved.db"
    backup.save(running, file, "en")
    with running.transaction() as db:
        answer(db, "a2", "mới")
    assert running.file is not None
    with refused(r"holds data\. Add --force"):
        restore(running.file, file)
    lines = restore(running.file, file, force=True)
    old = running.file.with_name(running.file.name + ".before-20261201T030000Z")
    assert lines[1] == f"What was there before is kept as {old}."
    assert backup.save(Database(f"sqlite:///{old}"), tmp_path / "old.db", "en") == [
        f"Saved and verified: {tmp_path / 'old.db'}. Revision 0002: 3 members, 2 answers, 0 submissions."
    ]


def test_nothing_is_restored_under_a_running_program(running: Database, tmp_path: Path) -> None:
    file = tmp_path / "saved.db"
    backup.save(running, file, "en")
    assert running.file is not None
    lock = FileLock(running.file)
    assert lock.take()
    with refused("Stop it and try again"):
        restore(running.file, file, force=True)
    lock.release()


def test_nothing_is_restored_beside_a_process_or_command_that_has_the_database_open(
    running: Database, tmp_path: Path
) -> None:
    file = tmp_path / "saved.db"
    backup.save(running, file, "en")
    assert running.file is not None
    first, second = in_use(running.file), in_use(running.file)
    assert first.take() and second.take()
    second.release()
    with refused("Stop it and try again"):
        restore(running.file, file, force=True)
    first.release()
    restore(running.file, file, force=True)


def test_an_old_backup_is_never_overwritten(running: Database, tmp_path: Path) -> None:
    file = tmp_path / "saved.db"
    file.write_text("the only one")
    with refused("exists already"):
        backup.save(running, file, "en")
    assert file.read_text() == "the only one"


@pytest.mark.parametrize("place", [0, 60, 5000, 20000, -1])
def test_a_backup_with_flipped_bytes_is_refused(running: Database, tmp_path: Path, place: int) -> None:
    file = tmp_path / "saved.db"
    backup.save(running, file, "en")
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)
    with refused("is damaged"):
        restore(tmp_path / "target.db", file)
    assert not (tmp_path / "target.db").exists()


def test_a_backup_cut_short_is_refused(running: Database, tmp_path: Path) -> None:
    file = tmp_path / "saved.db"
    backup.save(running, file, "en")
    file.write_bytes(file.read_bytes()[:-4096])
    with refused("is no backup of kiemdiem"):
        restore(tmp_path / "target.db", file)


def test_what_is_no_backup_of_ours_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE something (id)").connection.close()
    with refused("is no backup of kiemdiem"):
        restore(tmp_path / "target.db", other)
    (tmp_path / "text.db").write_text("xin chào")
    with refused("is no backup of kiemdiem"):
        restore(tmp_path / "target.db", tmp_path / "text.db")
    with refused("cannot be opened"):
        restore(tmp_path / "target.db", tmp_path / "missing.db")


def test_a_backup_of_a_newer_program_is_refused(running: Database, tmp_path: Path) -> None:
    with running.transaction() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with refused("newer kiemdiem"):
        backup.save(running, tmp_path / "saved.db", "en")


def test_on_postgresql_the_lines_to_run_are_printed_without_the_password(tmp_path: Path) -> None:
    database = Database("postgresql://kiemdiem:s3cret@localhost/kiemdiem")
    with pytest.raises(Mistake) as error:
        backup.save(database, tmp_path / "saved.dump", "en")
    lines = error.value.sentence("en").splitlines()
    file, url = tmp_path / "saved.dump", "postgresql://kiemdiem@localhost/kiemdiem"
    assert lines[1:3] == [
        f"pg_dump --format=custom --no-owner --file={file} '{url}'",
        f"pg_restore --list {file}",
    ]
    assert lines[4:] == [f"pg_restore --exit-on-error --no-owner --dbname='{url}' {file}", "kiemdiem pause"]
