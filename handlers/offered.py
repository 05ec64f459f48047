"""Words that equal a button of what this chat was told last: for channels without buttons."""

from functools import cache

from handlers.messages import Said, heard, loads, plain
from handlers.texts import say
from handlers.turn import Turn
from storage import outbox

BUTTONS = (
    "reminder.continue",
    "reminder.begin",
    "reminder.tonight",
    "reminder.tomorrow",
    "reminder.why",
    "secretary.nudge",
    "mine.keep",
    "join.not_me",
    "join.not_me_yes",
    "join.not_me_no",
)


def typed(turn: Turn, *, anything: bool = False) -> Turn:
    """The turn with its words as the tap they stand for. A notice comes at any moment, so the words of its buttons are
    tried first; with *anything* every button, and every number, of what was said last.

    Where something else was said last, the words go to the flow the person is in.
    """
    event = turn.event
    if isinstance(event, Said) and turn.person is not None and (anything or event.plain in _labels(turn.lang)):
        last = outbox.last_said(turn.db, turn.address.id)
        if last is not None:
            return turn.with_event(heard(loads(last), event))
    return turn


@cache
def _labels(lang: str) -> frozenset[str]:
    return frozenset(plain(say(lang, key)) for key in BUTTONS)
