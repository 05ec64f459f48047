"""Filling in one's own assessment: load, one step, save, and what follows when it is submitted."""

from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from handlers import mine, notices, own, snooze
from handlers.cycles import Cycle
from handlers.draft import CONFIRM, SUBMITTED, Filling
from handlers.filling import step
from handlers.messages import Event, Message, Said, Tapped, heard
from handlers.texts import say
from handlers.turn import Turn
from storage import addresses, assessments, outbox
from storage import models as m
from storage.assessments import Assessment, Step

PLACE = "fill"
_CODE = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # nothing that is taken for something else when read aloud


def handle(turn: Turn) -> list[Message]:
    """One step of the form. ``fill.open``, a reminder's *continue* and an old button show where the person is."""
    assessment = own.assessment(turn)
    if isinstance(assessment, Message):
        return [assessment]
    assert turn.cycle is not None
    if not assessment.editable:
        return [mine.show(turn)]
    taken = own.taken(turn, assessment)
    if taken in ("early", "closed"):
        return [mine.show(turn).after(_lost(turn, assessment))]
    event = _meant(turn, turn.cycle, assessment)
    for move in snooze.MOVES:
        if assessment.owes and event == Tapped(f"{assessment.id}.{move}"):
            return snooze.handle(turn, assessment, move)
    after, message = step(own.filling(turn, assessment), event)
    if after.place == SUBMITTED:
        return [submit(turn, assessment, after, late=taken == "late")]
    if turn.address.place != PLACE:
        addresses.go(turn.db, turn.address.id, PLACE)
    started = m.IN_PROGRESS if assessment.state == m.NOT_STARTED and after.writes else assessment.state
    turn.group.save(_step(turn, assessment, after, state=started, remind_at=assessment.remind_at))
    if after.place == CONFIRM and taken == "late":
        return [message.after(_lateness(turn, turn.cycle, assessment))]
    return [message]


def _lost(turn: Turn, assessment: Assessment) -> str:
    """That what was just said or chosen is not stored; "" where nothing would have been."""
    if isinstance(turn.event, Said):
        return say(turn.lang, "fill.not_taken")
    after, _ = step(own.filling(turn, assessment), turn.event)
    return say(turn.lang, "fill.not_chosen") if after.writes else ""


def _lateness(turn: Turn, cycle: Cycle, assessment: Assessment) -> str:
    """What submitting now means after the deadline: nothing to who submitted before it."""
    due, closes = (_moment(turn, at) for at in (cycle.due, cycle.closes))
    before = assessments.last_submission(turn.db, assessment.id) if assessment.submitted_at else None
    name = "fill.late" if before is None or before.first_late else "fill.late_again"
    if own.in_grace(turn, assessment):
        name = "fill.grace" if before is None or before.first_late else "fill.grace_again"
    return say(turn.lang, name, due=due, closes=closes)


def _meant(turn: Turn, cycle: Cycle, assessment: Assessment) -> Event:
    """What the person meant. A reminder that was sent is still on offer: *Tối nay*, typed, answers no question."""
    if assessment.reminded_at is None or not assessment.owes:
        return turn.event
    return heard(Message("", moves=notices.moves(turn.lang, cycle, assessment.id, turn.now, why=True)), turn.event)


def submit(turn: Turn, assessment: Assessment, after: Filling, *, late: bool) -> Message:
    """Keep what was submitted as it is now, take back every reminder, and give the receipt: one transaction."""
    assert turn.cycle is not None
    assessments.save(turn.db, _step(turn, assessment, after, state=m.SUBMITTED, remind_at=None))
    code = receipt_code(turn.key, assessment.id)
    score = after.form.score(after.answers)
    asked = {question.id for question in after.form.applying(after.answers)}
    assessments.submit(
        turn.db,
        assessment.id,
        snapshot={question: words for question, words in after.answers.items() if question in asked},
        receipt=code,
        late=late,
        level=after.form.rating(after.answers),
        score=None if score is None else float(score),
        now=turn.now,
    )
    outbox.withdraw_reminders(turn.db, assessment.id, "submitted")
    return replace(mine.show(turn), text=_receipt(turn, turn.cycle, assessment.id))


def _receipt(turn: Turn, cycle: Cycle, assessment_id: int) -> str:
    """When what was submitted came, the first time too, and what follows."""
    last = assessments.last_submission(turn.db, assessment_id)
    assert last is not None
    at, first, closes = (_moment(turn, each) for each in (last.at, last.first_at, cycle.closes))
    parts = [
        say(
            turn.lang,
            "fill.receipt_late" if last.first_late and last.number == 1 else "fill.receipt",
            at=at,
            code=last.receipt,
        )
    ]
    if last.number > 1:
        parts.append(
            say(turn.lang, "fill.receipt_again_late" if last.first_late else "fill.receipt_again", first=first)
        )
    parts.append(say(turn.lang, "fill.receipt_next"))
    if cycle.runs(turn.now):
        parts.append(say(turn.lang, "fill.receipt_until", closes=closes))
    return "\n\n".join(parts)


def receipt_code(key: str, assessment_id: int) -> str:
    """Four characters that, with name and time, say which submission it was. The same turn run again gives the same."""
    number = int.from_bytes(sha256(f"{key}/{assessment_id}".encode()).digest()[:8])
    code = ""
    for _ in range(4):
        number, rest = divmod(number, len(_CODE))
        code += _CODE[rest]
    return code


def _step(turn: Turn, assessment: Assessment, after: Filling, *, state: str, remind_at: datetime | None) -> Step:
    return Step(assessment, after.writes, after.place, state, remind_at, turn.now, turn.address.id)


def _moment(turn: Turn, at: datetime) -> str:
    assert turn.cycle is not None
    return notices.when(turn.lang, turn.cycle, at)
