"""The table of contents: which flow takes a command, a tap or words, and who may."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from handlers import consent, fill, join, menu, mine, offered, officer, secretary
from handlers.messages import Message, Move, Said, Sent, Tapped
from handlers.texts import say
from handlers.turn import Turn
from storage import addresses, claims
from storage.invitations import code_in

Handler = Callable[[Turn], list[Message]]
May = Callable[[Turn], bool]


def anyone(turn: Turn) -> bool:
    """Whoever writes, bound or not."""
    return True


def member(turn: Turn) -> bool:
    """Whoever is bound to a person of the roster."""
    return turn.person is not None


def leads_a_cell(turn: Turn) -> bool:
    """A secretary or a deputy."""
    return turn.person is not None and bool(turn.person.units_as("secretary", "deputy"))


def oversees(turn: Turn) -> bool:
    """An officer, of an organisation or of the committee above."""
    return turn.person is not None and bool(turn.person.units_as("officer", "admin"))


@dataclass(frozen=True, slots=True)
class Flow:
    """A part of the conversation: who may enter it, and what it answers."""

    handle: Handler
    may: May


FLOWS = {
    "join": Flow(join.handle, anyone),
    "consent": Flow(consent.handle, member),
    "menu": Flow(menu.handle, member),
    "fill": Flow(fill.handle, member),
    "mine": Flow(mine.handle, member),
    "cell": Flow(secretary.handle, leads_a_cell),
    "committee": Flow(officer.handle, oversees),
}

COMMANDS = {
    "start": "menu.open",
    "menu": "menu.open",
    "cancel": "menu.open",
    "help": "menu.help",
    "tinhhinh": "cell.open",
}
WORDS = {"menu": "menu.open", "danh muc": "menu.open", "help": "menu.help", "tro giup": "menu.help"}
"""What old hands type without the stroke: a whole message of it is never an answer."""

ASKS_CONSENT = {"fill", "mine"}
OVERVIEWS = {"cell", "committee"}
CHOOSES = {"menu", *OVERVIEWS}  # where words are a choice among what was offered, or not understood
_COMMAND = re.compile(r"/([A-Za-z_]+)(?:\s+(.*))?", re.DOTALL)


def route(turn: Turn) -> list[Message]:
    """What the bot says to this event. Every path ends in a message that shows where the person is."""
    match turn.event:
        case Sent("blocked"):
            claims.unreachable(turn.db, turn.address.id, "blocked", in_flight=False)
            return []
        case Sent("unblocked"):
            addresses.seen(turn.db, turn.address.id, turn.now)
            return []
        case Sent("group") if turn.address.place == "group":
            return []  # said once: a group is not for this
        case Sent("group"):
            addresses.go(turn.db, turn.address.id, "group")
            return [Message(say(turn.lang, "problem.private_only"))]
    if turn.address.closed:
        addresses.seen(turn.db, turn.address.id, turn.now)
    turn = commanded(turn)
    name = flow_of(turn)
    meant = offered.typed(turn, anything=name in CHOOSES)
    if meant is not turn:
        turn, name = meant, flow_of(meant)
    flow = FLOWS[name]
    if turn.person is None and flow.handle is not join.handle:
        return join.handle(turn)
    if not flow.may(turn):
        return [menu.show(turn).after(say(turn.lang, "problem.not_yours"))]
    messages = flow.handle(turn)
    if name in OVERVIEWS:
        if not isinstance(turn.event, Tapped):
            messages[-1] = messages[-1].after(say(turn.lang, "menu.not_understood"))
        back = Move("menu.open", say(turn.lang, "menu.back"))
        addresses.go(turn.db, turn.address.id, name)
        return [*messages[:-1], replace(messages[-1], moves=(*messages[-1].moves, back))]
    return messages


def commanded(turn: Turn) -> Turn:
    """A command, or the one word that is meant as one, as the tap it stands for.

    ``/start`` with a code goes on to the join flow as it is.
    """
    if not isinstance(turn.event, Said):
        return turn
    if turn.person is not None and (meant := WORDS.get(turn.event.plain)):
        return turn.with_event(Tapped(meant))
    if command := _COMMAND.fullmatch(turn.event.text.strip()):
        name, argument = command[1].lower(), command[2]
        if name == "start" and (argument or turn.person is None):
            return turn
        return turn.with_event(Tapped(COMMANDS.get(name, "menu.unknown")))
    return turn


def flow_of(turn: Turn) -> str:
    """The name of the flow an event belongs to."""
    match turn.event:
        case Tapped(value):
            name = value.partition(".")[0]
            name = "fill" if name.isdigit() else name
        case Said(text) if text.startswith("/start") or (turn.address.place in {"", *CHOOSES} and code_in(text)):
            return "join"
        case _:
            name = turn.address.place.partition("/")[0]
    name = name if name in FLOWS else "menu"
    if name not in ASKS_CONSENT or not consent.needed(turn):
        return name
    return name if name == "mine" and mine.may_read(turn) else "consent"
