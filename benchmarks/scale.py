"""What grows with the number of members: who is due, how far the cells are, putting reminders, one answer.

    .venv/bin/python -m benchmarks.scale [--people 10000 100000 1000000] [--runs 7] [--on SQLite PostgreSQL]

Milliseconds, medians, through the program's own functions, on SQLite and PostgreSQL; beside each the ratio to the
smallest size. Always 3,000 members are due, and a batch takes 500. The committee's screen is worded, too; from 2,000
cells on it comes from what the clock counted, without holding anybody up, and kept.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from benchmarks.seed import IN_A_CELL, seed
from bot import jobs
from handlers import digests
from handlers.progress import summary, summed
from handlers.turn import current_cycle
from storage import assessments, outbox, people, progress, reminders
from storage import models as m
from storage.database import Database, Db
from tests.postgres import Postgres

DUE, BATCH = 3_000, 500
NOW = datetime.now(UTC)


def timed(database: Database, work: Callable[[Db, int], object], runs: int, *, keep: bool = False) -> float:
    """Milliseconds of *work* in a transaction, its commit included where it is kept; median."""
    took = []
    for number in range(runs):
        with database.engine.connect() as db:
            began = time.perf_counter()
            with db.begin() as transaction:
                work(db, number)
                if not keep:
                    took.append(time.perf_counter() - began)
                    transaction.rollback()
            if keep:
                took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3


def spread_due(database: Database, members: int) -> None:
    """Make 3,000 of them due, spread over the whole table."""
    with database.transaction() as db:
        every = max(1, members // DUE)
        due = sa.update(m.Assessment).where(m.Assessment.id % every == 0, m.Assessment.id <= every * DUE)
        db.execute(due.values(remind_at=NOW - timedelta(hours=1)))


def measured(database: Database, members: int, runs: int) -> dict[str, float]:
    """Every figure at one size."""
    seed(database, members, NOW)
    spread_due(database, members)
    with database.transaction(read_only=True) as db:
        officer = people.by_id(db, 1)
        cycle = current_cycle(db)
        # An organisation of 10 cells stands for 800: the committee's roll-up is of all cells.
        below = db.execute(sa.select(m.Unit.id).where(m.Unit.kind == "organisation").limit(1)).scalar_one()
        person = people.by_id(db, members // 2)
    assert officer is not None
    assert cycle is not None
    assert person is not None

    def due(db: Db, _: int) -> None:
        assert len(reminders.due(db, NOW, BATCH)) == BATCH

    def floor(db: Db, _: int) -> None:
        ids = range(members // 2, members // 2 + BATCH)
        assert len(db.execute(sa.select(m.Assessment).where(m.Assessment.id.in_(ids))).all()) == BATCH

    def organisation(db: Db, _: int) -> None:
        assert progress.rollup(db, officer, below, cycle.id)

    def at_once(db: Db, _: int) -> None:
        found = progress.rollup(db, officer, 1, cycle.id)
        assert found is not None
        assert len(found.cells) == -(-members // IN_A_CELL)
        digests.rollup("vi", cycle, summed(found), NOW)

    def counting(db: Db, _: int) -> None:
        assert jobs.count(db, NOW)

    def keeping(db: Db, _: int) -> None:
        jobs.tally(db, counted)

    def kept(db: Db, _: int) -> None:
        found = summary(db, officer, 1, cycle, NOW)
        assert found is not None
        assert found.cells == -(-members // IN_A_CELL)
        digests.rollup("vi", cycle, found, NOW)

    def put(db: Db, _: int) -> None:
        rows = [
            {"key": f"reminder:{n}:2026-12-01", "kind": m.REMINDER, "address_id": n, "person_id": n,
             "assessment_id": n, "due_at": NOW, "expires_at": NOW + timedelta(hours=9)}
            for n in range(1, DUE + 1)
        ]  # fmt: skip
        outbox.put_notices(db, rows, NOW)

    def one_answer(db: Db, number: int) -> None:
        mine = assessments.of(db, person.id, cycle.id)
        assert mine is not None
        assessments.save(
            db,
            assessments.Step(
                mine,
                writes=[(f"q{number}", "Được giao 40 việc, xong 44.", True)],
                place="a1_2",
                state=m.IN_PROGRESS,
                remind_at=mine.remind_at,
                now=NOW,
                address_id=person.id,
            ),
        )

    with database.transaction(read_only=True) as db:
        counted = jobs.count(db, NOW)
    assert counted is not None
    return {
        f"the next {BATCH} who are due": timed(database, due, runs),
        f"(floor: {BATCH} rows by id)": timed(database, floor, runs),
        "roll-up of an organisation, 10 cells": timed(database, organisation, runs),
        "the committee's screen, counted at once": timed(database, at_once, runs),
        "counting for it, the clock, each minute": timed(database, counting, runs),
        "keeping that, commit": timed(database, keeping, runs, keep=True),
        "the committee's screen, from what is kept": timed(database, kept, runs),
        f"put {DUE:,} reminders, commit": timed(database, put, 1, keep=True),
        "put them again: nothing new": timed(database, put, runs, keep=True),
        "one answer, commit": timed(database, one_answer, runs, keep=True),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--on", nargs="+", default=["SQLite", "PostgreSQL"])
    given = parser.parse_args()
    server = Postgres(durable=True)
    with tempfile.TemporaryDirectory() as folder:
        for kind in given.on:
            found = []
            for number in given.people:
                server.execute(f"CREATE DATABASE scale{number}")
                url = f"sqlite:///{Path(folder, str(number))}.db" if kind == "SQLite" else server.url(f"scale{number}")
                database = Database(url)
                found.append(measured(database, number, given.runs))
                database.close()
                server.execute(f"DROP DATABASE scale{number}")
            print(f"\n| {kind}, ms | " + " | ".join(f"{n:,} | x" for n in given.people) + " |")
            print("|---|" + "---|" * 2 * len(given.people))
            for name, first in found[0].items():
                cells = " | ".join(f"{each[name]:.2f} | {each[name] / first:.1f}" for each in found)
                print(f"| {name} | {cells} |")
    server.stop()


if __name__ == "__main__":
    main()
