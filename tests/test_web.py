"""The web chat: a door for two factors, a page that loses nothing and repeats nothing, a guard before both."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from bot.channels.web import application
from bot.channels.web.talk import Talk, checksum
from bot.channels.web.watch import Page
from handlers.messages import Message, dumps
from storage import models as m
from storage import webchat
from storage.database import Database
from storage.outbox import Outgoing
from tests.echo import ASKED, CODE, LEVEL, WELCOME, WRONG, Echo, member, web

BORN = {"day": "28", "month": "7", "year": "1973"}
HERE = "http://localhost"


class Browser:
    """A browser in front of the web app: it keeps cookies and sends its own origin."""

    def __init__(self, echo: Echo, public_url: str = "", **headers: str) -> None:
        transport = httpx2.ASGITransport(application(web(echo, public_url=public_url)))
        base = public_url or HERE
        self.http = httpx2.AsyncClient(transport=transport, base_url=base, headers={"Origin": base} | headers)
        self.number = 0

    async def joins(self, code: str = CODE) -> str:
        """Go in by the personal link; the chat's address."""
        answer = await self.http.post(f"/chat/{code}", data=BORN)
        assert answer.status_code == 303
        return answer.headers["location"]

    def key(self, carried: str) -> str:
        """The key of the next message."""
        self.number += 1
        return f"{self.number:08}.{checksum(carried):08x}"

    async def says(self, chat: str, text: str, after: int = 0, key: str = "") -> httpx2.Response:
        """Type something."""
        body = json.dumps({"key": key or self.key(text), "text": text, "after": after})
        return await self.http.post(f"{chat}say", content=body, headers={"Content-Type": "application/json"})


def texts(answer: httpx2.Response) -> list[str]:
    """The words of the messages in an answer."""
    assert answer.status_code == 200
    return [message["text"] for message in answer.json()["messages"]]


@pytest.fixture
def echo(sqlite: Database) -> Echo:
    return Echo(sqlite, member(sqlite))


@pytest.fixture
async def browser(echo: Echo) -> AsyncIterator[Browser]:
    made = Browser(echo)
    yield made
    await made.http.aclose()


def addresses_there(database: Database) -> int:
    with database.transaction(read_only=True) as db:
        return db.execute(sa.select(sa.func.count()).select_from(m.Address)).scalar_one()


# ---------------------------------------------------------------- the door


async def test_a_robot_may_look_three_times_and_the_link_still_opens(echo: Echo, browser: Browser) -> None:
    for _ in range(3):
        assert (await browser.http.get(f"/chat/{CODE}", headers={"User-Agent": "TelegramBot"})).status_code == 200
    assert addresses_there(echo.database) == 0
    chat = await browser.joins()
    page = await browser.http.get(chat)
    assert page.status_code == 200
    assert WELCOME in page.text


async def test_the_door_looks_the_same_whatever_the_code(browser: Browser) -> None:
    right, wrong = [(await browser.http.get(f"/chat/{code}")).text for code in (CODE, "ABCD-9999")]
    assert right.replace(CODE, "") == wrong.replace("ABCD-9999", "")


async def test_a_wrong_code_and_a_wrong_birth_date_are_answered_alike(browser: Browser) -> None:
    wrong_code = await browser.http.post("/chat/ABCD-9999", data=BORN)
    browser.http.cookies.clear()
    wrong_date = await browser.http.post(f"/chat/{CODE}", data=BORN | {"day": "29"})
    assert (wrong_code.status_code, wrong_date.status_code) == (403, 403)
    assert wrong_code.text.replace("ABCD-9999", "") == wrong_date.text.replace(CODE, "")
    assert WRONG in wrong_date.text


async def test_the_tries_of_one_browser_come_from_one_address(echo: Echo, browser: Browser) -> None:
    for day in ("1", "2", "3"):
        await browser.http.post("/chat/", data=BORN | {"code": CODE, "day": day})
    assert addresses_there(echo.database) == 1


async def test_a_second_person_in_the_same_browser_gets_an_address_of_their_own(browser: Browser) -> None:
    first, second = await browser.joins(), await browser.joins()
    assert first != second
    assert (await browser.http.get(first)).status_code == 200
    assert (await browser.http.get(second)).status_code == 200


async def test_a_code_typed_at_the_door_opens_like_a_link(browser: Browser) -> None:
    answer = await browser.http.post("/chat/", data=BORN | {"code": f" {CODE} "})
    assert answer.status_code == 303


async def test_an_empty_field_is_asked_for_again(echo: Echo, browser: Browser) -> None:
    assert (await browser.http.post("/chat/", data={"code": CODE, "day": "28"})).status_code == 422
    assert addresses_there(echo.database) == 0


async def test_the_door_says_that_nothing_was_saved(echo: Echo, browser: Browser) -> None:
    echo.broken = True
    assert (await browser.http.post(f"/chat/{CODE}", data=BORN)).status_code == 503


