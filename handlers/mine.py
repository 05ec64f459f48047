"""What one submitted: read it, change and submit it again, or discard a draft. Nothing is ever deleted."""

from dataclasses import replace
from datetime import datetime

from handlers import own
from handlers.calendar import next_reminder
from handlers.draft import SUBMITTED, Filling, Write
from handlers.messages import Document, Message, Move, Tapped, heard
from handlers.notices import deadline, when
from handlers.readback import pages
from handlers.screens import show as show_filling
from handlers.texts import say
from handlers.turn import Turn
from handlers.words import an_id
from storage import addresses, assessments, outbox
from storage import models as m
from storage.assessments import Assessment, Step, Submission

PLACE, READ, WITHDRAW = "mine", "mine/read", "mine/withdraw"


def handle(turn: Turn) -> list[Message]:
    """One step among one's own submissions. What is not on offer now shows what is."""
    assessment = own.assessment(turn)
    if isinstance(assessment, Message):
        return [assessment]
    match heard(_shown(turn, assessment, turn.address.place), turn.event):
        case Tapped(value) if value.startswith("mine.read="):
            return [_went(turn, assessment, f"{READ}/{an_id(value.partition('=')[2]) or 1}")]
        case Tapped("mine.word") if submitted := assessments.last_submission(turn.db, assessment.id):
            return [_as_word(turn, assessment, submitted)]
        case Tapped("mine.reopen") if _may_reopen(turn, assessment):
            return [reopened(turn, assessment)]
        case Tapped("mine.keep") if _may_keep(turn, assessment) and (
            submitted := assessments.last_submission(turn.db, assessment.id)
        ):
            return [kept(turn, assessment, submitted)]
        case Tapped("mine.withdraw") if assessment.state == m.IN_PROGRESS:
            return [_went(turn, assessment, WITHDRAW)]
        case Tapped(value) if value == f"mine.discard={assessment.revision}" and _may_discard(turn, assessment):
            return [withdrawn(turn, assessment)]
        case Tapped(value) if value == f"{assessment.id}.continue":  # typed by its label
            return [_filled(turn, own.filling(turn, assessment).settled())]
        case _:
            return [_went(turn, assessment, PLACE)]


def show(turn: Turn) -> Message:
    """How far one's own assessment is, and what one may do with it. The next words are said here."""
    assessment = own.assessment(turn)
    return assessment if isinstance(assessment, Message) else _went(turn, assessment, PLACE)


def reopened(turn: Turn, assessment: Assessment) -> Message:
    """It may be changed again; what was submitted is kept. Until it is submitted again, it is owed and reminded of."""
    _restart(turn, assessment, state=m.IN_PROGRESS, place="review/1", writes=[])
    again = assessments.by_id(turn.db, assessment.id)
    assert again is not None
    message = _filled(turn, own.filling(turn, again)).after(say(turn.lang, "mine.reopened"))
    return replace(message, moves=(*message.moves, Move("mine.keep", say(turn.lang, "mine.keep"))))


def kept(turn: Turn, assessment: Assessment, submitted: Submission) -> Message:
    """They only looked: what was submitted last stands again as it was, and nobody is reminded."""
    now, then = assessments.answers(turn.db, assessment.id), submitted.snapshot
    changed = [question for question in now.keys() | then.keys() if now.get(question, "") != then.get(question, "")]
    writes = [Write(question, then.get(question, ""), True) for question in sorted(changed)]
    _save(turn, assessment, writes=writes, place=SUBMITTED, state=m.SUBMITTED, remind_at=None)
    outbox.withdraw_reminders(turn.db, assessment.id, "submitted")
    return show(turn)


def withdrawn(turn: Turn, assessment: Assessment) -> Message:
    """The draft is emptied by new rows; the old ones are its history."""
    answers = assessments.answers(turn.db, assessment.id)
    _restart(
        turn,
        assessment,
        state=m.NOT_STARTED,
        place="",
        writes=[Write(question, "", True) for question, words in answers.items() if words],
    )
    return show(turn).after(say(turn.lang, "mine.withdrawn"))


def _restart(turn: Turn, assessment: Assessment, *, state: str, place: str, writes: list[Write]) -> None:
    """It is owed again from now on, so its next reminder is set in the same transaction."""
    assert turn.cycle is not None
    at = next_reminder(
        turn.cycle,
        reminded=assessment.reminded,
        reminded_at=assessment.reminded_at,
        snoozed_until=assessment.snoozed_until,
        after=turn.now,
    )
    _save(turn, assessment, writes=writes, place=place, state=state, remind_at=at)


def _save(
    turn: Turn, assessment: Assessment, *, writes: list[Write], place: str, state: str, remind_at: datetime | None
) -> None:
    turn.group.forget(assessment.person_id)
    assessments.save(turn.db, Step(assessment, writes, place, state, remind_at, turn.now, turn.address.id))


