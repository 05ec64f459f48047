"""The operator's commands as they are typed: what is printed where, and the exit code; never a traceback."""

import csv
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import play
from bot.cli import main
from handlers.messages import Message, dumps
from storage import addresses, assessments, incoming, notes, outbox
from storage import models as m
from storage.database import Database
from storage.lock import alone
from storage.schema import migrate
from tests.seeded import seed

Said = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 12, 8, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with three people and a season, in a folder of its own."""
    file = tmp_path / "kiemdiem.db"
    database = Database(f"sqlite:///{file}")
    migrate(database)
    seed(database)
    with database.transaction() as db:
        address = addresses.ensured(db, "telegram", "1", "71", NOW)
        body = dumps(Message("Xin chào"))
        outbox.put(db, key="reply:a:0", kind=m.REPLY, address_id=address.id, now=NOW, body=body, state=m.REFUSED)
        came = '["telegram:1:5", "telegram", "1", "71", ["said", "/start"], 1]'
        incoming.keep(db, "telegram:1:5", "ValueError", came, NOW)
    database.close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KIEMDIEM_LANG", "en")
    monkeypatch.setenv("KIEMDIEM_SECRET_KEY", "0123456789abcdef" * 4)
    return file


def run(*words: object) -> int:
    """The exit code of ``kiemdiem`` with these words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kiemdiem", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0)