async def test_the_browser_inside_a_messenger_is_offered_the_real_one(browser: Browser) -> None:
    agent = "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537 Zalo android/12"
    page = (await browser.http.get(f"/chat/{CODE}", headers={"User-Agent": agent})).text
    assert f'href="intent://localhost/chat/{CODE}#Intent;scheme=http;end"' in page


async def test_the_cookie_is_for_its_chat_alone_and_out_of_reach_of_scripts(echo: Echo) -> None:
    browser = Browser(echo, public_url="https://kiemdiem.example")
    answer = await browser.http.post(f"/chat/{CODE}", data=BORN)
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("kiemdiem="))
    parts = {part.strip() for part in cookie.split(";")[1:]}
    assert parts >= {"HttpOnly", "Secure", "SameSite=lax", f"Path={answer.headers['location']}"}


# ---------------------------------------------------------------- the chat


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


# ---------------------------------------------------------------- who may


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


# ---------------------------------------------------------------- notices


async def test_a_notice_waits_for_its_time_and_for_its_page(echo: Echo, browser: Browser) -> None:
    chat = await browser.joins()
    echo.notice(chat[6:-1], "reminder:1:2026-11-25", dumps(Message("Còn 3 ngày.")), hours=1)
    assert texts(await browser.http.get(f"{chat}since?after=2")) == []
    echo.clock.forward(hours=2)
    assert texts(await browser.http.get(f"{chat}since?after=2")) == ["Còn 3 ngày."]
    assert texts(await browser.http.get(f"{chat}since?after=2")) == ["Còn 3 ngày."]


def queue(echo: Echo, chat: str) -> None:
    """Four notices: one to be worded, one not wanted any more, one that has expired, one ready."""
    echo.notice(chat, "worded", None)
    echo.notice(chat, "unwanted", None)
    echo.notice(chat, "expired", dumps(Message("Quá muộn")), expires=timedelta(hours=-1))
    echo.notice(chat, "ready", dumps(Message("Sẵn sàng")))


def wording(db: object, outgoing: Outgoing, now: object) -> str | None:
    """What is said in the notices of ``queue``."""
    return dumps(Message("Có lời")) if outgoing.key == "worded" else None


async def test_a_due_notice_is_worded_or_closed_when_it_is_taken(database: Database) -> None:
    echo = Echo(database, member(database))
    chat = (await Browser(echo).joins())[6:-1]
    queue(echo, chat)
    with database.transaction() as db:
        address = db.execute(sa.select(m.Address.id)).scalar_one()
        assert webchat.take_due(db, address, echo.clock(), wording) == 2
    with database.transaction() as db:
        assert webchat.take_due(db, address, echo.clock(), wording) == 0
        states = db.execute(sa.select(m.Outgoing.key, m.Outgoing.state, m.Outgoing.seq).order_by(m.Outgoing.id)).all()
        assert [tuple(row) for row in states[2:]] == [
            ("worded", "sent", 3),
            ("unwanted", "withdrawn", None),
            ("expired", "expired", None),
            ("ready", "sent", 4),
        ]
        assert [json.loads(row.body or "")["text"] for row in webchat.since(db, address, 2, 10)] == [
            "Có lời",
            "Sẵn sàng",
        ]


async def test_two_processes_give_each_notice_one_number(database: Database) -> None:
    echo = Echo(database, member(database))
    chat = (await Browser(echo).joins())[6:-1]
    for number in range(20):
        echo.notice(chat, f"notice:{number}", dumps(Message(str(number))))
    with database.transaction(read_only=True) as db:
        address = db.execute(sa.select(m.Address.id)).scalar_one()
    other = Database(database.url.render_as_string(hide_password=False))
    taken = await asyncio.gather(
        *(each.write(lambda db: webchat.take_due(db, address, echo.clock(), wording)) for each in (database, other) * 3)
    )
    other.close()
    with database.transaction(read_only=True) as db:
        rows = webchat.since(db, address, 2, 100)
    assert sum(taken) == 20
    assert [row.seq for row in rows] == list(range(3, 23))
    assert sorted(row.key for row in rows) == sorted(f"notice:{number}" for number in range(20))


async def test_a_notice_that_cannot_be_worded_is_put_aside_for_the_others(echo: Echo) -> None:
    def broken(db: object, outgoing: Outgoing, now: object) -> str:
        raise KeyError("no such cell")

    chat = (await Browser(echo).joins())[6:-1]
    echo.notice(chat, "broken", None)
    echo.notice(chat, "ready", dumps(Message("Sẵn sàng")))
    talk = Talk(web(echo, broken))
    with echo.database.transaction(read_only=True) as db:
        page = Page(db.execute(sa.select(m.Address.id)).scalar_one(), 2)
    events = talk.events(page)
    first = asyncio.ensure_future(anext(events))
    assert json.loads((await first).data or "")["text"] == "Sẵn sàng"
    await events.aclose()


