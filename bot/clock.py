"""Which job runs when: APScheduler only wakes them, the rows say what is due."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot import jobs
from bot.checkpoints import checkpoint
from handlers.turn import current_cycle
from storage.database import Database, Db
from storage.tallies import JOB

log = structlog.get_logger()


JOBS = {"remind": 30, "digest": 60, "close": 60, "tidy": 3600, "tally": 60}  # seconds between two looks
WATCH = 5.0  # seconds between two looks at whether the jobs have been woken in time


def run_job(db: Db, name: str, now: datetime, counted: jobs.Counted | None) -> jobs.Done:
    """Run one job in this transaction; without a season there is nothing to remind of. *counted*: for ``tally``."""
    match name, current_cycle(db):
        case "close", _:
            return jobs.close(db, now)
        case "tidy", _:
            return jobs.tidy(db, now)
        case "tally", _ if counted is not None:
            return jobs.tally(db, counted)
        case "remind", cycle if cycle is not None:
            return jobs.remind(db, now, cycle)
        case "digest", cycle if cycle is not None:
            return jobs.digest(db, now, cycle)
    return jobs.Done()


class Clock:
    """A handful of jobs in memory. Running one twice, in one process or in four, is harmless.

    APScheduler waits for a time of the wall clock. A monotonic loop beside it makes due at once whatever was not woken
    within its period: every job at the start, and all of them after the wall clock was set back.
    """

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        wake: Callable[[], None],
        zone: Any,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.database, self.now, self.wake, self.zone = database, now, wake, zone
        self.monotonic, self.sleep = monotonic, sleep
        self.ticked = monotonic()  # when it started, or a job last ended, well or not: for health
        self.woken: dict[str, float] = {}  # when each job was last woken, monotonic
        self.watching: asyncio.Task[None] | None = None
        self.scheduler = AsyncIOScheduler(
            timezone=zone, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        for name, seconds in JOBS.items():
            self.scheduler.add_job(self.tick, "interval", args=[name], seconds=seconds, id=name)

    async def tick(self, name: str) -> jobs.Done:
        """Run one job until nothing is left of it. A failure is logged, and the next look tries again."""

        counted: jobs.Counted | None = None

        def run(db: Db) -> jobs.Done:
            done = run_job(db, name, self.now(), counted)
            checkpoint("job.before_commit")
            return done

        self.woken[name] = self.monotonic()
        expected = put_out = 0
        more = True
        while more:
            try:
                if name == JOB:
                    counted = await self.database.read(partial(jobs.count, now=self.now()))
                done = await self.database.write(run)
            except Exception as error:
                log.error("clock.job_failed", job=name, error=type(error).__name__, exc_info=error)
                break
            expected, put_out, more = expected + done.expected, put_out + done.put_out, done.more
            checkpoint("job.committed")
        self.ticked = self.monotonic()
        if put_out:
            log.info("clock.job", job=name, expected=expected, put_out=put_out)
            self.wake()
        return jobs.Done(expected, put_out)

    async def tick_all(self) -> dict[str, jobs.Done]:
        """Run every job once: for a clock that was moved."""
        return {name: await self.tick(name) for name in JOBS}

    def start(self) -> None:
        """Begin to tick, every job at once."""
        self.ticked = self.monotonic()
        self.scheduler.start()
        self.watching = asyncio.get_running_loop().create_task(self._watch())

    def stop(self) -> None:
        """Tick no more."""
        if self.watching is not None:
            self.watching.cancel()
        self.scheduler.shutdown(wait=False)

    async def _watch(self) -> None:
        while True:
            self.wake_overdue()
            await self.sleep(WATCH)

    def wake_overdue(self) -> None:
        """Make every job due that was not woken for its period and a moment more, by a clock that nobody can set."""
        at = self.monotonic()
        for name, seconds in JOBS.items():
            if name in self.woken and at - self.woken[name] < seconds + WATCH:
                continue
            self.woken[name] = at
            self.scheduler.modify_job(name, next_run_time=datetime.now(self.zone))