def test_a_chat_is_ended_from_the_keyboard_without_a_word(capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(code: str, record: Path | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(play, "chat_as", interrupted)
    assert run("chat") == 0
    assert capsys.readouterr() == ("", "")


def test_pause_and_resume(capsys: Said) -> None:
    assert [run("pause"), run("pause"), run("resume"), run("resume")] == [0, 0, 0, 0]
    assert [line.partition(".")[0] for line in capsys.readouterr().out.splitlines()] == [
        "Paused: no reminder, digest or notice goes out",
        "It is paused already",
        "Goes on",
        "It is not paused",
    ]


def test_a_backup_is_restored_by_command(installation: Path, tmp_path: Path, capsys: Said) -> None:
    saved = tmp_path / "saved.db"
    assert run("backup", saved) == 0
    assert run("backup", saved) == 1
    assert run("restore", saved) == 1
    assert run("restore", saved, "--force") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == [
        f"Saved and verified: {saved}. Revision 0002: 3 members, 0 answers, 0 submissions.",
        f"Restored {Path('kiemdiem.db')}. Revision 0002: 3 members, 0 answers, 0 submissions.",
    ]
    assert said.err.splitlines() == [
        f"{saved} exists already. Choose another name; an old backup is never overwritten.",
        "kiemdiem.db holds data. Add --force to replace it; what is there now will be kept beside it.",
    ]


@pytest.mark.parametrize("step", [1, 2])
def test_a_restore_that_is_killed_leaves_the_old_database_whole_and_may_be_repeated(
    installation: Path, tmp_path: Path, step: int
) -> None:
    saved = tmp_path / "saved.db"
    assert run("backup", saved) == 0
    with Database(f"sqlite:///{installation}").transaction() as db:
        notes.write(db, "telegram_username", "what is there now")
    command = [sys.executable, "-m", "bot", "restore", str(saved), "--force"]
    environ = os.environ | {"CRASH_AT_N": str(step), "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(command, env=environ, check=False, timeout=60, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    with Database(f"sqlite:///{installation}").transaction() as db:
        assert (notes.read(db, "telegram_username"), notes.paused(db)) == ("what is there now", False)
    assert run("restore", saved, "--force") == 0
    with Database(f"sqlite:///{installation}").transaction() as db:
        assert (notes.read(db, "telegram_username"), notes.paused(db)) == (None, True)


@pytest.mark.parametrize(
    "words", [("pause",), ("rekey",), ("roster", "import", "list.csv"), ("run", "--only", "web"), ("tick",)]
)
def test_while_a_backup_is_being_restored_no_command_has_the_database(
    installation: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("KIEMDIEM_DATA_KEY", "0123456789abcdef" * 4)
    (installation.parent / "list.csv").write_text("code\n")
    restoring = alone(installation)
    assert restoring.take()
    assert run(*words) == 1
    restoring.release()
    assert capsys.readouterr().err.startswith("This database is being restored.")


def test_an_export_is_written_by_command(tmp_path: Path, capsys: Said) -> None:
    out = tmp_path / "2026.csv"
    assert run("export", "--cycle", "2026", "--out", out) == 0
    assert run("export", "--cycle", "2031", "--out", out) == 1
    assert run("export", "--cycle", "2026", "--out", tmp_path / "out.ods") == 1
    assert run("export", "--cycle", "2026") == 2
    with out.open(encoding="utf-8-sig", newline="") as text:
        assert [row[1] for row in csv.reader(text) if len(row) > 1][2:] == ["KM-1", "KM-2", "KM-3"]
    assert capsys.readouterr().err.splitlines()[:2] == [
        "There is no cycle 2031. There are: 2026.",
        "The file's name must end in .csv or .xlsx.",
    ]


def test_a_refused_message_is_listed_retried_and_dropped(capsys: Said) -> None:
    assert run("outbox", "list") == 0
    assert [run("outbox", "retry", "reply:a:0"), run("outbox", "drop", "reply:a:0")] == [0, 0]
    assert [run("outbox", "retry", "reply:a:0"), run("outbox", "retry"), run("outbox", "retry", "--all-refused")] == [
        1,
        2,
        0,
    ]
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split()[:4] == ["reply:a:0", "reply", "telegram", "refused"]
    assert said.out.splitlines()[1:] == [
        "reply:a:0: will be sent again.",
        "reply:a:0: dropped.",
        "0 messages will be sent again.",
    ]
    assert said.err.splitlines() == [
        "reply:a:0: sent, withdrawn or expired; not sent again.",
        "outbox retry: name a key or --all-refused",
    ]


def test_a_kept_turn_is_run_again_through_the_real_routes(installation: Path, capsys: Said) -> None:
    assert run("inbox", "list") == 0
    assert [run("inbox", "replay", "--all"), run("inbox", "replay", "telegram:1:5"), run("inbox", "drop", "x")] == [
        0,
        1,
        1,
    ]
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split()[0] == "telegram:1:5"
    assert said.out.splitlines()[1:] == ["telegram:1:5: run again."]
    database = Database(f"sqlite:///{installation}")
    with database.transaction(read_only=True) as db:
        assert m.QUEUED in [row.state for row in db.execute(m.Outgoing.__table__.select())]
    database.close()


def test_check_fails_where_something_stands_still(capsys: Said) -> None:
    assert run("check") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[0] for line in lines] == sorted((line[0] for line in lines), reverse=True)
    assert "✗ 1 turns failed and are kept. See: kiemdiem inbox list" in lines


def test_wrong_settings_are_a_line_each_and_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    monkeypatch.setenv("KIEMDIEM_PORT", "eight")
    assert run("outbox", "list") == 1
    assert capsys.readouterr().err.splitlines() == ["KIEMDIEM_PORT: must be a number"]


def test_a_webhook_without_its_secret_is_no_start(monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    monkeypatch.setenv("KIEMDIEM_PUBLIC_URL", "https://kiemdiem.example")
    monkeypatch.setenv("KIEMDIEM_TELEGRAM_TOKEN", "42:TEST")
    assert run("run") == 1
    assert capsys.readouterr().err == "KIEMDIEM_TELEGRAM_SECRET is not set; make one with: openssl rand -hex 32\n"


def test_rekey_needs_a_data_key_and_may_be_repeated(monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    assert run("rekey") == 1
    monkeypatch.setenv("KIEMDIEM_DATA_KEY", "ab" * 32)
    assert [run("rekey"), run("rekey")] == [0, 0]
    monkeypatch.setenv("KIEMDIEM_DATA_KEY", "cd" * 32)
    assert run("rekey") == 1
    said = capsys.readouterr()
    assert [line.partition(" again")[0] for line in said.out.splitlines()] == ["Sealed 2 rows", "Sealed 0 rows"]
    assert said.err.splitlines() == [
        "KIEMDIEM_DATA_KEY is not set: answers are not sealed in the database.",
        "Answers are sealed with a key that is not in KIEMDIEM_DATA_KEY. "
        "Add the old key behind the new one, with a comma between.",
    ]


def test_a_persons_own_data_is_theirs_whole_and_nobody_elses(installation: Path, tmp_path: Path, capsys: Said) -> None:
    database = Database(f"sqlite:///{installation}")
    with database.transaction() as db:
        for number, words in ((1, "bản nháp của An"), (2, "bản nháp của Bình")):
            draft = assessments.by_id(db, number)
            assert draft is not None
            assessments.save(
                db,
                assessments.Step(
                    draft,
                    writes=[("a1", words, True)],
                    place="a2",
                    state=m.IN_PROGRESS,
                    remind_at=None,
                    now=NOW,
                    address_id=number,
                ),
            )
        assessments.submit(
            db, 1, snapshot={"a1": "đã nộp"}, receipt="7K2P", late=False, level=None, score=None, now=NOW
        )
    database.close()
    out = tmp_path / "data.json"
    assert [run("person", "export", "km-1", "--out", out), run("person", "export", "KM-9", "--out", out)] == [0, 1]
    data = json.loads(out.read_text("utf-8"))
    assert out.stat().st_mode & 0o777 == 0o600
    assert {name: len(rows) for name, rows in data.items()} == {
        "person": 1,
        "roles": 0,
        "addresses": 1,
        "invitations": 0,
        "consents": 0,
        "reviews": 1,
        "answers": 1,
        "submissions": 1,
        "audit": 1,
    }
    assert (data["person"][0]["name"], data["answers"][0]["answer"]) == ("Nguyễn Văn An", "bản nháp của An")
    assert (data["submissions"][0]["answers"], data["audit"][0]["action"]) == ({"a1": "đã nộp"}, "person.exported")
    assert capsys.readouterr().out.splitlines() == [
        f"Wrote everything stored about KM-1 to {out}. Hand it to that person alone, then delete it."
    ]