# ---------------------------------------------------------------- the stream


async def test_a_stream_goes_on_after_the_last_number_and_ends_with_the_address(echo: Echo, browser: Browser) -> None:
    chat = await browser.joins()
    await browser.says(chat, "một")
    talk = Talk(web(echo))
    with echo.database.transaction(read_only=True) as db:
        page = Page(db.execute(sa.select(m.Address.id)).scalar_one(), 3)
    events = talk.events(page)
    first = await anext(events)
    assert (first.id, json.loads(first.data or "")["text"]) == ("4", LEVEL)
    waiting = asyncio.ensure_future(anext(events))
    echo.notice(chat[6:-1], "reminder", dumps(Message("Còn 3 ngày.")))
    await talk.watch.ring()
    assert (await waiting).id == "5"
    waiting = asyncio.ensure_future(anext(events))
    with echo.database.transaction() as db:
        db.execute(sa.update(m.Address).values(closed="ended"))
    await talk.watch.ring()
    assert (await waiting).event == "ended"
    await events.aclose()
    assert talk.watch.pages == set()


async def test_a_stream_does_not_hold_up_a_server_that_ends(echo: Echo, browser: Browser) -> None:
    await browser.joins()
    stopping = asyncio.Event()
    talk = Talk(replace(web(echo), stopping=stopping.is_set))
    talk.watch.every = 0
    events = talk.events(Page(1, 2))
    waiting = asyncio.ensure_future(anext(events, None))
    await asyncio.sleep(0)
    stopping.set()
    assert await waiting is None


# ---------------------------------------------------------------- the guard


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "169.254.1.1:8000"])
async def test_a_foreign_host_is_refused(browser: Browser, host: str) -> None:
    assert (await browser.http.get("/chat/", headers={"Host": host})).status_code == 400


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:9999", "http://localhost.evil"])
async def test_a_foreign_origin_changes_nothing(echo: Echo, browser: Browser, origin: str) -> None:
    chat = await browser.joins()
    answer = await browser.http.post(f"{chat}say", headers={"Origin": origin}, json={})
    assert answer.status_code == 403
    assert (await browser.http.post(f"/chat/{CODE}", headers={"Origin": origin}, data=BORN)).status_code == 403


async def test_a_cross_site_request_without_an_origin_changes_nothing(echo: Echo) -> None:
    transport = httpx2.ASGITransport(application(web(echo)))
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers={"Sec-Fetch-Site": "cross-site"}) as http:
        assert (await http.post(f"/chat/{CODE}", data=BORN)).status_code == 403


async def test_a_form_of_another_kind_is_no_message(browser: Browser) -> None:
    chat = await browser.joins()
    assert (await browser.http.post(f"{chat}say", content=b"{}")).status_code == 415


async def test_a_body_over_a_megabyte_is_refused_with_or_without_its_length(browser: Browser) -> None:
    chat = await browser.joins()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100_000

    kind = {"Content-Type": "application/json"}
    assert (await browser.http.post(f"{chat}say", content=b" " * 1_000_001, headers=kind)).status_code == 413
    assert (await browser.http.post(f"{chat}say", content=pieces(), headers=kind)).status_code == 413


async def test_every_answer_carries_the_strict_headers(browser: Browser) -> None:
    chat = await browser.joins()
    for path in (chat, "/chat/", "/nothing", "/static/chat.js"):
        headers = (await browser.http.get(path)).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


async def test_a_page_has_no_script_or_style_of_its_own_and_escapes_words(browser: Browser) -> None:
    chat = await browser.joins()
    await browser.says(chat, "</script><script>alert(1)</script>")
    page = (await browser.http.get(chat)).text
    assert "<script>" not in page
    assert "style=" not in page
    assert page.count("</script>") == 3


async def test_the_whole_page_weighs_less_than_forty_kilobytes(browser: Browser) -> None:
    chat = await browser.joins()
    page = (await browser.http.get(chat)).text
    files = [part.split('"')[0] for part in page.split('"/static/')[1:]]
    weights = [len((await browser.http.get(f"/static/{file}")).content) for file in files]
    assert len(weights) == 4
    assert len(page.encode()) + sum(weights) < 40_000


async def test_a_static_file_with_its_version_may_be_kept_for_ever(browser: Browser) -> None:
    page = (await browser.http.get("/chat/")).text
    name = next(part.split('"')[0] for part in page.split('"/static/')[1:] if part.startswith("chat.css"))
    assert "immutable" in (await browser.http.get(f"/static/{name}")).headers["cache-control"]
    assert (await browser.http.get("/static/chat.css?v=old")).headers["cache-control"] == "no-cache"
    assert (await browser.http.get("/static/../pages.py")).status_code == 404
