"""One switch stops everything nobody asked for; going on sends nothing late."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from bot import jobs
from bot.pause import pause, resume
from handlers.messages import Message, dumps
from handlers.turn import current_cycle
from storage import claims, outbox
from storage import models as m
from storage.database import Database
from storage.outbox import Outgoing
from tests.seeded import seed

SLOT = datetime(2026, 12, 8, 1, 0, tzinfo=UTC)  # seven days before the deadline, 08:00
LAST = datetime(2026, 12, 14, 1, 0, tzinfo=UTC)  # the day before it
BEFORE, AFTER = SLOT - timedelta(hours=1), SLOT + timedelta(hours=2)


@pytest.fixture
def season(database: Database) -> Database:
    """Three people who are to be reminded at SLOT, and a notice to the first of them that waits."""
    seed(database)
    with database.transaction() as db:
        db.execute(sa.update(m.Assessment).values(remind_at=SLOT))
        outbox.put(
            db, key="returned:1", kind=m.NOTICE, address_id=1, person_id=1, now=BEFORE, body=dumps(Message("Mời xem"))
        )
    return database


def remind(database: Database, now: datetime) -> int:
    with database.transaction() as db:
        cycle = current_cycle(db)
        assert cycle is not None
        return jobs.remind(db, now, cycle).put_out


def claim(database: Database, now: datetime) -> str | None:
    def word(db: sa.Connection, row: Outgoing, at: datetime) -> str:
        return dumps(Message("Nhắc"))

    with database.transaction() as db:
        row = claims.claim_notice(db, "run", ("telegram", "1"), now, word)
        return row.key if row else None


def times(database: Database) -> list[datetime | None]:
    with database.transaction(read_only=True) as db:
        return list(db.scalars(sa.select(m.Assessment.remind_at)))


def test_while_paused_nothing_is_put_and_nothing_that_waits_goes_out(season: Database) -> None:
    with season.transaction() as db:
        assert (
            pause(db, BEFORE, "en")
            == "Paused: no reminder, digest or notice goes out. Whoever writes is still answered."
        )
        assert pause(db, BEFORE, "en") == "It is paused already."
    assert remind(season, SLOT) == 0
    assert claim(season, SLOT) is None
    assert times(season) == [LAST] * 3


def test_going_on_drops_what_became_due_meanwhile_and_sends_what_was_held_back(season: Database) -> None:
    assert remind(season, SLOT) == 3  # put before the pause, not sent yet
    with season.transaction() as db:
        pause(db, SLOT, "en")
        assert resume(db, AFTER, "en") == (
            "Goes on. 3 reminders and digests that became due meanwhile were dropped, not sent late; "
            "reminders go on as planned."
        )
        assert resume(db, AFTER, "en") == "It is not paused."
        assert list(db.scalars(sa.select(m.Audit.action))) == ["paused", "resumed"]
    assert [claim(season, AFTER), claim(season, AFTER)] == ["returned:1", None]
    assert remind(season, AFTER) == 0


def test_a_reminder_whose_hour_came_while_nothing_ran_is_not_made_up_for_after_a_pause(season: Database) -> None:
    with season.transaction() as db:
        pause(db, BEFORE, "en")
    with season.transaction() as db:
        resume(db, AFTER, "en")
    assert times(season) == [LAST] * 3
    assert remind(season, AFTER) == 0
    assert remind(season, LAST) == 3
