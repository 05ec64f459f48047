"""What must not stand still, and does: for ``check``, for health, for the operator's eyes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.clock import JOBS
from handlers.calendar import is_quiet
from handlers.texts import say
from handlers.turn import current_cycle
from storage import job_runs, notes, pulse, stuck
from storage.database import Db

LATE = timedelta(minutes=10)  # what should have happened so long ago and has not is an alarm
LOOKS = 3  # times a job may be missed


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that stands still: the name of its text, and the numbers in it."""

    name: str
    values: dict[str, Any]

    def sentence(self, lang: str) -> str:
        """What it is, and what to do."""
        return say(lang, f"alarm.{self.name}", **self.values)


def alarms(db: Db, now: datetime) -> list[Alarm]:
    """Everything that stands still now."""
    found = [*_clock(db, now)]
    states = stuck.counts(db, now)
    if states:
        found.append(Alarm("outbox", {"count": sum(states.values())}))
    kept, _ = pulse.kept_turns(db)
    if kept:
        found.append(Alarm("inbox", {"count": kept}))
    return found


def _clock(db: Db, now: datetime) -> list[Alarm]:
    cycle = current_cycle(db)
    if cycle is None or cycle.closed or now < cycle.opens:
        return []
    found = []
    runs = job_runs.newest(db)
    for name, seconds in JOBS.items():
        at = runs[name][0] if name in runs else cycle.opens
        if now - at > max(LATE, LOOKS * timedelta(seconds=seconds)):
            found.append(Alarm(f"job_{name}", {"minutes": int((now - at).total_seconds()) // 60}))
    expected = pulse.overdue(db, cycle.id, now - LATE)
    if expected and not notes.paused(db) and not is_quiet(cycle, now) and not is_quiet(cycle, now - LATE):
        found.append(Alarm("nothing_put", {"expected": expected}))
    return found
