"""Consent: what a person is told about their data, and says yes or no to, before the first question of a cycle."""

from handlers import fill, menu, mine, own
from handlers.calendar import first_reminder
from handlers.cycles import Cycle
from handlers.draft import SUBMITTED
from handlers.messages import Choice, Event, Message, Move, Tapped, heard
from handlers.notices import when
from handlers.texts import say
from handlers.turn import Turn
from storage import addresses, assessments, consents, enrolments, outbox
from storage.assessments import Assessment, Step
from storage.models import EXEMPT

PLACE, SURE = "consent", "consent/decline"


def handle(turn: Turn) -> list[Message]:
    """The answer to the text; anything else, and whatever needs a yes first, shows the text."""
    cycle = turn.cycle
    if cycle is None or _is_over(turn, cycle):
        return [menu.show(turn)]
    place, event = turn.address.place, heard(_text(turn, cycle), turn.event)
    draft = assessments.of(turn.db, turn.person.id, cycle.id) if turn.person and _declines(place, event) else None
    asked = _asked(turn, draft) if draft and _at_stake(turn, draft) else None
    if place == SURE and asked:
        event = heard(asked, event)
    match event:
        case Tapped("consent.accept") if place in (PLACE, SURE):
            return [accepted(turn, cycle)]
        case Tapped("consent.decline") if place in (PLACE, SURE) and asked:
            addresses.go(turn.db, turn.address.id, SURE)
            return [asked]
        case Tapped("consent.decline") if place in (PLACE, SURE):
            return [declined(turn, cycle, draft)]
        case Tapped(value) if place == SURE and draft and value == f"consent.decline_yes={draft.revision}":
            return [declined(turn, cycle, draft)]
        case Tapped("consent.accept" | "consent.decline" | "consent.decline_no") if said(turn):  # or an old button
            return [lead_on(turn, "")]
    return [show(turn, cycle)]


def _declines(place: str, event: Event) -> bool:
    """Whether what would be erased must be known: they decline, or were asked whether they are sure."""
    return place == SURE or event == Tapped("consent.decline")


def said(turn: Turn) -> bool | None:
    """What the person said to the present version of the text; None where it was not asked yet."""
    if turn.person is None or turn.cycle is None:
        return None
    return turn.group.consent(turn.person.id)


def needed(turn: Turn) -> bool:
    """Whether the text comes before anything else: of those who are reviewed and said no yes yet, while they may still
    answer."""
    if turn.person is None or turn.cycle is None or turn.cycle.closed or said(turn):
        return False
    assessment = turn.group.assessment(turn.person.id)
    return assessment is not None and assessment.state != EXEMPT and own.taken(turn, assessment) != "closed"


def _is_over(turn: Turn, cycle: Cycle) -> bool:
    """Whether nothing is taken from them any more: then nothing is asked."""
    found = turn.group.assessment(turn.person.id) if turn.person else None
    return cycle.closed or (found is not None and own.taken(turn, found) == "closed")


def show(turn: Turn, cycle: Cycle) -> Message:
    """The text, and what may be answered to it. The next words answer it."""
    addresses.go(turn.db, turn.address.id, PLACE)
    return _text(turn, cycle)


def lead_on(turn: Turn, text: str) -> Message:
    """After *text*: the consent where it is needed; straight into the form for who has nothing else to do here; the
    menu for who leads a cell or oversees some."""
    if turn.cycle and needed(turn):
        return show(turn, turn.cycle).after(text)
    if turn.cycle is None or turn.cycle.closed or (turn.person and turn.person.roles):
        return menu.show(turn).after(text)
    return fill.handle(turn.with_event(Tapped("fill.open")))[0].after(text)


def accepted(turn: Turn, cycle: Cycle) -> Message:
    """Yes leads on to the first question. Reminders begin for whoever had chosen paper before."""
    assert turn.person is not None
    _record(turn, cycle, given=True)
    at = first_reminder(cycle, turn.now)
    enrolments.off_paper(turn.db, turn.person.id, cycle.id, at)
    return lead_on(turn, say(turn.lang, "consent.accepted"))


