"""What a page shows when it is opened: where the person stands, from what is stored. Nothing is written."""

from handlers import consent, fill, menu, notices, own
from handlers.messages import Message
from handlers.screens import show
from handlers.turn import Turn

OFFERS = {fill.PLACE, "cell", "committee", "menu"}  # places whose buttons are of no use once the season is over


def present(turn: Turn, last: str | None) -> Message | None:
    """The question with its stored answer and its buttons; the menu where nothing that was said is left on the page, or
    where it was said before the season closed.

    *last*: the text of the last message that is still there, None where there is none. None is returned where it says
    the same, and where the person stands in no form: what was said last still leads on.
    """
    if turn.person is None:
        return None
    message = _question(turn) or (menu.shown(turn) if last is None or _is_out_of_date(turn, last) else None)
    return message if message is None or message.text != last else None


def _is_out_of_date(turn: Turn, last: str) -> bool:
    """Whether *last* offers what is over by now. What was said since says that it is over."""
    if turn.cycle is None or turn.address.place not in OFFERS:
        return False
    over = turn.cycle.closed or turn.now > turn.cycle.closes
    return over and notices.closed(turn.lang, turn.cycle, turn.now) not in last


def _question(turn: Turn) -> Message | None:
    """Where filling stands, of somebody who was in it last and may go on with it."""
    found = own.assessment(turn)
    if turn.address.place != fill.PLACE or isinstance(found, Message) or not found.editable:
        return None
    if own.taken(turn, found) in ("early", "closed") or consent.needed(turn):
        return None
    return show(own.filling(turn, found).settled())
