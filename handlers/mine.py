"""What one submitted: read it, change and submit it again, or discard a draft. Nothing is ever deleted."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from handlers import own
from handlers.calendar import next_reminder
from handlers.draft import SUBMITTED, Filling, Write
from handlers.forms import Answers
from handlers.messages import Document, Message, Move, Tapped, heard
from handlers.notices import closed, when
from handlers.readback import pages
from handlers.screens import show as show_filling
from handlers.texts import say
from handlers.turn import Turn
from handlers.words import an_id
from storage import addresses, assessments
from storage import models as m
from storage.assessments import Assessment, Step, Submission

PLACE, READ, DRAFT, WITHDRAW, KEEP = "mine", "mine/read", "mine/draft", "mine/withdraw", "mine/keep"


def handle(turn: Turn) -> list[Message]:
    """One step among one's own submissions. What is not on offer now shows what is."""
    assessment = own.assessment(turn)
    if isinstance(assessment, Message):
        return [assessment]
    match heard(_shown(turn, assessment, turn.address.place), turn.event):
        case Tapped(value) if value.startswith("mine.read="):
            return [_went(turn, assessment, f"{READ}/{an_id(value.partition('=')[2]) or 1}")]
        case Tapped(value) if value.startswith("mine.draft="):
            return [_went(turn, assessment, f"{DRAFT}/{an_id(value.partition('=')[2]) or 1}")]
        case Tapped("mine.word") if submitted := assessments.last_submission(turn.db, assessment.id):
            return [_as_word(turn, assessment, submitted)]
        case Tapped("mine.reopen") if _may_reopen(turn, assessment):
            return [reopened(turn, assessment)]
        case Tapped("mine.keep") if _may_keep(turn, assessment):
            return [_went(turn, assessment, KEEP) if edits(turn, assessment) else kept(turn, assessment)]
        case Tapped(value) if value == f"mine.keep={assessment.revision}" and _may_keep(turn, assessment):
            return [kept(turn, assessment)]
        case Tapped("mine.withdraw") if _may_discard(turn, assessment):
            return [_went(turn, assessment, WITHDRAW)]
        case Tapped(value) if value == f"mine.discard={assessment.revision}" and _may_discard(turn, assessment):
            return [withdrawn(turn, assessment)]
        case Tapped(value) if value == f"{assessment.id}.continue" and _may_write(turn, assessment):
            # typed by its label
            return [_filled(turn, own.filling(turn, assessment).settled())]
        case _:
            return [_went(turn, assessment, PLACE)]


def may_read(turn: Turn) -> bool:
    """Whether they submitted before they declined the consent text: that stays theirs to read."""
    found = turn.group.assessment(turn.person.id) if turn.person else None
    return found is not None and found.submitted_at is not None and _declined(turn)


def show(turn: Turn) -> Message:
    """How far one's own assessment is, and what one may do with it. The next words are said here."""
    assessment = own.assessment(turn)
    return assessment if isinstance(assessment, Message) else _went(turn, assessment, PLACE)


def reopened(turn: Turn, assessment: Assessment) -> Message:
    """It may be changed again, beginning with what was submitted. That counts until another submission replaces it."""
    _save(turn, assessment, writes=edits(turn, assessment), place="review/1", state=m.SUBMITTED, remind_at=None)
    again = assessments.by_id(turn.db, assessment.id)
    assert again is not None
    assert again.submitted_at is not None
    said = say(turn.lang, "mine.reopened", at=_moment(turn, again.submitted_at))
    message = _filled(turn, own.filling(turn, again)).after(said)
    return replace(message, moves=(*message.moves, Move("mine.keep", say(turn.lang, "mine.keep"))))


def kept(turn: Turn, assessment: Assessment) -> Message:
    """What was submitted last stands again as it was."""
    writes = edits(turn, assessment)
    _save(turn, assessment, writes=writes, place=SUBMITTED, state=m.SUBMITTED, remind_at=None)
    assert assessment.submitted_at is not None
    said = say(turn.lang, "mine.kept", at=_moment(turn, assessment.submitted_at)) if writes else ""
    return show(turn).after(said)


def edits(turn: Turn, assessment: Assessment) -> list[Write]:
    """What is to be written so that the answers are again what was submitted last."""
    submitted = assessments.last_submission(turn.db, assessment.id)
    then: Mapping[str, str] = submitted.snapshot if submitted else {}
    now = assessments.answers(turn.db, assessment.id)
    changed = [question for question in now.keys() | then.keys() if now.get(question, "") != then.get(question, "")]
    return [Write(question, then.get(question, ""), True) for question in sorted(changed)]


