"""What officers of large units are shown: counted by the clock, the same as counted at once, and said to be so."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from bot import jobs
from bot.clock import Clock
from bot.season_follows import sync_assessments
from handlers import officer
from handlers.progress import summary, summed
from handlers.rollup import Summary
from storage import job_runs, people, progress, tallies
from storage import models as m
from storage.database import Database, Db
from storage.people import Person
from tests.season import SAIGON, World
from tests.statements import Ran, every_statement

UNITS = {
    5: (1, "base_cell", "Chi bộ trực thuộc", "1.5."),
    6: (1, "organisation", "Đảng bộ Sở B", "1.6."),  # with members of its own, too
    7: (6, "cell", "Chi bộ 1", "1.6.7."),
}


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "LARGE", 1)


def played(database: Database) -> World:
    """An open season of five cells, two of them deeper than others; Dung looks after all of it, Chi after Sở A."""
    world = World(database)
    for unit, (parent, kind, name, path) in UNITS.items():
        row = {"id": unit, "parent_id": parent, "kind": kind, "name": name, "key": path, "path": path}
        world.execute(sa.insert(m.Unit).values(row))
    for number, unit in enumerate((5, 5, 6, 6, 7, 7, 7)):
        world.person(f"Người {number}", unit=unit)
    world.person("Mới", unit=5, admitted_on=date(2026, 6, 2))
    world.role("Dung", "officer", 1)
    world.role("Chi", "officer", 2)
    world.opens()
    world.tick()
    world.messages.clear()
    return world


def asker(db: Db, world: World, name: str) -> Person:
    found = people.by_id(db, world.ids[name])
    assert found
    return found


def shown(world: World, unit: int, name: str = "Dung") -> Summary | None:
    """What that officer would be shown."""
    with world.database.transaction(read_only=True) as db:
        return summary(db, asker(db, world, name), unit, world.cycle, world.now)


def live(world: World, unit: int) -> Summary:
    """Counted at once."""
    with world.database.transaction(read_only=True) as db:
        whole = progress.rollup(db, asker(db, world, "Dung"), unit, world.cycle.id)
    assert whole
    return summed(whole)


def test_what_the_clock_counted_equals_what_is_counted_at_once_all_through_a_season(database: Database) -> None:
    world = played(database)

    def moves() -> None:
        world.roster("An", unit_id=7)
        world.roster("Người 2", unit_id=5)
        with database.transaction() as db:
            sync_assessments(db, world.cycle, world.now)

    def exempted() -> None:
        world.roster("Hoa", exempt_reason="ốm nặng")
        with database.transaction() as db:
            sync_assessments(db, world.cycle, world.now)

    def submit(*names: str) -> None:
        for name in names:
            world.submits(name)

    steps: list[Callable[[], None]] = [
        lambda: None,
        lambda: submit("Chi"),
        lambda: submit("An", "Người 0", "Người 4"),
        lambda: world.put("Người 4", state=m.ACCEPTED),
        lambda: world.put("An", place="strengths"),  # reopened: what was submitted counts
        lambda: world.put("Người 0", state=m.RETURNED),
        lambda: world.put("Lan", state=m.PAPER),
        lambda: world.put("Tú", state=m.IN_PROGRESS),
        exempted,
        moves,
        lambda: submit(*(f"Người {number}" for number in range(7))),
        lambda: submit(*world.ids),
    ]
    seen = set()
    for step in steps:
        step()
        world.now += timedelta(minutes=1)
        world.jobs()
        for unit in (1, 2, 6):
            assert shown(world, unit) == replace(live(world, unit), as_of=world.now)
        seen.add(str(live(world, 1)))
        assert (found := shown(world, 7)) == live(world, 7)  # one cell is never large
        assert found and found.as_of is None
    assert len(seen) == len(steps) - 3  # being accepted, reopened or going on changes no count


def test_a_large_unit_is_shown_as_it_was_counted_and_the_screen_says_when(database: Database) -> None:
    world = played(database)
    world.submits("An")
    world.jobs()
    world.submits("Chi")
    world.now += timedelta(minutes=5)
    text = world.taps("Dung", "committee.show", officer.handle)[0].text
    assert text.splitlines()[:2] == [
        "Đảng bộ Khối · 25/11/2026",
        "Đã nộp 1/15 (6 %). 0/5 chi bộ nộp đủ. "
        "Còn 20 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026). Số liệu tính đến 08:00.",
    ]
    world.jobs()
    again = world.taps("Dung", "committee.show", officer.handle)[0].text
    assert again.splitlines()[1].startswith("Đã nộp 2/15 (13 %).")
    assert again.splitlines()[1].endswith(" Số liệu tính đến 08:05.")


def test_the_digest_of_a_large_unit_is_worded_from_what_was_counted(database: Database) -> None:
    world = played(database)
    world.at("2026-11-26 07:59")
    world.submits("An")
    world.now += timedelta(minutes=1)
    with database.transaction() as db:
        jobs.digest(db, world.now, world.cycle)
    world.deliver()
    assert [text.splitlines()[:2] for text in world.received("Dung")] == [
        [
            "Đảng bộ Khối · 26/11/2026",
            "Đã nộp 0/15 (0 %). 0/5 chi bộ nộp đủ. "
            "Còn 19 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026). Số liệu tính đến 07:59.",
        ]
    ]


def test_what_was_counted_too_long_ago_or_never_is_counted_at_once(database: Database) -> None:
    world = played(database)
    world.submits("An")
    world.now += timedelta(minutes=5, seconds=1)
    assert shown(world, 1) == live(world, 1)
    world.jobs()
    assert shown(world, 1) == replace(live(world, 1), as_of=world.now)
    world.execute(sa.delete(m.Tally))
    assert shown(world, 1) == live(world, 1)


def test_what_was_counted_is_shown_to_officers_of_the_unit_and_above_alone(database: Database) -> None:
    world = played(database)
    found = {
        (name, unit): bool(shown(world, unit, name)) for name in ("Dung", "Chi", "Bình", "An") for unit in (1, 2, 6)
    }
    assert [key for key, seen in found.items() if seen] == [("Dung", 1), ("Dung", 2), ("Dung", 6), ("Chi", 2)]


def test_only_what_changed_is_written_and_what_is_not_large_any_more_goes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = played(database)

    def counted() -> tuple[list[int], list[int]]:
        with database.transaction(read_only=True) as db:
            found = jobs.count(db, world.now)
        assert found
        with database.transaction() as db:
            jobs.tally(db, found)
        return sorted(found.units), sorted(found.changed)

    assert counted() == ([1, 2, 6], [])
    world.submits("An")
    assert counted() == ([1, 2, 6], [1, 2])
    monkeypatch.setattr(tallies, "LARGE", 3)
    assert counted() == ([1], [])
    with database.transaction(read_only=True) as db:
        assert db.execute(sa.select(m.Tally.unit_id)).scalars().all() == [1]


async def test_the_clock_counts_while_somebody_writes_and_its_heartbeat_is_when_it_began(database: Database) -> None:
    world = played(database)
    world.execute(sa.delete(m.Tally))
    world.now += timedelta(minutes=1)
    clock = Clock(database, lambda: world.now, lambda: None, SAIGON)
    with database.transaction() as db:
        db.execute(sa.update(m.Assessment).values(active_at=world.now))
        found = await database.read(lambda read: jobs.count(read, world.now))  # waits for nobody
    assert found and sorted(found.changed) == [1, 2, 6]
    await clock.tick("tally")
    with database.transaction(read_only=True) as db:
        assert job_runs.newest(db)["tally"] == (world.now, 0, 0)
    assert shown(world, 1) == replace(live(world, 1), as_of=world.now)


def test_counting_reads_off_the_covering_index_and_showing_reads_two_keys(sqlite: Database) -> None:
    world = played(sqlite)
    assert sqlite.file is not None

    def plans(ran: Ran, table: str) -> list[str]:
        with closing(sqlite3.connect(sqlite.file or "")) as db:
            return [
                row[3]
                for statement, parameters in dict(ran).items()
                if f"FROM {table}" in statement
                for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]

    with every_statement(sqlite) as ran, sqlite.transaction(read_only=True) as db:
        jobs.count(db, world.now)
    assert plans(ran, "assessment") == [
        "SEARCH assessment USING COVERING INDEX ix_assessment_unit (cycle_id=?)",
    ]
    with every_statement(sqlite) as ran:
        shown(world, 1)
    assert plans(ran, "assessment") == []
    assert sorted(plans(ran, "tally")) == [
        "SEARCH job_run USING INDEX sqlite_autoindex_job_run_1 (name=?)",
        "SEARCH tally USING INDEX sqlite_autoindex_tally_1 (cycle_id=? AND unit_id=?)",
    ]
