"""Each checker of the season can fail: histories made by hand, one mistake in each."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta

import pytest

from tests.scenario.checkers import all_wrong
from tests.scenario.model import Changes, Failed, History, Life, Look, Promise, Rules, Told, Turn, local

DUE = date(2026, 12, 15)
RULES = Rules(
    opens=local(date(2026, 11, 25), time(8)),
    due=local(DUE, time(17)),
    closes=local(date(2026, 12, 18), time(17)),
    slots=((-7, time(8)), (0, time(8))),
    weekdays=frozenset(range(7)),
    at_most=2,
)
AN, BINH = "1", "2"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SAYS_DUE = "Hạn nộp: 17:00 ngày 15/12/2026."


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of December."""
    return local(date(2026, 12, day), time(hour, minute))


@pytest.fixture
def history() -> History:
    """A good season from 14 to 18 December: An is reminded on the due day, Bình, her secretary, gets every digest."""
    made = History(Changes(RULES))
    made.lives = {"An": Life("An", "1"), "Bình": Life("Bình", "1", "secretary")}
    for name, chat in (("An", AN), ("Bình", BINH)):
        made.lives[name].open[chat], made.lives[name].closed_for[chat] = Changes(True), Changes(False)
    made.lives["Bình"].owes = Changes(False)
    moment = at(14, 7)
    while moment < at(19, 0):
        made.looks.append(Look(moment, moment, works=True))
        moment += 15 * MINUTE
    made.told = [told(15, 8, AN, "reminder")] + [
        told(day, 17, BINH, "digest", "Chưa nộp: An.") for day in range(14, 19)
    ]
    return made


def told(day: int, hour: int, chat: str, kind: str, text: str = SAYS_DUE) -> Told:
    """Something that arrived, the clock being right."""
    return Told(at(day, hour), at(day, hour), chat, kind, text)


def wrong(history: History) -> list[str]:
    """What the checkers say."""
    history.told.sort(key=lambda each: each.at)
    return [str(each) for each in all_wrong(history)]


def promise(history: History, asked: datetime, until: datetime) -> None:
    """An was promised a reminder."""
    history.promised(history.lives["An"], Promise(asked, asked, until))


def test_a_good_season_has_nothing_wrong(history: History) -> None:
    promise(history, at(15, 9), at(15, 19, 30))
    history.told.append(Told(at(15, 19, 31), at(15, 19, 31), AN, "reminder", SAYS_DUE))
    history.turns = [Turn(at(15, 9), AN, "12.tonight")]
    history.told.append(told(15, 9, AN, "reply"))
    assert wrong(history) == []


def test_a_second_reminder_within_the_gap_is_one_too_many(history: History) -> None:
    history.told.append(told(15, 12, AN, "reminder"))
    assert wrong(history) == ["(a) 15/12 12:00 An: told again 4:00:00 after the last reminder"]


def test_a_promise_allows_one_reminder_and_not_two(history: History) -> None:
    promise(history, at(15, 9), at(15, 18))
    history.told += [told(15, 18, AN, "reminder"), told(15, 19, AN, "reminder")]
    assert wrong(history) == ["(a) 15/12 19:00 An: told again 1:00:00 after the last reminder"]


def test_more_automatic_reminders_than_the_limit_and_the_deadlines_own_are_too_many(history: History) -> None:
    history.told += [told(day, 8, AN, "reminder") for day in (14, 16, 17)]
    assert wrong(history) == ["(a) 17/12 08:00 An: the 4th automatic reminder of 2"]
    history.lives["An"].nudged.append(at(17, 8))
    assert wrong(history) == []


@pytest.mark.parametrize("why", ["submitted", "exempt", "paper"])
def test_who_owes_nothing_is_told_in_vain(history: History, why: str) -> None:
    history.lives["An"].done(at(15, 7, 59), why)
    assert f"(b) 15/12 08:00 An: reminded although nothing is owed: {why}" in wrong(history)


def test_nobody_is_disturbed_at_night_while_paused_or_out_of_season(history: History) -> None:
    history.told += [told(16, 21, BINH, "digest"), told(18, 20, AN, "reminder")]
    history.paused.put(at(16, 16), True)
    history.paused.put(at(16, 18), False)
    assert [line for line in wrong(history) if line.startswith("(b)")] == [
        "(b) 16/12 17:00 Bình: digest while paused",
        "(b) 16/12 21:00 Bình: digest in quiet hours",
        "(b) 18/12 20:00 An: reminder out of the season",
    ]


