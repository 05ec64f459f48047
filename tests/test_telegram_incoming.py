"""What an update of Telegram says to us: a table of payloads."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels import Incoming
from bot.channels.telegram_updates import incoming
from handlers.messages import Event, Said, Sent, Tapped

AN = {"id": 7, "type": "private", "first_name": "An"}
CELL = {"id": -100, "type": "supergroup", "title": "Chi bộ 1"}


def message(**content: Any) -> dict[str, Any]:
    return {"message": {"message_id": 1, "date": 1, "chat": AN, "from": {"id": 7}} | content}


def tap(data: str) -> dict[str, Any]:
    return {"callback_query": {"id": "1", "from": {"id": 7}, "data": data} | message()}


def member(status: str) -> dict[str, Any]:
    return {"my_chat_member": {"chat": AN, "from": {"id": 7}, "new_chat_member": {"status": status}}}


@pytest.mark.parametrize(
    ("update", "event"),
    [
        (message(text="12 đề tài"), Said("12 đề tài")),
        (message(text="e\u0302"), Said("ê")),
        (message(text="a\x00b\ud800c"), Said("ab\ufffdc")),
        (message(text="đ" * 100_000), Said("đ" * 100_000)),
        (message(text="/start KMAB-CDEF"), Said("/start KMAB-CDEF")),
        (message(text="/start@kiemdiem_bot KMAB-CDEF"), Said("/start KMAB-CDEF")),
        (message(text="/menu@kiemdiem_bot"), Said("/menu")),
        (message(text="gửi an@chibo.vn"), Said("gửi an@chibo.vn")),
        (tap("12.b2_1=good"), Tapped("12.b2_1=good")),
        (tap("\ud800"), Tapped("\ufffd")),
        ({"callback_query": {"id": "1", "data": "12.back", "message": {"chat": AN, "date": 0}}}, Tapped("12.back")),
        (message(photo=[{}], caption="Bản kiểm điểm"), Sent("photo")),
        (message(voice={}), Sent("voice")),
        (message(audio={}), Sent("voice")),
        (message(sticker={}), Sent("sticker")),
        (message(document={}), Sent("file")),
        (message(video={}), Sent("video")),
        (message(video_note={}), Sent("video")),
        (message(animation={}, document={}), Sent("video")),
        (message(location={}), Sent("location")),
        (message(location={}, venue={}), Sent("location")),
        (message(contact={}), Sent("contact")),
        (message(poll={}), Sent("other")),
        (message(live_photo={}, photo=[{}]), Sent("photo")),
        (message(rich_message={"blocks": []}), Sent("other")),
        (message(checklist={}), Sent("other")),
        (message(checklist_tasks_done={}), Sent("other")),
        (message(game={}), Sent("other")),
        (message(gift={}), Sent("other")),
        (message(paid_media={}, caption="a"), Sent("other")),
        (message(giveaway={}), Sent("other")),
        (message(web_app_data={"data": "a"}), Sent("other")),
        (message(users_shared={}), Sent("other")),
        (message(chat_shared={}), Sent("other")),
        (message(what_nobody_knows_yet={}), Sent("other")),
        ({"edited_message": message(text="13")["message"]}, Sent("edited")),
        (member("kicked"), Sent("blocked")),
        (member("member"), Sent("unblocked")),
    ],
)
def test_an_update_of_a_private_chat(update: dict[str, Any], event: Event) -> None:
    assert incoming({"update_id": 5} | update, "42") == Incoming("telegram:42:5", "telegram", "42", "7", event)


def test_words_in_a_group_are_not_taken_in() -> None:
    heard = incoming({"update_id": 5, **message(chat=CELL, text="Họp lúc mấy giờ?")}, "42")
    assert heard == Incoming("telegram:42:5", "telegram", "42", "-100", Sent("group"))


def test_the_pictures_of_an_album_are_one_event() -> None:
    album = [incoming({"update_id": n, **message(photo=[{}], media_group_id="131")}, "42") for n in (5, 6)]
    alone = incoming({"update_id": 7, **message(photo=[{}])}, "42")
    other = incoming({"update_id": 8, **message(photo=[{}], media_group_id="a\x00")}, "42")
    assert [each and each.key for each in [*album, alone, other]] == [
        "telegram:42:album:7:131",
        "telegram:42:album:7:131",
        "telegram:42:7",
        "telegram:42:8",
    ]


@pytest.mark.parametrize(
    "update",
    [
        {"update_id": 5, "business_connection": {}},
        {"update_id": 5, **message(pinned_message={})},
        {"update_id": 5, **message(message_auto_delete_timer_changed={})},
        {"update_id": 5, **message(write_access_allowed={})},
        {"update_id": 5, **message(chat_background_set={})},
        {"update_id": 5, **message(video_chat_started={})},
        {"update_id": 5, **message(entities=[], effect_id="1", reply_to_message={})},
        {"update_id": 5, **message(chat={"id": True, "type": "private"}, text="a")},
        {"update_id": 5, **message(chat={"id": 10**30, "type": "private"}, text="a")},
        {"update_id": True, **message(text="a")},
        {"update_id": 5, **message(text=7)},
        {"update_id": 5, "message": None},
        {"update_id": "5", **message(text="a")},
        {"update_id": 5, "callback_query": {"id": "1", "data": "12.back"}},
        {"update_id": 5, "channel_post": {"chat": CELL, "text": "a"}},
        message(text="a"),
        [],
        None,
    ],
)
def test_what_says_nothing_to_us(update: Any) -> None:
    assert incoming(update, "42") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["private", "kicked", "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["chat", "id", "type", "text", "data", "message", "photo"]), inner, max_size=5
        )
    ),
    max_leaves=20,
)


@given(kind=st.sampled_from(["message", "edited_message", "callback_query", "my_chat_member"]), content=json_values)
def test_no_update_does_harm(kind: str, content: Any) -> None:
    incoming({"update_id": 5, kind: content}, "42")