def withdrawn(turn: Turn, assessment: Assessment) -> Message:
    """The draft is emptied by new rows; the old ones are its history."""
    answers = assessments.answers(turn.db, assessment.id)
    writes = [Write(question, "", True) for question, words in answers.items() if words]
    assert turn.cycle is not None
    at = next_reminder(
        turn.cycle,
        reminded=assessment.reminded,
        reminded_at=assessment.reminded_at,
        snoozed_until=assessment.snoozed_until,
        after=turn.now,
    )
    _save(turn, assessment, writes=writes, place="", state=m.NOT_STARTED, remind_at=at)
    return show(turn).after(say(turn.lang, "mine.withdrawn"))


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
        return _read(turn, assessment, submitted.snapshot, int(place.rpartition("/")[2]), "read")
    if place.startswith(DRAFT) and _has_draft(assessment):
        answers = own.filling(turn, assessment).answers
        kind = "edits" if submitted else "draft"
        return _read(turn, assessment, answers, int(place.rpartition("/")[2]), kind)
    if place == KEEP and submitted and _may_keep(turn, assessment):
        changed, at = len(edits(turn, assessment)), _moment(turn, submitted.at)
        yes = Move(f"mine.keep={assessment.revision}", say(turn.lang, "mine.keep_yes"))
        no = Move(f"{assessment.id}.continue", say(turn.lang, "mine.keep_no"))
        return Message(say(turn.lang, "mine.keep_ask", changed=changed, at=at), moves=(no, yes))
    if place == WITHDRAW and _may_discard(turn, assessment):
        yes = Move(f"mine.discard={assessment.revision}", say(turn.lang, "mine.withdraw_yes"))
        no = Move("mine.open", say(turn.lang, "mine.withdraw_no"))
        return Message(_counted(turn, "mine.withdraw_ask", assessment), moves=(no, yes))
    return _overview(turn, assessment, submitted)


def _overview(turn: Turn, assessment: Assessment, submitted: Submission | None) -> Message:
    lang, cycle = turn.lang, turn.cycle
    assert cycle is not None
    lines: list[str] = []
    moves: list[Move] = []
    if submitted:
        lines.append(_submitted(turn, submitted))
        moves.append(Move("mine.read=1", say(lang, "mine.read")))
        moves.append(Move("mine.word", say(lang, "mine.word")))
    if not _may_write(turn, assessment) and (assessment.editable or own.taken(turn, assessment) == "closed"):
        text, move = _not_now(turn, assessment, submitted)
        lines.append(text)
        moves += [*([move] if move else []), Move("menu.open", say(lang, "menu.back"))]
    elif assessment.owes:
        key = {m.NOT_STARTED: "not_started", m.RETURNED: "returned"}.get(assessment.state, "draft")
        lines.append(_counted(turn, f"mine.{key}", assessment, deadline=own.until(turn, assessment)))
        start = "mine.start" if assessment.state == m.NOT_STARTED else "mine.continue"
        moves.insert(0, Move(f"{assessment.id}.continue", say(lang, start)))
        if _may_discard(turn, assessment):
            moves.append(Move("mine.withdraw", say(lang, "mine.withdraw")))
        moves.append(Move("consent.show", say(lang, "mine.data")))
    elif submitted and assessment.reopened:
        until = own.until(turn, assessment)
        lines.append(say(lang, "mine.editing", at=when(lang, cycle, submitted.at), until=until))
        moves.insert(0, Move(f"{assessment.id}.continue", say(lang, "mine.edit")))
        moves.append(Move("mine.keep", say(lang, "mine.keep")))
        moves.append(Move("consent.show", say(lang, "mine.data")))
    elif assessment.state == m.ACCEPTED:
        lines.append(say(lang, "mine.accepted"))
    elif _declined(turn) and _accepts(turn):
        lines.append(say(lang, "mine.declined"))
        moves += [Move("consent.show", say(lang, "consent.reconsider")), Move("menu.open", say(lang, "menu.back"))]
    elif _may_reopen(turn, assessment):
        lines.append(say(lang, "mine.until", closes=when(lang, cycle, cycle.closes)))
        moves.append(Move("mine.reopen", say(lang, "mine.reopen")))
    return Message("\n\n".join(lines), moves=tuple(moves))


