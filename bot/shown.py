"""Counts the reminders that a web page says it has shown."""

from datetime import datetime

from bot.wording import asked_for, count
from handlers.turn import current_cycle
from storage import assessments, reminders, webchat
from storage import models as m
from storage.database import Db


def mark_shown(db: Db, address_id: int, seq: int, now: datetime) -> None:
    """A page has shown everything up to *seq*: what it shows for the first time is sent now, and reminders count now.

    The next reminder of who still owes a review is due as after any other; who submitted meanwhile has none.
    """
    cycle = current_cycle(db)
    for outgoing in webchat.mark_shown(db, address_id, seq, now):
        if outgoing.kind != m.REMINDER or outgoing.assessment_id is None or cycle is None or not cycle.runs(now):
            continue
        reminders.lock(db, outgoing.assessment_id)
        assessment = assessments.by_id(db, outgoing.assessment_id)
        if assessment is not None and assessment.owes and assessment.cycle_id == cycle.id:
            count(db, outgoing, cycle, assessment, now, more=not asked_for(outgoing))
