"""What an update of Telegram says to us."""

import re
from typing import Any

from bot.channels import Incoming
from handlers.messages import Event, Said, Sent, Tapped
from handlers.words import clean

KINDS = ("message", "edited_message", "callback_query", "my_chat_member")
_ADDRESSED = re.compile(r"(/\w+)@\w+")
# The first that a message holds says what it is; an animation also comes as a document.
_CONTENTS = {
    "photo": "photo",
    "sticker": "sticker",
    "voice": "voice",
    "audio": "voice",
    "video": "video",
    "video_note": "video",
    "animation": "video",
    "document": "file",
    "location": "location",
    "contact": "contact",
    "poll": "other",
    "dice": "other",
    "story": "other",
}


def incoming(update: Any, bot: str) -> Incoming | None:
    """What an update (https://core.telegram.org/bots/api#update) says to us; None where it says nothing.

    Read from the JSON as it came: PTB's objects would cost more than the rest of an answer. Any value is read
    without an error: whoever knows the webhook's secret can send any.
    """
    match update:
        case {"message": {"chat": {"id": int(chat), "type": "private"}} as message}:
            event = _content(message)
        case {"callback_query": {"data": str(data), "message": {"chat": {"id": int(chat), "type": "private"}}}}:
            event = Tapped(clean(data))
        case {"edited_message": {"chat": {"id": int(chat), "type": "private"}}}:
            event = Sent("edited")
        case {"my_chat_member": {"chat": {"id": int(chat), "type": "private"}, "new_chat_member": {"status": status}}}:
            event = Sent("blocked" if status == "kicked" else "unblocked")
        case {"message": {"chat": {"id": int(chat), "type": "group" | "supergroup"}}}:
            event = Sent("group")
        case _:
            return None
    match update:
        case {"update_id": int(number)} if event:
            return Incoming(f"telegram:{bot}:{number}", "telegram", bot, str(chat), event)
    return None


def _content(message: dict[str, Any]) -> Event | None:
    match message:
        case {"text": str(text)}:
            return Said(_ADDRESSED.sub(r"\1", clean(text), count=1) if text.startswith("/") else clean(text))
    return next((Sent(what) for kind, what in _CONTENTS.items() if kind in message), None)
