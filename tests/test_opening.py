"""A season is opened in batches beside a running program, and opened again after it was closed by mistake."""

from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot import roster, season, season_opening
from bot.alarms import alarms
from bot.mistakes import Mistake
from handlers.forms import Problem
from handlers.turn import current_cycle
from storage import cycles, notes
from storage import models as m
from storage.database import Database
from tests.conftest import postgres_database
from tests.joining import SAMPLE
from tests.postgres import Postgres
from tests.season import CYCLE, FORM, SAIGON, World


class Killed(Exception):
    """The command is killed."""


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    """Eight people on the roster, three of them in a batch."""
    monkeypatch.setattr(season_opening, "FEWEST", 3)
    monkeypatch.setattr(season_opening, "MOST", 3)
    return World(database)


def opens(world: World, *, killed_after: int = 99, code: str = CYCLE.code) -> Problem | None:
    """The command opens the season; it may be killed after some batches."""
    batches = 0

    def rest(_: float) -> None:
        nonlocal batches
        batches += 1
        if batches == killed_after:
            raise Killed

    return season_opening.open_in_batches(
        world.database, replace(CYCLE, code=code), {"short": FORM}, world.now, rest=rest
    )


def count(world: World, what: Any) -> int:
    """How many rows there are."""
    with world.database.transaction(read_only=True) as db:
        return db.scalar(sa.select(sa.func.count()).select_from(what)) or 0


def test_a_season_opened_in_batches_is_the_same_as_one_opened_at_once(world: World, database: Database) -> None:
    assert opens(world) is None
    world.tick()
    assert count(world, m.Assessment) == 8
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}
    assert world.assessment("An").remind_at == datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    with database.transaction(read_only=True) as db:
        assert [(row.code, row.opening) for row in cycles.every(db)] == [("2026", False)]
        assert notes.read(db, season_opening.NOTE) is None


@pytest.mark.parametrize("killed_after", range(1, 8))
def test_opening_goes_on_after_a_kill_and_tells_nobody_twice(world: World, killed_after: int) -> None:
    with pytest.raises(Killed):
        opens(world, killed_after=killed_after)
    assert opens(world) is None
    world.tick()
    assert (count(world, m.Cycle), count(world, m.Assessment)) == (1, 8)
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}
    assert getattr(opens(world), "key", None) == "season.another_open"


def test_nobody_sees_a_half_opened_season(world: World) -> None:
    with pytest.raises(Killed):
        opens(world, killed_after=3)  # every row is there
    assert count(world, m.Assessment) == 8
    with world.database.transaction() as db:
        assert current_cycle(db) is None
    assert getattr(opens(world, code="2027"), "key", None) == "season.half_open"
    assert opens(world) is None
    assert world.cycle.code == "2026"


def test_a_reminder_that_falls_due_while_a_season_is_half_opened_is_not_lost(world: World) -> None:
    with world.database.transaction() as db:
        before = season.open_cycle(db, replace(CYCLE, code="2025"), {"short": FORM}, world.now)
        assert not isinstance(before, Problem)
        season.close_cycle(db, before.cycle, world.now)
    with pytest.raises(Killed):
        opens(world, killed_after=3)
    world.messages.clear()
    world.at("2026-12-01 08:00")
    assert opens(world) is None
    world.tick()
    assert world.assessment("An").reminded == 1


def test_no_roster_is_imported_while_a_season_is_half_opened(world: World) -> None:
    with pytest.raises(Killed):
        opens(world, killed_after=2)
    with pytest.raises(Mistake) as refused, world.database.transaction() as db:
        roster.import_roster(db, roster.read(SAMPLE, today=date(2026, 11, 24)), world.now)
    assert refused.value.sentence("vi").startswith("Kỳ 2026 đang mở dở, chưa ai thấy.")


def test_a_half_opened_season_can_be_given_up(world: World) -> None:
    with pytest.raises(Killed):
        opens(world, killed_after=2)
    season_opening.discard(world.database, 1, rest=lambda _: None)
    assert (count(world, m.Cycle), count(world, m.CycleForm), count(world, m.Assessment)) == (0, 0, 0)
    assert opens(world, code="2027") is None


@pytest.mark.parametrize("killed_after", [4, 5])
def test_first_notices_go_on_after_the_deadline_was_moved(world: World, killed_after: int) -> None:
    with pytest.raises(Killed):
        opens(world, killed_after=killed_after)
    world.tick()
    before = world.everybody()
    assert sum(before.values()) < 4
    later = CYCLE.due + timedelta(days=3)
    with world.database.transaction() as db:
        assert not isinstance(
            season.move_deadline(db, world.cycle, later, CYCLE.closes + timedelta(days=3), world.now), Problem
        )
    again = season.rehearse(world.database, CYCLE, world.now)
    assert not isinstance(again, Problem)
    assert (again.cycle, again.cycle.due) == (world.cycle, later)  # what the operator reads before going on
    assert opens(world) is None
    world.tick()
    assert {name: before[name] + count for name, count in world.everybody().items()} == dict.fromkeys(before, 1)
    assert world.cycle.due == later
    assert getattr(opens(world), "key", None) == "season.another_open"


def test_giving_up_that_was_killed_loses_nobody_when_the_season_is_opened_after_all(world: World) -> None:
    with pytest.raises(Killed):
        opens(world, killed_after=2)

    def rest(_: float) -> None:
        raise Killed

    with pytest.raises(Killed):
        season_opening.discard(world.database, 1, rest=rest)
    assert count(world, m.Assessment) == 3
    assert opens(world) is None
    assert count(world, m.Assessment) == 8


