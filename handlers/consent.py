"""Consent: what a person is told about their data, and says yes or no to, before the first question of a cycle."""

from handlers import fill, menu
from handlers.calendar import first_reminder
from handlers.cycles import Cycle
from handlers.messages import Choice, Message, Move, Tapped, heard
from handlers.texts import say
from handlers.turn import Turn
from storage import addresses, assessments, consents, enrolments, outbox
from storage.models import EXEMPT

PLACE = "consent"


def handle(turn: Turn) -> list[Message]:
    """The answer to the text; anything else, and whatever needs a yes first, shows the text."""
    cycle = turn.cycle
    if cycle is None or cycle.closed:
        return [menu.show(turn)]
    match heard(_text(turn, cycle), turn.event):
        case Tapped("consent.accept") if turn.address.place == PLACE:
            return [accepted(turn, cycle)]
        case Tapped("consent.decline") if turn.address.place == PLACE:
            return [declined(turn, cycle)]
        case Tapped("consent.accept" | "consent.decline") if said(turn):  # an old button
            return [lead_on(turn, "")]
    return [show(turn, cycle)]


def said(turn: Turn) -> bool | None:
    """What the person said to the present version of the text; None where it was not asked yet."""
    if turn.person is None or turn.cycle is None:
        return None
    return turn.group.consent(turn.person.id)


def needed(turn: Turn) -> bool:
    """Whether the text comes before anything else: in an open cycle, of those who are reviewed and said no yes yet."""
    if turn.person is None or turn.cycle is None or turn.cycle.closed or said(turn):
        return False
    assessment = turn.group.assessment(turn.person.id)
    return assessment is not None and assessment.state != EXEMPT


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


def declined(turn: Turn, cycle: Cycle) -> Message:
    """No means paper: counted apart, not reminded, and a draft is erased. It may become a yes later."""
    assert turn.person is not None
    _record(turn, cycle, given=False)
    draft = assessments.of(turn.db, turn.person.id, cycle.id)
    if draft is not None and draft.owes:
        assessments.erase(turn.db, draft.id)
        outbox.empty(turn.db, turn.person.id)
    enrolments.on_paper(turn.db, turn.person.id, cycle.id)
    again = Move("consent.show", say(turn.lang, "consent.reconsider"))
    go_on = Move("menu.open", say(turn.lang, "join.menu"))
    return Message(say(turn.lang, "consent.declined"), moves=(again, go_on))


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
