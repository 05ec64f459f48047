"""*Tối nay*, *Ngày mai*, *Vì sao tôi nhận tin này*: what a person says to a reminder."""

from datetime import timedelta

from handlers import notices
from handlers.calendar import local_day, moment, next_reminder
from handlers.cycles import Cycle
from handlers.messages import Message
from handlers.texts import say
from handlers.turn import Turn
from storage import outbox, reminders
from storage.assessments import Assessment

MOVES = ("tonight", "tomorrow", "why")


def handle(turn: Turn, assessment: Assessment, move: str) -> list[Message]:
    """Answer one of MOVES, said by who owes this *assessment* while the season takes it."""
    cycle = turn.cycle
    assert cycle is not None
    said = because(turn, cycle, assessment) if move == "why" else snoozed(turn, cycle, assessment, move)
    return [Message(said, moves=notices.moves(turn.lang, cycle, assessment.id, turn.now, why=False))]


def snoozed(turn: Turn, cycle: Cycle, assessment: Assessment, move: str) -> str:
    """Set the reminder that was asked for, and take back the one that waits; or say why it cannot be."""
    if move == "tonight" and not notices.may_ask_for_tonight(cycle, turn.now):
        return say(turn.lang, "reminder.too_late_tonight")
    today = local_day(cycle, turn.now)
    tomorrow = today + timedelta(days=1)
    at = moment(cycle, today, cycle.tonight) if move == "tonight" else moment(cycle, tomorrow, cycle.tomorrow)
    if at > cycle.closes:
        return say(turn.lang, "reminder.after_closing", closes=notices.when(turn.lang, cycle, cycle.closes))
    reminders.snooze(turn.db, assessment.id, at)
    outbox.withdraw_reminders(turn.db, assessment.id, "snoozed")
    return say(turn.lang, "reminder.snoozed", at=notices.when(turn.lang, cycle, at))


def because(turn: Turn, cycle: Cycle, assessment: Assessment) -> str:
    """Why this person is reminded, by which rule, when next, and how it ends."""
    following = next_reminder(
        cycle,
        reminded=assessment.reminded,
        reminded_at=assessment.reminded_at,
        snoozed_until=assessment.snoozed_until,
        after=turn.now,
    )
    so_far = say(turn.lang, "reminder.so_far", number=assessment.reminded) if assessment.reminded else ""
    at = notices.when(turn.lang, cycle, following) if following else ""
    coming = say(turn.lang, "reminder.next", at=at) if at else say(turn.lang, "reminder.no_next")
    return say(
        turn.lang,
        "reminder.because",
        name=cycle.name,
        history=f"{so_far} {coming}".strip(),
        at_most=cycle.at_most,
        gap=f"{cycle.minimum_gap / timedelta(hours=1):g}",
        quiet_from=f"{cycle.quiet_from:%H:%M}",
        quiet_until=f"{cycle.quiet_until:%H:%M}",
    )