def test_a_batch_that_meets_a_deadlock_is_tried_again(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(season_opening, "FEWEST", 3)
    with closing(postgres_database(postgres)) as database:
        world = World(database)
        with database.transaction() as db:  # each of them meets one, at its second statement on the table
            for table in ("assessment", "outgoing"):
                db.exec_driver_sql(f"CREATE SEQUENCE tries_{table}")
                db.exec_driver_sql(
                    f"CREATE FUNCTION meet_{table}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
                    f"IF nextval('tries_{table}') = 2 THEN RAISE SQLSTATE '40P01'; END IF; RETURN NULL; END$$"
                )
                db.exec_driver_sql(
                    f"CREATE TRIGGER meet AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION meet_{table}()"
                )
        assert opens(world) is None
        assert (count(world, m.Assessment), count(world, m.Outgoing)) == (8, 8)


# ------------------------------------------------------------------ stopped half way, and told


def told(world: World) -> list[str]:
    """The alarms."""
    with world.database.transaction(read_only=True) as db:
        return [alarm.sentence("vi") for alarm in alarms(db, world.now)]


def test_a_season_that_stays_half_opened_is_an_alarm_until_it_is_opened_or_given_up(world: World) -> None:
    with pytest.raises(Killed):
        opens(world, killed_after=2)
    assert told(world) == []  # the command may still be running
    world.now += timedelta(minutes=11)
    assert told(world) == [
        "Kỳ 2026 mở dở đã 11 phút, chưa ai thấy. Chạy lại kiemdiem cycle open với đúng tệp đã dùng để mở nốt, hoặc bỏ "
        "kỳ đó: kiemdiem cycle close."
    ]
    season_opening.discard(world.database, 1, rest=lambda _: None)
    assert told(world) == []


def test_first_notices_that_stay_away_are_an_alarm_until_they_are_put(world: World) -> None:
    with pytest.raises(Killed):
        opens(world, killed_after=5)
    assert told(world) == []
    world.now += timedelta(minutes=11)
    world.tick()
    assert told(world) == [
        "Kỳ 2026 đã mở nhưng chưa đặt tin mở kỳ cho 5 người. Chạy lại kiemdiem cycle open với tệp của kỳ để báo nốt; "
        "hạn đã dời vẫn giữ nguyên."
    ]
    assert opens(world) is None
    assert told(world) == []


# ------------------------------------------------------------------ opened again


def test_a_season_closed_by_mistake_goes_on_from_now(world: World) -> None:
    world.opens()
    world.at("2026-12-02 09:00")
    with world.database.transaction() as db:
        season.close_cycle(db, world.cycle, world.now)
    assert world.assessment("An").remind_at is None
    world.at("2026-12-09 09:00")
    world.messages.clear()
    with world.database.transaction() as db:
        again = season.reopen_cycle(db, world.cycle, world.now)
    assert not isinstance(again, Problem)
    assert world.assessment("An").remind_at == datetime(2026, 12, 11, 8, tzinfo=SAIGON)
    world.tick()
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}  # nothing of the past
    world.at("2026-12-11 08:00")
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}
    with world.database.transaction(read_only=True) as db:
        assert db.scalars(sa.select(m.Audit.action).order_by(m.Audit.id)).all() == [
            "cycle.opened",
            "cycle.closed",
            "cycle.reopened",
        ]


def test_a_season_whose_closing_day_is_over_is_opened_again_with_another_one_only(world: World) -> None:
    world.opens()
    world.at("2026-12-19 09:00")
    assert world.cycle.closed
    day = timedelta(days=1)
    with world.database.transaction() as db:
        refused = season.reopen_cycle(db, world.cycle, world.now)
        assert refused == Problem("season.over", {"code": "2026"})
        again = season.reopen_cycle(db, world.cycle, world.now, due=world.now + day, closes=world.now + 2 * day)
    assert not isinstance(again, Problem)
    assert (world.cycle.closed, world.cycle.due) == (False, world.now + day)


def test_no_older_season_is_opened_again_while_a_newer_one_is_opening(world: World) -> None:
    world.opens()
    with world.database.transaction() as db:
        season.close_cycle(db, world.cycle, world.now)
    with pytest.raises(Killed):
        opens(world, killed_after=1, code="2027")
    with world.database.transaction() as db:
        refused = season.reopen_cycle(db, world.cycle, world.now)
    assert refused == Problem("season.half_open", {"code": "2027"})


def test_the_preview_counts_what_is_opened(world: World) -> None:
    world.roster("An", exempt_reason="đình chỉ sinh hoạt đảng")
    world.roster("Hoa", exempt_reason="từ trần")
    world.roster("Lan", admitted_on=date(2026, 6, 2))
    world.roster("Tú", form=None)
    world.block("Bình")
    found = season.rehearse(world.database, CYCLE, world.now)
    assert not isinstance(found, Problem)
    assert opens(world) is None

    def rows(*columns: Any) -> list[tuple[Any, ...]]:
        counted = sa.select(*columns, sa.func.count()).group_by(*columns).order_by(*columns)
        with world.database.transaction(read_only=True) as db:
            return [tuple(row) for row in db.execute(counted.select_from(m.Assessment).outerjoin(m.CycleForm))]

    assert (found.people, found.without_form, found.codes) == (count(world, m.Assessment), 1, ("KM-0004",))
    assert dict(found.exempt) == {why: number for why, number in rows(m.Assessment.exempt_reason) if why}
    assert (dict(found.by_form), found.ringing, found.unreachable) == ({"2B": 4}, 4, 1)
    assert count(world, m.Outgoing) == 3  # Tú has no form, and Bình blocked the bot
