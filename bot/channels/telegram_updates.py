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
    "live_photo": "photo",
    "sticker": "sticker",
    "voice": "voice",
    "audio": "voice",
    "video": "video",
    "video_note": "video",
    "animation": "video",
    "document": "file",
    "location": "location",
    "contact": "contact",
}
# What comes along with a content and is none (https://core.telegram.org/bots/api#message).
_AROUND = frozenset(
    """message_id message_thread_id direct_messages_topic from sender_chat sender_boost_count sender_business_bot
    sender_tag receiver_user ephemeral_message_id date guest_query_id business_connection_id chat forward_origin
    is_topic_message is_automatic_forward reply_to_message external_reply quote reply_to_story
    reply_to_checklist_task_id reply_to_poll_option_id via_bot guest_bot_caller_user guest_bot_caller_chat edit_date
    has_protected_content is_from_offline is_paid_post media_group_id author_signature paid_star_count text entities
    link_preview_options suggested_post_info effect_id caption caption_entities show_caption_above_media
    has_media_spoiler reply_markup""".split()  # noqa: SIM905 - a list of words reads better
)
# Messages that tell of the chat itself, or of what the person did elsewhere: nobody waits for an answer to these.
_OF_THE_CHAT = frozenset(
    """new_chat_members left_chat_member chat_owner_left chat_owner_changed new_chat_title new_chat_photo
    delete_chat_photo group_chat_created supergroup_chat_created channel_chat_created
    message_auto_delete_timer_changed migrate_to_chat_id migrate_from_chat_id pinned_message connected_website
    write_access_allowed proximity_alert_triggered boost_added chat_background_set community_chat_added
    community_chat_joined community_chat_removed direct_message_price_changed forum_topic_created forum_topic_edited
    forum_topic_closed forum_topic_reopened general_forum_topic_hidden general_forum_topic_unhidden giveaway_created
    giveaway_completed managed_bot_created paid_message_price_changed refunded_payment suggested_post_approved
    suggested_post_approval_failed suggested_post_declined suggested_post_paid suggested_post_refunded
    video_chat_scheduled video_chat_started video_chat_ended video_chat_participants_invited""".split()  # noqa: SIM905 - as above
)
_SILENT = _AROUND | _OF_THE_CHAT
_IDS = 2**52  # of chats: larger ones are none of Telegram's (https://core.telegram.org/bots/api#chat)


def number_of(update: Any) -> int | None:
    """The number of an update; None where it has none, and so cannot be taken in only once."""
    match update:
        case {"update_id": int(number)} if not isinstance(number, bool):
            return number
    return None


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
    number = number_of(update)
    if event is None or number is None or isinstance(chat, bool) or abs(chat) >= _IDS:
        return None
    return Incoming(f"telegram:{bot}:{_album(update, chat) or number}", "telegram", bot, str(chat), event)


def _album(update: dict[str, Any], chat: int) -> str | None:
    """What the pictures of one album have in common, so that they are one event and get one answer."""
    match update:
        case {"message": {"media_group_id": str(group)}} if group.isascii() and group.isalnum():
            return f"album:{chat}:{group[:64]}"
    return None


def _content(message: dict[str, Any]) -> Event | None:
    """What a message is; None where it says nothing to us. A content that is not known here is ``other``."""
    match message:
        case {"text": str(text)}:
            return Said(_ADDRESSED.sub(r"\1", clean(text), count=1) if text.startswith("/") else clean(text))
    known = next((what for kind, what in _CONTENTS.items() if kind in message), None)
    return Sent(known or "other") if known or message.keys() - _SILENT else None
