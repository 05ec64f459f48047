"""What officers of large units are shown: counted by the clock, for to count them takes as long as a turn may not."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from storage import models as m
from storage.database import Db, put
from storage.people import Person
from storage.progress import path_for

JOB = "tally"  # its heartbeat is the time as of which everything here was counted
LARGE = 2_000  # cells: a unit with no more is counted whenever it is looked at
FRESH = timedelta(minutes=5)


def fresh(db: Db, asker: Person, unit_id: int, cycle_id: int, now: datetime) -> tuple[dict[str, Any], datetime] | None:
    """What was counted of a large unit and when, for an officer of it or above it; None where there is nothing."""
    found = db.execute(
        sa.select(m.Tally.body, m.JobRun.at)
        .join(m.JobRun, m.JobRun.name == JOB)
        .where(m.Tally.cycle_id == cycle_id, m.Tally.unit_id == unit_id, m.JobRun.at >= now - FRESH)
    ).first()
    return (found.body, found.at) if found and path_for(db, asker, unit_id) else None


def kept(db: Db, cycle_id: int) -> dict[int, dict[str, Any]]:
    """Everything that was counted the last time, by unit."""
    rows = db.execute(sa.select(m.Tally.unit_id, m.Tally.body).where(m.Tally.cycle_id == cycle_id))
    return {row.unit_id: row.body for row in rows}


def keep(db: Db, cycle_id: int, units: Collection[int], changed: Mapping[int, dict[str, Any]]) -> None:
    """Keep what changed of these units, and nothing of any other unit or cycle."""
    db.execute(sa.delete(m.Tally).where((m.Tally.cycle_id != cycle_id) | m.Tally.unit_id.not_in(units)))
    for unit in sorted(changed):
        put(db, m.Tally, {"cycle_id": cycle_id, "unit_id": unit, "body": changed[unit]}, change=["body"])