def declined(turn: Turn, cycle: Cycle, draft: Assessment | None) -> Message:
    """No means paper: counted apart, not reminded, and a draft is erased. It may become a yes later.

    What was submitted counts on; changes of it that were not submitted are erased.
    """
    assert turn.person is not None
    text = say(turn.lang, "consent.declined")
    if draft and draft.submitted_at:
        at = when(turn.lang, cycle, draft.submitted_at)
        text = say(turn.lang, f"consent.declined_{'returned' if draft.owes else 'submitted'}", at=at)
    if draft and (erased := _at_stake(turn, draft)):
        text = f"{text}\n\n{_counted(turn, 'erased', draft, erased)}"
    _record(turn, cycle, given=False)
    if draft and _holds_words(draft):
        _erase(turn, draft)
        outbox.empty(turn.db, turn.person.id)
    enrolments.on_paper(turn.db, turn.person.id, cycle.id)
    addresses.go(turn.db, turn.address.id, PLACE)
    again = Move("consent.show", say(turn.lang, "consent.reconsider"))
    go_on = Move("menu.open", say(turn.lang, "join.menu"))
    return Message(text, moves=(again, go_on))


def _erase(turn: Turn, draft: Assessment) -> None:
    """Delete the answers with their history; of a review that is submitted, leave those that were submitted."""
    assessments.erase(turn.db, draft.id)
    if draft.submitted_at and (erased := assessments.by_id(turn.db, draft.id)):
        writes = mine.edits(turn, erased)
        step = Step(erased, writes, SUBMITTED, draft.state, None, turn.now, turn.address.id)
        assessments.save(turn.db, step)


def _holds_words(draft: Assessment) -> bool:
    """Whether it may hold words that were not submitted: of who is exempt for a while, too."""
    return draft.editable or draft.state == EXEMPT


def _at_stake(turn: Turn, draft: Assessment) -> int:
    """How many answers declining would erase: all of a draft, the changes of a review that is submitted."""
    if not _holds_words(draft) or draft.form_id is None:
        return 0
    if draft.submitted_at:
        return len(mine.edits(turn, draft))
    return sum(map(bool, assessments.answers(turn.db, draft.id).values()))


def _asked(turn: Turn, draft: Assessment) -> Message:
    """Whether the draft is to be erased; nothing is, until this is answered."""
    kind = "edits_" if draft.submitted_at else ""
    yes = Move(f"consent.decline_yes={draft.revision}", say(turn.lang, f"consent.{kind}decline_yes"))
    no = Move("consent.decline_no", say(turn.lang, f"consent.{kind}decline_no"))
    return Message(_counted(turn, "decline_ask", draft, _at_stake(turn, draft)), moves=(no, yes))


def _counted(turn: Turn, key: str, draft: Assessment, changed: int) -> str:
    """A sentence that says how many answers are erased."""
    assert turn.cycle is not None
    if draft.submitted_at:
        at = when(turn.lang, turn.cycle, draft.submitted_at)
        return say(turn.lang, f"consent.edits_{key}", changed=changed, at=at)
    answered, total = own.filling(turn, draft).progress
    return say(turn.lang, f"consent.{key}", answered=answered, total=total)


def _record(turn: Turn, cycle: Cycle, *, given: bool) -> None:
    assert turn.person is not None
    turn.group.forget(turn.person.id)
    consents.record(
        turn.db,
        turn.person.id,
        cycle.id,
        cycle.consent.version,
        given=given,
        address_id=turn.address.id,
        now=turn.now,
    )


def _text(turn: Turn, cycle: Cycle) -> Message:
    """Nothing is chosen beforehand: the words *đồng ý* must be tapped or typed."""
    answers = [Choice(f"consent.{key}", say(turn.lang, f"consent.{key}")) for key in ("accept", "decline")]
    return Message(cycle.consent.text, tuple(answers))
