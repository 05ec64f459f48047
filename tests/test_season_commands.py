"""The commands about seasons, as an operator types them: what is printed, and the exit code."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import season_opening
from bot.command import database
from storage import notes
from tests.test_people_commands import installation, run
from tests.test_roster import SAMPLE

__all__ = ["installation"]  # a fixture that every test here uses


@pytest.fixture
def season(tmp_path: Path) -> Path:
    """The demo's season as a file of one's own, running today."""
    today = datetime.now(UTC).date()
    text = Path("cycles/demo/2026.toml").read_text("utf-8")
    for name, day, at in (("opens", -1, "08:00:00"), ("due", 20, "17:00:00"), ("closes", 25, "17:00:00")):
        line = next(line for line in text.splitlines() if line.startswith(f"{name} ="))
        text = text.replace(line, f"{name} = {today + timedelta(days=day)}T{at}")
    file = tmp_path / "2026.toml"
    file.write_text(text, "utf-8")
    return file


def test_a_season_is_rehearsed_opened_moved_and_closed(season: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = datetime.now(UTC).date() + timedelta(days=30)
    move = ("cycle", "move", "--due", f"{day}T17:00", "--closes", f"{day}T18:00", "--yes")
    assert run("roster", "import", SAMPLE, "--yes") == 0
    assert run(*move) == 1
    assert run("cycle", "open", season, "--dry-run") == 0
    assert run("cycle", "list") == 0
    assert run("cycle", "open", season, "--yes") == 0
    assert run("cycle", "open", season, "--yes") == 1
    assert run(*move) == 0
    assert run("cycle", "move", "--due", "tomorrow", "--closes", f"{day}T18:00", "--yes") == 2
    capsys.readouterr()
    assert run("cycle", "list") == 0
    assert capsys.readouterr().out == "2026\topen\n"
    assert run("cycle", "close", "--yes") == 0
    assert run("cycle", "close", "--yes") == 1
    assert capsys.readouterr() == ("Đã đóng. / Closed.\n", "No season is open.\n")
    assert run("cycle", "reopen", "--yes") == 0
    assert run("cycle", "reopen", "--yes") == 1
    assert capsys.readouterr() == (
        f"Đã mở lại kỳ 2026. Hạn nộp 17:00 ngày {day:%d/%m/%Y}; đóng 18:00 ngày {day:%d/%m/%Y}.\n",
        "Kỳ 2026 còn đang mở. Đóng kỳ đó trước: kiemdiem cycle close.\n",
    )


def test_first_notices_that_are_missing_go_on_with_the_deadline_that_was_moved(
    season: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = datetime.now(UTC).date() + timedelta(days=30)
    assert run("roster", "import", SAMPLE, "--yes") == 0
    assert run("cycle", "open", season, "--yes") == 0
    with database() as opened, opened.transaction() as db:
        notes.write(db, season_opening.NOTE, "1:0")  # as after a kill before the first of them
    assert run("cycle", "move", "--due", f"{day}T17:00", "--closes", f"{day}T18:00", "--yes") == 0
    capsys.readouterr()
    assert run("cycle", "open", season, "--yes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[2].partition(";")[2], lines[-1]) == (
        "Kỳ 2026 đã mở, còn báo nốt tin mở kỳ. Hạn và quy định giữ như đang dùng, không lấy từ tệp.",
        f" hạn nộp 17:00 ngày {day:%d/%m/%Y}; đóng 18:00 ngày {day:%d/%m/%Y}.",
        "Đã mở. / Opened.",
    )
    assert run("cycle", "open", season, "--yes") == 1


def test_a_season_file_that_is_wrong_is_told_in_lines(season: Path, capsys: pytest.CaptureFixture[str]) -> None:
    season.write_text(season.read_text("utf-8").replace("at = 08:00:00", 'at = "tám giờ"'), "utf-8")
    assert run("cycle", "open", season, "--dry-run") == 1
    assert "2026.toml" in capsys.readouterr().err
    assert run("cycle", "open", season.with_name("none.toml"), "--dry-run") == 1