def _filled(turn: Turn, filling: Filling) -> Message:
    addresses.go(turn.db, turn.address.id, "fill")
    return show_filling(filling)


def _went(turn: Turn, assessment: Assessment, place: str) -> Message:
    if turn.address.place != place:
        addresses.go(turn.db, turn.address.id, place)
    return _shown(turn, assessment, place)


def _shown(turn: Turn, assessment: Assessment, place: str) -> Message:
    submitted = assessments.last_submission(turn.db, assessment.id)
    if place.startswith(READ) and submitted:
        return _read(turn, assessment, submitted, int(place.rpartition("/")[2]))
    if place == WITHDRAW and assessment.state == m.IN_PROGRESS:
        yes = Move(f"mine.discard={assessment.revision}", say(turn.lang, "mine.withdraw_yes"))
        no = Move("mine.open", say(turn.lang, "mine.withdraw_no"))
        return Message(say(turn.lang, "mine.withdraw_ask"), moves=(no, yes))
    return _overview(turn, assessment, submitted)


def _overview(turn: Turn, assessment: Assessment, submitted: Submission | None) -> Message:
    lang, cycle = turn.lang, turn.cycle
    assert cycle is not None
    lines, moves = [], []
    if submitted:
        key = "mine.submitted" if submitted.number == 1 else "mine.submitted_again"
        at = when(lang, cycle, submitted.at)
        lines.append(say(lang, key, at=at, code=submitted.receipt, times=submitted.number))
        moves.append(Move("mine.read=1", say(lang, "mine.read")))
        moves.append(Move("mine.word", say(lang, "mine.word")))
    if assessment.owes:
        filling = own.filling(turn, assessment)
        answered = sum(bool(filling.answers.get(question.id)) for question in filling.asked)
        key = {m.NOT_STARTED: "not_started", m.RETURNED: "returned"}.get(assessment.state, "draft")
        until = deadline(lang, cycle, turn.now)
        lines.append(say(lang, f"mine.{key}", deadline=until, answered=answered, total=len(filling.asked)))
        start = "mine.start" if assessment.state == m.NOT_STARTED else "mine.continue"
        moves.insert(0, Move(f"{assessment.id}.continue", say(lang, start)))
        if assessment.state == m.IN_PROGRESS:
            if submitted and _may_keep(turn, assessment):
                moves.append(Move("mine.keep", say(lang, "mine.keep")))
            moves.append(Move("mine.withdraw", say(lang, "mine.withdraw")))
        moves.append(Move("consent.show", say(lang, "mine.data")))
    elif assessment.state == m.ACCEPTED:
        lines.append(say(lang, "mine.accepted"))
    elif _may_reopen(turn, assessment):
        lines.append(say(lang, "mine.until", closes=when(lang, cycle, cycle.closes)))
        moves.append(Move("mine.reopen", say(lang, "mine.reopen")))
    return Message("\n\n".join(lines), moves=tuple(moves))


def _as_word(turn: Turn, assessment: Assessment, submitted: Submission) -> Message:
    """What was submitted last, to be printed and signed."""
    text = say(turn.lang, "mine.word_here", code=submitted.receipt)
    back = Move("mine.open", say(turn.lang, "mine.back"))
    return Message(text, moves=(back,), document=Document("review.docx", assessment.id))


def _read(turn: Turn, assessment: Assessment, submitted: Submission, page: int) -> Message:
    """What was submitted last, as it was then."""
    lang = turn.lang
    found = pages(own.form(turn.db, assessment), submitted.snapshot, lang)
    page = min(max(page, 1), len(found))
    head = say(lang, "mine.page", page=page, pages=len(found)) if len(found) > 1 else say(lang, "mine.one_page")
    moves = []
    if page < len(found):
        moves.append(Move(f"mine.read={page + 1}", say(lang, "mine.next_page")))
    if page > 1:
        moves.append(Move(f"mine.read={page - 1}", say(lang, "mine.previous_page")))
    moves.append(Move("mine.open", say(lang, "mine.back")))
    return Message(f"{head}\n\n{found[page - 1].text}", moves=tuple(moves))


def _may_reopen(turn: Turn, assessment: Assessment) -> bool:
    """Until the cycle closes, unless the cell has accepted it. No grace here: nobody is cut off while typing."""
    return assessment.state == m.SUBMITTED and _accepts(turn)


def _may_discard(turn: Turn, assessment: Assessment) -> bool:
    return assessment.state == m.IN_PROGRESS and _accepts(turn)


def _may_keep(turn: Turn, assessment: Assessment) -> bool:
    """Until the cycle is closed: after that nothing of it changes."""
    return assessment.state == m.IN_PROGRESS and turn.cycle is not None and not turn.cycle.closed


def _accepts(turn: Turn) -> bool:
    return turn.cycle is not None and turn.cycle.accepts(turn.now, None) in ("on_time", "late")
