"""The web chat: it loses nothing, repeats nothing, and is open to one browser alone."""

from typing import Any

import pytest
import sqlalchemy as sa

from bot.channels.web.talk import checksum
from storage import models as m
from tests.echo import ASKED, LEVEL, WELCOME, Echo
from tests.surfing import Browser, texts


async def test_what_is_said_and_tapped_is_answered_in_the_same_answer(echo: Echo, browser: Browser) -> None:
    chat = await browser.joins()
    assert texts(await browser.says(chat, "12 đề tài", after=2)) == ["Đã ghi: 12 đề tài", LEVEL]
    body = {"key": browser.key("12.level=1"), "value": "12.level=1", "after": 4}
    answer = await browser.http.post(f"{chat}tap", json=body)
    message: dict[str, Any] = answer.json()["messages"][0]
    assert (message["seq"], message["at"], message["moves"][0]) == (5, "2026-11-24T09:00", ["12.next", "Tiếp"])
    assert echo.heard == ["12 đề tài", "12.level=1"]


async def test_the_same_key_again_has_one_effect_and_the_same_answer(echo: Echo, browser: Browser) -> None:
    chat = await browser.joins()
    key = browser.key("12 đề tài")
    first, again = [await browser.says(chat, "12 đề tài", 2, key) for _ in range(2)]
    assert first.json() == again.json()
    assert echo.heard == ["12 đề tài"]


async def test_the_same_key_with_other_words_is_refused(echo: Echo, browser: Browser) -> None:
    chat = await browser.joins()
    key = browser.key("12 đề tài")
    await browser.says(chat, "12 đề tài", key=key)
    assert (await browser.says(chat, "13 đề tài", key=key)).status_code == 409
    assert echo.heard == ["12 đề tài"]


async def test_what_could_not_be_stored_is_not_confirmed_and_may_be_sent_again(echo: Echo, browser: Browser) -> None:
    chat = await browser.joins()
    key = browser.key("12 đề tài")
    echo.broken = True
    assert (await browser.says(chat, "12 đề tài", key=key)).status_code == 503
    echo.broken = False
    assert texts(await browser.says(chat, "12 đề tài", 2, key)) == ["Đã ghi: 12 đề tài", LEVEL]


async def test_a_page_fetches_what_it_has_not_seen(browser: Browser) -> None:
    chat = await browser.joins()
    await browser.says(chat, "một")
    assert texts(await browser.http.get(f"{chat}since?after=0")) == [ASKED, WELCOME, "Đã ghi: một", LEVEL]
    assert texts(await browser.http.get(f"{chat}since?after=3")) == [LEVEL]
    assert texts(await browser.http.get(f"{chat}since?after=4")) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"key": 1}', b'{"key": "a", "after": 0}', b"[" * 10_000])
async def test_a_body_that_is_none_of_ours_is_refused(browser: Browser, body: bytes) -> None:
    chat = await browser.joins()
    answer = await browser.http.post(f"{chat}say", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


async def test_words_are_stored_as_composed_letters_without_control_characters(echo: Echo, browser: Browser) -> None:
    chat = await browser.joins()
    await browser.says(chat, "Hoa\u0300n tha\u0300nh\r\n\x00\ud800")
    assert echo.heard == ["Hoàn thành\n\ufffd"]


async def test_a_cookie_opens_its_own_chat_only(echo: Echo, browser: Browser) -> None:
    mine = await browser.joins()
    other = Browser(echo)
    theirs = await other.joins()
    cookie = next(c.value for c in browser.http.cookies.jar if c.path == mine)
    stranger = Browser(echo, Cookie=f"kiemdiem={cookie}")
    assert (await stranger.http.get(mine)).status_code == 200
    answers = [
        await stranger.http.get(theirs),
        await stranger.http.get(f"{theirs}since"),
        await stranger.http.get(f"{theirs}stream"),
        await stranger.says(theirs, "xin chào"),
        await Browser(echo, Cookie="kiemdiem=made-up").http.get(mine),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert WELCOME not in answers[0].text


async def test_a_session_ends_with_its_address(echo: Echo, browser: Browser) -> None:
    chat = await browser.joins()
    with echo.database.transaction() as db:
        db.execute(sa.update(m.Address).values(closed="ended"))
    assert (await browser.http.get(chat)).status_code == 404
    assert (await browser.says(chat, "xin chào")).status_code == 404


async def test_a_session_ends_with_its_time(echo: Echo, browser: Browser) -> None:
    chat = await browser.joins()
    echo.clock.forward(days=181)
    assert (await browser.http.get(chat)).status_code == 404


async def test_what_is_stored_of_a_key_tells_nothing_about_the_words(echo: Echo, browser: Browser) -> None:
    chat = await browser.joins()
    await browser.says(chat, "12.level=good")
    with echo.database.transaction(read_only=True) as db:
        keys = [*db.scalars(sa.select(m.IncomingKey.key)), *db.scalars(sa.select(m.Outgoing.key))]
    assert [key for key in keys if f"{checksum('12.level=good'):08x}" in key] == []
