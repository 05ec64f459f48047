"""What one can do here: the menu, which is always at hand and loses nothing."""

from handlers import notices, own
from handlers.cycles import Cycle
from handlers.messages import Choice, Message, Tapped
from handlers.notices import when
from handlers.texts import say
from handlers.turn import Turn
from storage import addresses
from storage import models as m
from storage.assessments import Assessment

REOPENED = "reopened"  # submitted, and being changed all the same
DECLINED = "declined"  # submitted, and consent was taken back since
WANTED = {  # what somebody may want to do with a review in that state
    m.NOT_STARTED: ["menu.begin"],
    m.IN_PROGRESS: ["menu.continue", "menu.mine"],
    m.RETURNED: ["menu.continue", "menu.mine"],
    m.SUBMITTED: ["menu.submitted"],
    REOPENED: ["menu.edit", "menu.mine"],
    m.ACCEPTED: ["menu.submitted"],
    DECLINED: ["menu.submitted", "consent.reconsider"],
}
LEADS_TO = {
    "menu.begin": "fill.open",
    "menu.continue": "fill.open",
    "menu.edit": "fill.open",
    "menu.mine": "mine.open",
    "menu.submitted": "mine.open",
    "consent.reconsider": "consent.show",
}


def handle(turn: Turn) -> list[Message]:
    """The menu and its help. What is chosen in it goes to the flow it names."""
    here = show(turn)
    match turn.event:
        case Tapped("menu.help"):
            return [here.after(say(turn.lang, "menu.help_text"))]
        case Tapped("menu.unknown"):
            return [here.after(say(turn.lang, "menu.unknown_command"))]
        case Tapped():
            return [here]
    return [here.after(say(turn.lang, "menu.not_understood"))]


def show(turn: Turn) -> Message:
    """Who one is, what is open, and what one can do. The next words choose from it."""
    addresses.go(turn.db, turn.address.id, "menu")
    return shown(turn)


def shown(turn: Turn) -> Message:
    """The menu, without going there."""
    assert turn.person is not None
    standing, choices = _own_review(turn)
    if turn.person.units_as("secretary", "deputy"):
        choices.append(Choice("cell.open", say(turn.lang, "menu.cell")))
    if turn.person.units_as("officer", "admin"):
        choices.append(Choice("committee.open", say(turn.lang, "menu.committee")))
    choices.append(Choice("menu.help", say(turn.lang, "menu.help")))
    return Message(f"{say(turn.lang, 'menu.greeting', name=turn.person.name)}\n\n{standing}", tuple(choices))


def _own_review(turn: Turn) -> tuple[str, list[Choice]]:
    """How the own review stands, and what one may do with it."""
    assert turn.person is not None
    lang, cycle = turn.lang, turn.cycle
    if cycle is None:
        return say(lang, "menu.nothing_open"), []
    found = own.assessment(turn)
    if isinstance(found, Message):
        declined = turn.group.consent(turn.person.id) is False and not cycle.closed
        over = f"{notices.closed(lang, cycle, turn.now)} " if cycle.closed else ""
        text, wanted = f"{cycle.name}\n{over}{found.text}", ["consent.reconsider"] if declined else []
    else:
        text, wanted = _standing(turn, cycle, found)
    return text, [Choice(LEADS_TO[key], say(lang, key)) for key in wanted]


def _standing(turn: Turn, cycle: Cycle, found: Assessment) -> tuple[str, list[str]]:
    """How a review stands, and the keys of what may be done with it: what is not taken now is not offered."""
    lang = turn.lang
    match own.taken(turn, found):
        case "early":
            return say(lang, "menu.early", cycle=cycle.name, opens=when(lang, cycle, cycle.opens)), []
        case "closed":
            over = notices.closed(lang, cycle, turn.now)
            if found.submitted_at:
                return say(lang, "menu.closed_submitted", cycle=cycle.name, closed=over), ["menu.submitted"]
            wanted = [] if found.state == m.NOT_STARTED else ["menu.mine"]
            return say(lang, "menu.closed_not_submitted", cycle=cycle.name, closed=over), wanted
    state = REOPENED if found.reopened else found.state
    if state == m.SUBMITTED and turn.group.consent(found.person_id) is False:
        state = DECLINED
    until, closes = own.until(turn, found), when(lang, cycle, cycle.closes)
    return say(lang, f"menu.state_{state}", cycle=cycle.name, deadline=until, closes=closes), WANTED[state]
