"""Working days, quiet hours, and when a reminder is due."""

from datetime import datetime

from handlers.cycles import Cycle


def next_reminder(
    cycle: Cycle,
    *,
    reminded: int,
    reminded_at: datetime | None,
    snoozed_until: datetime | None,
    after: datetime,
) -> datetime | None:
    """When somebody who owes is to be reminded next, always later than *after*; None: no more.

    *reminded* is how many reminders they got so far, *reminded_at* the last of them.
    """
    raise NotImplementedError
