"""The switch that stops everything nobody asked for, and starts it again without sending anything late."""

from datetime import datetime

from bot import jobs
from handlers.texts import say
from handlers.turn import current_cycle
from storage import audit, notes, outbox
from storage.database import Db


def pause(db: Db, now: datetime, lang: str) -> str:
    """From now on no reminder, digest or notice goes out. Whoever writes is answered as always."""
    if notes.paused(db):
        return say(lang, "pause.already")
    notes.write(db, notes.PAUSED, now.isoformat())
    audit.record(db, "paused", now)
    return say(lang, "pause.paused")


def resume(db: Db, now: datetime, lang: str) -> str:
    """Go on. Reminders and digests that became due meanwhile are dropped; the next reminders go as planned. Other
    notices (a review was returned, say) were held back and go out now."""
    if not notes.paused(db):
        return say(lang, "pause.not_paused")
    cycle = current_cycle(db)
    while cycle is not None and jobs.remind(db, now, cycle).more:  # while paused the times only move on
        pass
    expired = outbox.expire_due(db, now)
    notes.write(db, notes.PAUSED, None)
    audit.record(db, "resumed", now)
    return say(lang, "pause.resumed", expired=expired)
