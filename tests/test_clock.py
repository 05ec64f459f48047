"""When the clock looks: at once, and however the wall clock is set."""

import asyncio
from datetime import UTC, datetime, timedelta

from bot.clock import JOBS, Clock
from storage import job_runs
from storage.database import Database
from tests.fakes import FakeClock, FakeTime, until
from tests.seeded import seed


def ran(database: Database) -> dict[str, datetime]:
    with database.transaction(read_only=True) as db:
        return {name: at for name, (at, _, _) in job_runs.newest(db).items()}


async def test_every_job_looks_at_once_after_a_start(sqlite: Database) -> None:
    """A process that is started anew every 25 seconds still reminds."""
    seed(sqlite)
    now = FakeClock()
    clock = Clock(sqlite, now, lambda: None, UTC)
    clock.start()
    await until(lambda: ran(sqlite) == dict.fromkeys(JOBS, now()), 5)
    clock.stop()


async def test_a_wall_clock_set_back_keeps_no_job_from_running(sqlite: Database) -> None:
    seed(sqlite)
    now, time = FakeClock(), FakeTime()
    clock = Clock(sqlite, now, lambda: None, UTC, monotonic=time, sleep=time.sleep)
    clock.start()
    await until(lambda: ran(sqlite) == dict.fromkeys(JOBS, now()), 5)
    for job in clock.scheduler.get_jobs():  # what is due stays where it was, an hour ahead
        job.modify(next_run_time=datetime.now(UTC) + timedelta(hours=1))
    before = now()
    now.forward(hours=-1)
    time.passes(34)
    await asyncio.sleep(0)
    assert ran(sqlite) == dict.fromkeys(JOBS, before)
    time.passes(6)  # past the next look, whichever of the two steps woke it
    await until(lambda: ran(sqlite)["remind"] == now(), 5)
    time.passes(30)
    await until(lambda: ran(sqlite)["digest"] == now() == ran(sqlite)["close"], 5)
    clock.stop()


async def test_a_job_that_was_woken_in_time_is_left_alone(sqlite: Database) -> None:
    time = FakeTime()
    clock = Clock(sqlite, FakeClock(), lambda: None, UTC, monotonic=time, sleep=time.sleep)
    await clock.tick_all()
    time.at = 20.0
    clock.start()
    far = datetime.now(UTC) + timedelta(hours=1)
    for job in clock.scheduler.get_jobs():
        job.modify(next_run_time=far)
    clock.wake_overdue()
    assert {job.next_run_time for job in clock.scheduler.get_jobs()} == {far}
    clock.stop()
