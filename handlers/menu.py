"""What one can do here: the menu, which is always at hand and loses nothing."""

from handlers.messages import Choice, Message, Tapped
from handlers.texts import say
from handlers.turn import Turn
from storage import addresses, assessments
from storage import models as m

LABELS = {
    m.NOT_STARTED: "menu.begin",
    m.IN_PROGRESS: "menu.continue",
    m.RETURNED: "menu.continue",
    m.SUBMITTED: "menu.submitted",
    m.ACCEPTED: "menu.submitted",
}


def handle(turn: Turn) -> list[Message]:
    """The menu and its help. What is chosen in it goes to the flow it names."""
    shown = show(turn)
    match turn.event:
        case Tapped("menu.help"):
            return [shown.after(say(turn.lang, "menu.help_text"))]
        case Tapped("menu.unknown"):
            return [shown.after(say(turn.lang, "menu.unknown_command"))]
        case Tapped():
            return [shown]
    return [shown.after(say(turn.lang, "menu.not_understood"))]


def show(turn: Turn) -> Message:
    """Who one is, what is open, and what one can do. The next words are said to the menu."""
    assert turn.person is not None
    addresses.go(turn.db, turn.address.id, "menu")
    choices = []
    lines = [say(turn.lang, "menu.greeting", name=turn.person.name)]
    assessment = assessments.of(turn.db, turn.person.id, turn.cycle.id) if turn.cycle else None
    if turn.cycle is None or turn.cycle.closed or assessment is None:
        lines.append(say(turn.lang, "menu.nothing_open"))
    else:
        due = turn.cycle.local(turn.cycle.due)
        lines.append(
            say(turn.lang, f"menu.state_{assessment.state}", cycle=turn.cycle.name, due=f"{due:%H:%M %d/%m/%Y}")
        )
    if assessment is not None and (label := LABELS.get(assessment.state)):
        choices.append(Choice("mine.open" if label == "menu.submitted" else "fill.open", say(turn.lang, label)))
    if turn.person.units_as("secretary", "deputy"):
        choices.append(Choice("cell.open", say(turn.lang, "menu.cell")))
    if turn.person.units_as("officer", "admin"):
        choices.append(Choice("committee.open", say(turn.lang, "menu.committee")))
    if assessment is not None and assessment.state in (m.IN_PROGRESS, m.RETURNED):
        choices.append(Choice("mine.open", say(turn.lang, "menu.mine")))
    choices.append(Choice("menu.help", say(turn.lang, "menu.help")))
    return Message("\n\n".join(lines), tuple(choices))
