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
    """Answer one of MOVES of the person's own *assessment*."""
    cycle = turn.cycle
    if cycle is None or not assessment.owes or cycle.accepts(turn.now, assessment.active_at) == "closed":
        return [Message(say(turn.lang, "reminder.nothing_to_remind"))]
    if move == "why":
        return [_answer(turn, cycle, assessment, because(turn, cycle, assessment))]
    if move == "tonight" and not notices.may_ask_for_tonight(cycle, turn.now):
        return [_answer(turn, cycle, assessment, say(turn.lang, "reminder.too_late_tonight"))]
    today = local_day(cycle, turn.now)
    at = (
        moment(cycle, today, cycle.tonight)
        if move == "tonight"
        else moment(cycle, today + timedelta(days=1), cycle.tomorrow)
    )
    if at > cycle.closes:
        closes = notices.when(turn.lang, cycle, cycle.closes)
        return [_answer(turn, cycle, assessment, say(turn.lang, "reminder.after_closing", closes=closes))]
    reminders.snooze(turn.db, assessment.id, at, at)
    outbox.withdraw_reminders(turn.db, assessment.id, "snoozed")
    return [_answer(turn, cycle, assessment, say(turn.lang, "reminder.snoozed", at=notices.when(turn.lang, cycle, at)))]


def because(turn: Turn, cycle: Cycle, assessment: Assessment) -> str:
    """Why this person is reminded, by which rule, when next, and how it ends."""
    following = next_reminder(
        cycle,
        reminded=assessment.reminded,
        reminded_at=assessment.reminded_at,
        snoozed_until=assessment.snoozed_until,
        after=turn.now,
    )
    return say(
        turn.lang,
        "reminder.because",
        name=cycle.name,
        reminded=assessment.reminded,
        next=say(turn.lang, "reminder.next", at=notices.when(turn.lang, cycle, following))
        if following
        else say(turn.lang, "reminder.no_next"),
        at_most=cycle.at_most,
        gap=f"{cycle.minimum_gap / timedelta(hours=1):g}",
        quiet_from=f"{cycle.quiet_from:%H:%M}",
        quiet_until=f"{cycle.quiet_until:%H:%M}",
    )


def _answer(turn: Turn, cycle: Cycle, assessment: Assessment, text: str) -> Message:
    return Message(text, moves=notices.moves(turn.lang, cycle, assessment.id, turn.now, why=False))
