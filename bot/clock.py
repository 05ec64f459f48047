"""Which job runs when: APScheduler only wakes them, the rows say what is due."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot import jobs
from bot.checkpoints import checkpoint
from handlers.turn import current_cycle
from storage.database import Database, Db

log = structlog.get_logger()


JOBS = {"remind": 30, "digest": 60, "close": 60, "tidy": 3600}  # seconds between two looks


def run_job(db: Db, name: str, now: datetime) -> jobs.Done:
    """Run one job in this transaction; without a season there is nothing to remind of."""
    match name, current_cycle(db):
        case "close", _:
            return jobs.close(db, now)
        case "tidy", _:
            return jobs.tidy(db, now)
        case "remind", cycle if cycle is not None:
            return jobs.remind(db, now, cycle)
        case "digest", cycle if cycle is not None:
            return jobs.digest(db, now, cycle)
    return jobs.Done()


class Clock:
    """A handful of jobs in memory. Running one twice, in one process or in four, is harmless."""

    def __init__(self, database: Database, now: Callable[[], datetime], wake: Callable[[], None], zone: Any) -> None:
        self.database, self.now, self.wake = database, now, wake
        self.ticked = time.monotonic()  # when a job last ended, well or not, for health
        self.scheduler = AsyncIOScheduler(
            timezone=zone, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        for name, seconds in JOBS.items():
            self.scheduler.add_job(self.tick, "interval", args=[name], seconds=seconds, id=name)

    async def tick(self, name: str) -> jobs.Done:
        """Run one job until nothing is left of it. A failure is logged, and the next look tries again."""

        def run(db: Db) -> jobs.Done:
            done = run_job(db, name, self.now())
            checkpoint("job.before_commit")
            return done

        expected = put_out = 0
        more = True
        while more:
            try:
                done = await self.database.write(run)
            except Exception as error:
                log.error("clock.job_failed", job=name, error=type(error).__name__, exc_info=error)
                break
            expected, put_out, more = expected + done.expected, put_out + done.put_out, done.more
            checkpoint("job.committed")
        self.ticked = time.monotonic()
        if put_out:
            log.info("clock.job", job=name, expected=expected, put_out=put_out)
            self.wake()
        return jobs.Done(expected, put_out)

    async def tick_all(self) -> dict[str, jobs.Done]:
        """Run every job once: for a clock that was moved."""
        return {name: await self.tick(name) for name in JOBS}

    def start(self) -> None:
        """Begin to tick."""
        self.scheduler.start()

    def stop(self) -> None:
        """Tick no more."""
        self.scheduler.shutdown(wait=False)
