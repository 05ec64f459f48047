"""Messages nobody asked for: a reminder, and that a season has opened. They never carry what somebody wrote."""

from datetime import datetime

from handlers.calendar import local_day
from handlers.cycles import Cycle
from handlers.messages import Message, Move
from handlers.texts import say

Stage = tuple[int, int]
"""Where filling stands: the question's number, of how many. The number past the last: only to be read and submitted."""


def when(lang: str, cycle: Cycle, at: datetime) -> str:
    """A moment on the organisation's clock, in words."""
    local = cycle.local(at)
    return say(lang, "reminder.when", time=f"{local:%H:%M}", day=f"{local:%d/%m/%Y}")


def left(lang: str, cycle: Cycle, now: datetime) -> str:
    """How long there is to the deadline, in whole local days; before and after the season, that it is not on."""
    if cycle.closed or now > cycle.closes:
        return closed(lang, cycle, now)
    if now < cycle.opens:
        return say(lang, "reminder.not_open", opens=when(lang, cycle, cycle.opens))
    days = (local_day(cycle, cycle.due) - local_day(cycle, now)).days
    if now > cycle.due:
        return say(lang, "reminder.overdue", due=when(lang, cycle, cycle.due), closes=when(lang, cycle, cycle.closes))
    name = {0: "due_today", 1: "due_tomorrow"}.get(days, "due_later")
    return say(lang, f"reminder.{name}", days=days, due=when(lang, cycle, cycle.due))


def closed(lang: str, cycle: Cycle, now: datetime) -> str:
    """That the season is over; since when, unless somebody closed it before its time."""
    if now > cycle.closes:
        return say(lang, "reminder.closed", closes=when(lang, cycle, cycle.closes))
    return say(lang, "reminder.closed_early")


def deadline(lang: str, cycle: Cycle, now: datetime) -> str:
    """The deadline; once it is over, until when the review is still taken."""
    if now > cycle.due:
        return left(lang, cycle, now)
    return say(lang, "reminder.deadline", due=when(lang, cycle, cycle.due))


def standing(lang: str, state: str, stage: Stage | None) -> str:
    """Where the person stopped."""
    if state == "returned":
        return say(lang, "reminder.returned")
    if state == "not_started" or stage is None:
        return say(lang, "reminder.not_started")
    number, total = stage
    if number > total:
        return say(lang, "reminder.in_review")
    return say(lang, "reminder.in_progress", number=number, total=total)


def reminder(
    lang: str,
    cycle: Cycle,
    assessment_id: int,
    now: datetime,
    *,
    state: str,
    stage: Stage | None,
) -> Message:
    """The reminder of somebody who owes: how long is left, where they stopped, and what they may do."""
    text = f"{left(lang, cycle, now)}\n{standing(lang, state, stage)}"
    return Message(text, moves=moves(lang, cycle, assessment_id, now, why=True))


def moves(lang: str, cycle: Cycle, assessment_id: int, now: datetime, *, why: bool) -> tuple[Move, ...]:
    """What a reminder offers; *tonight* only while it is still some way off."""
    offered = ["continue", "tonight", "tomorrow", "why"]
    if not may_ask_for_tonight(cycle, now):
        offered.remove("tonight")
    if not why:
        offered.remove("why")
    return tuple(Move(f"{assessment_id}.{name}", say(lang, f"reminder.{name}")) for name in offered)


def may_ask_for_tonight(cycle: Cycle, now: datetime) -> bool:
    """Whether *tonight* is on offer."""
    return cycle.local(now).time() <= cycle.tonight_until


def opened(lang: str, cycle: Cycle, assessment_id: int) -> Message:
    """The first notice of a season, to somebody who is linked already and owes a review."""
    return Message(
        say(lang, "reminder.opened", name=cycle.name, due=when(lang, cycle, cycle.due)),
        moves=(Move(f"{assessment_id}.continue", say(lang, "reminder.begin")),),
    )