def _not_now(turn: Turn, assessment: Assessment, submitted: Submission | None) -> tuple[str, Move | None]:
    """Before the opening and after the closing: what counts, and what is kept and may be read."""
    lang, cycle = turn.lang, turn.cycle
    assert cycle is not None
    if own.taken(turn, assessment) == "early":
        return say(lang, "fill.early", opens=when(lang, cycle, cycle.opens)), None
    over = closed(lang, cycle, turn.now)
    if submitted is None and not _has_draft(assessment):
        return f"{over}\n\n{say(lang, 'mine.closed_not_started')}", None
    if submitted is None:
        text = _counted(turn, "mine.closed_draft", assessment)
        return f"{over}\n\n{text}", Move("mine.draft=1", say(lang, "mine.draft_read"))
    if assessment.state == m.ACCEPTED:
        return f"{over} {say(lang, 'mine.accepted')}", None
    if not _has_draft(assessment) or not edits(turn, assessment):
        return over, None
    return f"{over} {say(lang, 'mine.closed_edits')}", Move("mine.draft=1", say(lang, "mine.edits_read"))


def _submitted(turn: Turn, submitted: Submission) -> str:
    """When it was submitted, both the first and the last time, and whether that was late."""
    key = "mine.submitted" if submitted.number == 1 else "mine.submitted_again"
    at, first = _moment(turn, submitted.at), _moment(turn, submitted.first_at)
    said = say(turn.lang, key, at=at, first=first, code=submitted.receipt, times=submitted.number)
    note = "mine.late" if submitted.first_late else "mine.corrected" if submitted.late else ""
    return f"{said} {say(turn.lang, note)}" if note else said


def _counted(turn: Turn, key: str, assessment: Assessment, **values: str) -> str:
    """A sentence that says how many questions are answered."""
    answered, total = own.filling(turn, assessment).progress
    return say(turn.lang, key, answered=answered, total=total, **values)


def _moment(turn: Turn, at: datetime) -> str:
    assert turn.cycle is not None
    return when(turn.lang, turn.cycle, at)


def _as_word(turn: Turn, assessment: Assessment, submitted: Submission) -> Message:
    """What was submitted last, to be printed and signed."""
    text = say(turn.lang, "mine.word_here", code=submitted.receipt)
    back = Move("mine.open", say(turn.lang, "mine.back"))
    return Message(text, moves=(back,), document=Document("review.docx", assessment.id))


def _read(turn: Turn, assessment: Assessment, answers: Answers, page: int, kind: str) -> Message:
    """A page of what was submitted last (``read``), or of what was not (``draft``; ``edits`` of what was)."""
    lang, tap = turn.lang, "read" if kind == "read" else "draft"
    found = pages(own.form(turn.db, assessment), answers, lang)
    page = min(max(page, 1), len(found))
    head = say(lang, f"mine.{kind}_head")
    if len(found) > 1:
        head = say(lang, "mine.page", head=head, page=page, pages=len(found))
    moves = []
    if page < len(found):
        moves.append(Move(f"mine.{tap}={page + 1}", say(lang, "mine.next_page")))
    if page > 1:
        moves.append(Move(f"mine.{tap}={page - 1}", say(lang, "mine.previous_page")))
    moves.append(Move("mine.open", say(lang, "mine.back")))
    return Message(f"{head}\n\n{found[page - 1].text}", moves=tuple(moves))


def _may_reopen(turn: Turn, assessment: Assessment) -> bool:
    """Until the cycle closes, unless the cell has accepted it. No grace here: nobody is cut off while typing."""
    return assessment.state == m.SUBMITTED and not assessment.reopened and not _declined(turn) and _accepts(turn)


def _may_discard(turn: Turn, assessment: Assessment) -> bool:
    """A draft that was never submitted; changes of a submitted review are given up by keeping what was submitted."""
    return assessment.state == m.IN_PROGRESS and assessment.submitted_at is None and _accepts(turn)


def _may_keep(turn: Turn, assessment: Assessment) -> bool:
    """While changes are taken: after that nothing of it changes."""
    return assessment.reopened and _may_write(turn, assessment)


def _may_write(turn: Turn, assessment: Assessment) -> bool:
    return assessment.editable and own.taken(turn, assessment) in ("on_time", "late")


def _has_draft(assessment: Assessment) -> bool:
    """Whether something is written that was not submitted."""
    return assessment.editable and assessment.state != m.NOT_STARTED


def _declined(turn: Turn) -> bool:
    return turn.person is not None and turn.group.consent(turn.person.id) is False


def _accepts(turn: Turn) -> bool:
    return turn.cycle is not None and turn.cycle.accepts(turn.now, None) in ("on_time", "late")
