"""The file of a season: what is accepted, and how each mistake is refused."""

from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from bot.public_days import public_days
from handlers.calendar import local_day, schedule
from handlers.cycle_files import ZONE, load
from handlers.cycles import Cycle, Slot
from handlers.forms import Problem
from handlers.texts import LANGUAGES, say

FORMS = ("mau_2a_2025", "mau_2b_2025", "mau_2c_2025")
ROOT = Path(__file__).parent.parent
SEASON = (ROOT / "cycles" / "2026.toml").read_text("utf-8")


def problems(text: str) -> list[str]:
    """What the operator reads about a file."""
    found = load(text, "2026.toml", FORMS, public_days=public_days)
    assert isinstance(found, list)
    return [say("en", problem.key, **problem.values) for problem in found]


@pytest.mark.parametrize("file", ["cycles/2026.toml", "cycles/demo/2026.toml"])
def test_the_seasons_that_come_with_it_are_accepted(file: str) -> None:
    cycle = load((ROOT / file).read_text("utf-8"), file, FORMS, public_days=public_days)
    assert isinstance(cycle, Cycle)
    assert [level.from_score for level in cycle.levels] == [90, 70, 50, 0]
    assert cycle.admitted_before == date(2026, 6, 2)
    assert len(schedule(cycle)) == (8 if "demo" in file else 6)


def test_the_days_of_the_file_win_over_the_public_ones() -> None:
    text = SEASON.replace("days_off = []", "days_off = [2026-08-22]").replace("days_on = []", "days_on = [2027-02-10]")
    cycle = load(text, "2026.toml", FORMS, public_days=public_days)
    assert isinstance(cycle, Cycle)
    assert {date(2026, 8, 31), date(2026, 11, 24), date(2026, 8, 22), date(2027, 2, 9)} <= cycle.days_off
    assert date(2027, 2, 10) not in cycle.days_off
    assert cycle.days_on == {date(2027, 2, 10)}


def test_the_swap_day_of_2026_is_worked_and_its_monday_is_off() -> None:
    found = public_days("VN", range(2026, 2028))
    assert found is not None
    off, on = found
    assert on == {date(2026, 8, 22)}
    assert {date(2026, 8, 31), date(2026, 2, 17), date(2027, 2, 4), date(2027, 2, 10)} <= off


@pytest.mark.parametrize("start", [date(2026, 11, 24), date(2027, 1, 30), date(2028, 2, 29)])
def test_the_demo_opens_on_the_day_it_starts(start: date) -> None:
    text = (ROOT / "cycles/demo/2026.toml").read_text("utf-8")
    cycle = load(text, "demo", FORMS, public_days=public_days, begins=start)
    assert isinstance(cycle, Cycle)
    assert cycle.opens == datetime.combine(start, time(0), ZONE)
    assert local_day(cycle, cycle.due) == start + timedelta(days=20)
    assert cycle.due < cycle.closes
    assert cycle.admitted_before == date(2026, 6, 2)
    days = [(local_day(cycle, at) - local_day(cycle, cycle.due)).days for at in schedule(cycle)]
    assert days == [-19, -14, -7, -3, -1, 0, 1, 2]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "year = 2026",
            "year = ",
            "this file cannot be read (Invalid value (at line 6, column 8)). Mend that line and try again.",
        ),
        ("year = 2026", "", "year: missing. Add it, for example 3."),
        ("year = 2026", 'year = "2026"', "year: not the right kind of value. Write it like 3."),
        ("year = 2026", "year = 2026\nyaer = 1", "yaer: no such key. Correct its name or remove the line."),
        ('code = "2026"', 'code = ""', 'code: missing. Add it, for example "...".'),
        ("at_most = 6", "at_most = 0", "reminders.at_most: must be 1 or more."),
        ("gap_hours = 20", "gap_hours = -1", "reminders.minimum_gap_hours: must not be negative."),
        (
            "due = 2026-12-15T17:00:00",
            "due = 2026-12-15T17:00:00+07:00",
            "due: write the local time without an offset, like 2026-12-15T17:00:00.",
        ),
        (
            "due = 2026-12-15",
            "due = 2026-12-19",
            "opens, due, closes: wrong order. It must open before it is due and close no earlier than it is due.",
        ),
        ('"mau_2b_2025"', '"mau_2b"', f"forms.2B: there is no form mau_2b. Known forms: {', '.join(FORMS)}."),
        (
            "{ days = -7, at = 08:00:00 }",
            "{ days = -7, at = 21:00:00 }",
            "reminders.slots[2].at: 21:00 is inside the quiet hours (20:30 to 07:30). Choose another time.",
        ),
        (
            "{ days = -7, at = 08:00:00 }",
            "{ days = -7, at = 08:00:00, sound = 1 }",
            "reminders.slots[2].sound: no such key. Correct its name or remove the line.",
        ),
        (
            "cells = 17:00:00",
            "cells = 06:00:00",
            "digests.cells: 06:00 is inside the quiet hours (20:30 to 07:30). Choose another time.",
        ),
        (
            "quiet_from = 20:30:00",
            "quiet_from = 05:00:00",
            "calendar.quiet_from: the quiet hours must begin later in the day than they end (quiet_until).",
        ),
        (
            "tonight_until = 19:00:00",
            "tonight_until = 19:31:00",
            "reminders.tonight_until: must be no later than reminders.tonight.",
        ),
        ("from_score = 70", "from_score = 95", "levels: from_score must fall from level to level and end at 0."),
        ('id = "good"', 'id = "excellent"', "levels: two levels have the same id. Give each its own."),
        (
            "days_off = []          # nghỉ thêm, ví dụ [2026-12-24]\ndays_on = []",
            "days_off = [2026-12-24]\ndays_on = [2026-12-24]",
            "calendar.days_off: 2026-12-24 is both off and worked. Remove it in one place.",
        ),
        (
            'working_days = ["mon",',
            'working_days = ["thứ hai",',
            "calendar.working_days: use these names, at least one: mon, tue, wed, thu, fri, sat, sun.",
        ),
        (
            'holidays = "VN"',
            'holidays = "XX"',
            "calendar.holidays: no holidays are known for XX. Use a country code such as VN, or leave it empty.",
        ),
    ],
)
def test_a_mistake_is_named_with_its_key_and_what_to_do(old: str, new: str, said: str) -> None:
    assert old in SEASON
    assert problems(SEASON.replace(old, new, 1)) == [f"2026.toml: {said}"]


def test_a_schedule_without_a_slot_before_the_deadline_is_refused() -> None:
    before, rest = SEASON.split("slots = [\n", 1)
    text = before + "slots = [\n    { days = 1, at = 08:00:00 },\n]" + rest.split("]", 1)[1]
    assert problems(text) == [
        "2026.toml: reminders.slots: no reminder is left between the opening and the deadline. "
        "Add an earlier one or move the deadline."
    ]


def test_every_problem_is_worded_in_every_language() -> None:
    found = load('color = "red"', "x.toml", FORMS)
    assert isinstance(found, list)
    assert all(say(lang, problem.key, **problem.values) for problem in found for lang in LANGUAGES)
    assert Problem("cycle.unknown_key", {"file": "x.toml", "where": "color"}) in found


def test_a_season_without_reminder_times_of_its_own_has_the_usual_ones() -> None:
    cycle = load(SEASON.replace("tonight = 19:30:00", "").replace("tomorrow = 08:00:00", ""), "x", FORMS)
    assert isinstance(cycle, Cycle)
    assert (cycle.tonight, cycle.tomorrow, cycle.slots[0]) == (time(19, 30), time(8), Slot(-14, time(8)))