def test_a_chat_that_is_known_to_be_blocked_is_not_tried(history: History) -> None:
    history.failed = [Failed(at(16, 8), at(16, 8), AN, "blocked")]
    assert wrong(history) == []
    history.lives["An"].closed_for[AN].put(at(16, 7), True)
    assert wrong(history) == ["(b) 16/12 08:00 An: tried again although known to be blocked"]


def test_who_owes_and_was_not_told_on_the_due_day_was_forgotten(history: History) -> None:
    del history.told[0]
    assert wrong(history) == ["(c) 15/12 08:30 An: owes, and was not told on the due day 2026-12-15"]


def test_the_deadlines_reminder_may_be_missing_only_for_a_reason(history: History) -> None:
    del history.told[0]
    an = history.lives["An"]
    history.failed = [Failed(at(15, 8), at(15, 8), AN, "cut")]  # nobody knows whether it arrived
    assert wrong(history) == []
    history.failed, history.kills = [], [at(15, 8)]  # it died with one in hand
    assert wrong(history) == []
    history.kills, an.open[AN] = [], Changes(False)
    assert wrong(history) == []


def test_one_death_loses_one_reminder(history: History) -> None:
    del history.told[0]
    history.lives["Hoa"] = replace(history.lives["An"], name="Hoa", open={"3": Changes(True)})
    history.lives["Hoa"].closed_for = {"3": Changes(False)}
    history.kills = [at(15, 8)]
    assert [line.partition(": ")[2] for line in wrong(history) if "(c)" in line] == [
        "owes, and was not told on the due day 2026-12-15"
    ]


def test_an_outage_of_the_whole_day_excuses_the_deadlines_reminder_an_hour_of_it_does_not(history: History) -> None:
    del history.told[0]
    looks = history.looks
    history.looks = [replace(look, works=look.at < at(15, 8) or look.at > at(15, 9)) for look in looks]
    assert wrong(history) == ["(c) 15/12 09:45 An: owes, and was not told on the due day 2026-12-15"]
    history.looks = [replace(look, works=look.at < at(15, 8) or look.at > at(15, 21)) for look in looks]
    assert [line for line in wrong(history) if "(c)" in line] == []


def test_a_promise_that_is_not_kept_is_broken(history: History) -> None:
    promise(history, at(15, 9), at(16, 8))
    assert wrong(history) == ["(d) 16/12 08:30 An: was promised a reminder for 16/12 08:00, and got none"]


def test_a_promise_is_over_once_they_submit_or_ask_for_another_time(history: History) -> None:
    promise(history, at(15, 9), at(16, 8))
    promise(history, at(15, 10), at(15, 19, 30))
    history.told.append(Told(at(15, 19, 30), at(15, 19, 30), AN, "reminder", SAYS_DUE))
    assert wrong(history) == []
    promise(history, at(16, 9), at(17, 8))
    history.lives["An"].done(at(16, 12), "submitted")
    history.told[-2:] = []  # and nobody is missing any more
    assert [line for line in wrong(history) if "(d)" in line] == []


def test_a_working_day_without_its_digest_is_noticed_the_closing_day_too(history: History) -> None:
    history.told = [each for each in history.told if each.at not in (at(16, 17), at(18, 17))]
    assert wrong(history) == [
        "(e) 16/12 17:30 Bình: no digest on 2026-12-16, 1 are missing",
        "(e) 18/12 17:30 Bình: no digest on 2026-12-18, 1 are missing",
    ]


def test_the_last_digest_names_who_is_missing_and_there_is_one_a_day(history: History) -> None:
    history.told[-1] = replace(history.told[-1], text="Chưa nộp: 1.")
    history.told.append(told(16, 18, BINH, "digest"))
    assert wrong(history) == [
        "(e) 16/12 18:00 Bình: 2 digests on 2026-12-16",
        "(e) 18/12 17:30 Bình: the last digest does not say that An is missing",
    ]


def test_what_was_confirmed_and_not_answered_is_lost(history: History) -> None:
    history.turns = [Turn(at(15, 9), AN, "/menu"), Turn(at(16, 9), AN, "/menu")]
    history.told.append(told(16, 9, AN, "reply"))
    assert wrong(history) == ["(f) 15/12 09:00 An: '/menu' was confirmed and not answered"]


def test_a_notice_that_states_another_deadline_is_noticed(history: History) -> None:
    history.rules.put(at(15, 7), replace(RULES, due=local(date(2026, 12, 16), time(17))))
    assert "(g) 15/12 08:00 An: reminder says ['15/12/2026'], the deadline is 16/12/2026" in wrong(history)
