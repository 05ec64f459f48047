"""When a reminder is due: properties over zones, holidays, quiet hours and histories."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from handlers.calendar import (
    allowed,
    deadline_reminder,
    digest_begins,
    first_reminder,
    is_quiet,
    is_working_day,
    local_day,
    moment,
    next_reminder,
    schedule,
    working_day,
)
from handlers.cycles import Consent, Cycle, Slot, dumps, loads

SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")
SEASON = Cycle(
    id=1,
    code="2026",
    name="Kiểm điểm năm 2026",
    year=2026,
    zone=SAIGON,
    opens=datetime(2026, 11, 25, 8, tzinfo=SAIGON),
    due=datetime(2026, 12, 15, 17, tzinfo=SAIGON),
    closes=datetime(2026, 12, 18, 17, tzinfo=SAIGON),
    admitted_before=date(2026, 6, 2),
    consent=Consent("1", "Đồng ý?"),
    levels=(),
    forms=(("2B", "mau_2b_2025"),),
    slots=tuple(Slot(days, time(8)) for days in (-14, -7, -4, -1, 0, 1)),
    days_off=frozenset({date(2026, 12, 11)}),
    days_on=frozenset({date(2026, 12, 12)}),
)

zones = st.sampled_from(
    ["Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
clock = st.times(min_value=time(0), max_value=time(23, 59)).map(lambda t: t.replace(second=0, microsecond=0))


@st.composite
def seasons(draw: st.DrawFn) -> Cycle:
    zone = ZoneInfo(draw(zones))
    first = draw(st.dates(date(2026, 1, 1), date(2027, 12, 31)))
    days = draw(st.integers(1, 40))
    near = st.dates(first, first + timedelta(days=60))
    opens = datetime.combine(first, draw(clock), zone)
    due = datetime.combine(first + timedelta(days=days), draw(clock), zone)
    return replace(
        SEASON,
        zone=zone,
        opens=opens,
        due=due,
        closes=due + timedelta(days=draw(st.integers(0, 20))),
        slots=tuple(draw(st.lists(st.builds(Slot, st.integers(-40, 20), clock), min_size=1, max_size=8))),
        days_off=draw(st.frozensets(near, max_size=20)),
        days_on=draw(st.frozensets(near, max_size=5)),
        week=draw(st.frozensets(st.integers(0, 6), min_size=1)),
        quiet_from=draw(st.times(time(18), time(22))),
        quiet_until=draw(st.times(time(5), time(9))),
        minimum_gap=timedelta(hours=draw(st.integers(1, 72))),
        at_most=draw(st.integers(1, 8)),
    )


@st.composite
def moments(draw: st.DrawFn, season: Cycle) -> datetime:
    """Around the season, most of them at the borders: midnight, 17:00 UTC, the quiet hours."""
    day = local_day(season, season.opens) + timedelta(days=draw(st.integers(-3, 70)))
    at = draw(st.one_of(clock, st.sampled_from([time(0), time(23, 59), season.quiet_from, season.quiet_until])))
    return moment(season, day, at) + timedelta(microseconds=draw(st.integers(-1, 1)))


@given(st.data())
def test_a_reminder_is_never_at_night_nor_on_a_day_off_nor_early_nor_too_often(data: st.DataObject) -> None:
    season = data.draw(seasons())
    after = data.draw(moments(season))
    reminded = data.draw(st.integers(0, 9))
    reminded_at = data.draw(st.one_of(st.none(), moments(season)))
    at = next_reminder(season, reminded=reminded, reminded_at=reminded_at, snoozed_until=None, after=after)
    if at is None:
        return
    assert at > after
    assert season.opens <= at <= season.closes
    assert not is_quiet(season, at)
    assert is_working_day(season, local_day(season, at))
    assert reminded < season.at_most or at >= (deadline_reminder(season) or after)
    assert reminded_at is None or at >= reminded_at + season.minimum_gap


@given(st.data())
def test_following_the_calendar_reminds_once_a_day_and_ends(data: st.DataObject) -> None:
    season = data.draw(seasons())
    now = data.draw(moments(season))
    sent: list[datetime] = []
    while at := next_reminder(
        season, reminded=len(sent), reminded_at=sent[-1] if sent else None, snoozed_until=None, after=now
    ):
        sent.append(now := at)
        assert len(sent) <= min(season.at_most + 1, len(season.slots))  # one more: the deadline's own
    assert len({local_day(season, at) for at in sent}) == len(sent)
    assert all(later - earlier >= season.minimum_gap for earlier, later in pairwise(sent))


@given(st.data())
def test_what_a_person_asked_for_comes_when_they_asked_but_never_at_night(data: st.DataObject) -> None:
    season = data.draw(seasons())
    after, asked = data.draw(moments(season)), data.draw(moments(season))
    at = next_reminder(season, reminded=99, reminded_at=after, snoozed_until=asked, after=after)
    if asked <= after:  # it has come
        assert at is None or at == deadline_reminder(season) or at >= after + season.minimum_gap
        return
    if at is None:
        assert asked > season.closes or is_quiet(season, asked)
        return
    assert after < at <= season.closes
    assert at >= asked
    assert not is_quiet(season, at)
    assert at == asked or is_quiet(season, asked)


@given(st.data())
def test_a_moment_that_is_allowed_stays_and_the_others_move_forward(data: st.DataObject) -> None:
    season = data.draw(seasons())
    at = data.draw(moments(season))
    moved = allowed(season, at)
    assert moved >= at
    assert allowed(season, moved) == moved
    if not is_quiet(season, at) and is_working_day(season, local_day(season, at)):
        assert moved == at


@given(seasons())
def test_the_rules_survive_their_storage(season: Cycle) -> None:
    def in_utc(cycle: Cycle) -> Cycle:  # times of two zones in a doubled or missing hour are never equal in Python
        moments = {name: getattr(cycle, name).astimezone(UTC) for name in ("opens", "due", "closes")}
        return replace(cycle, id=season.id, **moments)

    assert in_utc(loads(dumps(season))) == in_utc(season)


def test_the_season_of_the_example_skips_the_day_off_and_uses_the_saturday_worked_for_it() -> None:
    assert [at.astimezone(SAIGON).strftime("%a %d/%m %H:%M") for at in schedule(SEASON)] == [
        "Tue 01/12 08:00",
        "Tue 08/12 08:00",
        "Sat 12/12 08:00",  # Friday 11 is off, Saturday 12 is worked
        "Mon 14/12 08:00",
        "Tue 15/12 08:00",
        "Wed 16/12 08:00",
    ]


def test_after_17_utc_it_is_already_the_next_day_in_viet_nam() -> None:
    assert local_day(SEASON, datetime(2026, 12, 14, 16, 59, tzinfo=UTC)) == date(2026, 12, 14)
    assert local_day(SEASON, datetime(2026, 12, 14, 17, 0, tzinfo=UTC)) == date(2026, 12, 15)


def test_after_a_nudge_the_next_automatic_reminder_keeps_the_gap() -> None:
    nudged = datetime(2026, 12, 7, 18, tzinfo=SAIGON)
    at = next_reminder(SEASON, reminded=1, reminded_at=nudged, snoozed_until=None, after=nudged)
    assert at == datetime(2026, 12, 8, 14, tzinfo=SAIGON)


def test_a_long_holiday_is_passed_over() -> None:
    tet = replace(SEASON, days_off=frozenset(date(2027, 2, day) for day in range(4, 11)))
    assert working_day(tet, date(2027, 2, 4)) == date(2027, 2, 11)


def test_a_slot_at_the_very_deadline_is_the_deadlines_own() -> None:
    season = replace(SEASON, slots=(Slot(-1, time(8)), Slot(0, time(17)), Slot(1, time(8))))
    assert deadline_reminder(season) == SEASON.due


def test_digests_come_on_working_days_and_the_last_one_a_minute_after_a_closing_at_their_hour() -> None:
    days = {day: digest_begins(SEASON, date(2026, 12, day)) for day in (11, 12, 13, 14, 17, 18, 19)}
    assert {day: at and at.astimezone(SAIGON).strftime("%H:%M") for day, at in days.items()} == {
        11: None,  # a day off
        12: "17:00",  # the Saturday worked for it
        13: None,
        14: "17:00",
        17: "17:00",
        18: "17:01",  # the season closes at 17:00
        19: None,
    }
    early = replace(SEASON, digest_at=time(16))
    assert digest_begins(early, date(2026, 12, 18)) == datetime(2026, 12, 18, 16, tzinfo=SAIGON)
    assert [digest_begins(SEASON, date(2026, 11, day)) is None for day in (24, 25)] == [True, False]


def test_who_was_never_reminded_has_the_first_slot_even_where_one_is_all_there_is() -> None:
    once = replace(SEASON, at_most=1)
    assert first_reminder(once, SEASON.opens) == datetime(2026, 12, 1, 8, tzinfo=SAIGON)
