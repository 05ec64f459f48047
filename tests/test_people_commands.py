"""The commands about people, as an operator types them: what is printed, and the exit code."""

import csv
import sys
from pathlib import Path

import pytest

from bot.cli import main
from tests.test_roster import BAD, GOOD, SAMPLE, written

COUNTS = (
    "Đảng viên: {} mới, {} thay đổi, {} giữ nguyên, {} bản ghi bị từ chối. {} người không có trong tệp vẫn được giữ."
)


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation of its own, without a database yet."""
    monkeypatch.setenv("KIEMDIEM_DATABASE_URL", f"sqlite:///{tmp_path / 'kiemdiem.db'}")
    monkeypatch.setenv("KIEMDIEM_SECRET_KEY", "for tests only")
    monkeypatch.setenv("KIEMDIEM_PUBLIC_URL", "https://kiemdiem.example")


def run(*words: object) -> int:
    """The exit code of ``kiemdiem`` with these words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kiemdiem", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0)


def test_a_roster_is_previewed_then_taken_in_then_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("roster", "import", SAMPLE, "--dry-run") == 0
    assert run("roster", "import", SAMPLE, "--yes") == 0
    assert run("roster", "import", SAMPLE) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(("Tổ chức đảng mới", "  Đảng bộ Khối mẫu"))] == [
        COUNTS.format(120, 0, 0, 0, 0),
        "Mới chỉ xem trước, chưa ghi gì.",
        COUNTS.format(120, 0, 0, 0, 0),
        "Đã nhập xong.",
        COUNTS.format(0, 0, 120, 0, 0),
        "Không có gì thay đổi.",
    ]


def test_good_records_go_in_although_others_are_rejected_which_the_exit_code_tells(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("roster", "import", BAD, "--yes") == 1
    assert run("roster", "import", BAD, "--yes") == 1
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("Đảng viên")] == [
        COUNTS.format(13, 0, 0, 11, 0),
        COUNTS.format(0, 0, 13, 11, 0),
    ]


def test_another_form_is_known_where_the_operator_says_so(tmp_path: Path) -> None:
    file = written(tmp_path, {"form": "general"})
    assert run("roster", "import", file, "--yes") == 1
    assert run("roster", "import", file, "--yes", "--form", "general") == 0


def test_invitations_are_written_and_taken_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("roster", "import", written(tmp_path, {}, {}), "--yes")
    capsys.readouterr()

    assert run("invite", "--out", tmp_path / "out.csv") == 0
    assert run("invite", "--person", "km-1", "--qr", tmp_path / "qr") == 0
    assert run("invite", "revoke", "--unit", GOOD["unit_path"]) == 0
    assert run("invite", "revoke") == 2
    assert run("invite", "--person", "KM-9") == 1
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["code"], row["web"][:29]) for row in rows] == [
        ("KM-1", "https://kiemdiem.example/chat"),
        ("KM-2", "https://kiemdiem.example/chat"),
    ]
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(tmp_path / "qr" / "invitations.html"), "Đã hủy 2 mã mời."]
    assert said.err.splitlines()[-1] == "Không có đảng viên mang mã KM-9."


def test_invitations_need_a_secret_key_and_a_place_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("roster", "import", written(tmp_path, {}), "--yes")
    assert run("invite", "--out", tmp_path / "missing" / "out.csv") == 1
    monkeypatch.delenv("KIEMDIEM_SECRET_KEY")
    assert run("invite") == 1


def test_roles_are_granted_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("roster", "import", written(tmp_path, {}), "--yes")
    capsys.readouterr()

    assert run("role", "grant", "KM-1", "officer", "--unit", "đảng bộ khối mẫu") == 0
    assert run("role", "revoke", "KM-1", "officer", "--unit", "Đảng bộ Khối mẫu") == 0
    assert run("role", "revoke", "KM-1", "officer", "--unit", "Đảng bộ Khối mẫu") == 1
    assert run("role", "grant", "KM-1", "king", "--unit", "Đảng bộ Khối mẫu") == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "Đã giao vai trò officer ở Đảng bộ Khối mẫu cho đồng chí Nguyễn Văn An."
    assert said.err.splitlines() == [
        "Đồng chí Nguyễn Văn An không có vai trò officer ở Đảng bộ Khối mẫu.",
        "Không có vai trò king (dùng: secretary, deputy, officer, admin).",
    ]


def test_the_report_holds_every_change_and_is_the_owners_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.txt"
    assert run("roster", "import", SAMPLE, "--dry-run", "--report", report) == 0
    assert f"Toàn bộ thay đổi ghi ở {report}." in capsys.readouterr().out.splitlines()
    assert len(report.read_text("utf-8").splitlines()) == 13  # the head, eleven units, the counts
    assert report.stat().st_mode & 0o777 == 0o600
