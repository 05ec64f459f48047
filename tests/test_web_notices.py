"""What nobody asked for, on the web page: numbered once, worded or closed when taken, streamed as it comes."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa

from bot.channels.web.talk import Talk
from bot.channels.web.watch import Page
from handlers.messages import Message, dumps
from storage import models as m
from storage import notes, webchat
from storage.database import Database
from storage.outbox import Outgoing
from tests.echo import LEVEL, Echo, member, web
from tests.surfing import Browser, texts


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
    return dumps(Message("Có lời")) if outgoing.key == "worded" else outgoing.body


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
        assert [json.loads(row.body or "")["text"] for row in webchat.since(db, address, 2, 10, echo.clock())] == [
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
        rows = webchat.since(db, address, 2, 100, echo.clock())
    assert sum(taken) == 20
    assert [row.seq for row in rows] == list(range(3, 23))
    assert sorted(row.key for row in rows) == sorted(f"notice:{number}" for number in range(20))


async def test_while_all_is_paused_what_is_due_for_a_page_waits(database: Database) -> None:
    echo = Echo(database, member(database))
    chat = (await Browser(echo).joins())[6:-1]
    queue(echo, chat)
    with database.transaction() as db:
        address = db.execute(sa.select(m.Address.id)).scalar_one()
        notes.write(db, notes.PAUSED, "yes")
        assert webchat.take_due(db, address, echo.clock(), wording) == 0
        notes.write(db, notes.PAUSED, None)
        assert webchat.take_due(db, address, echo.clock(), wording) == 2


async def test_a_notice_that_cannot_be_worded_is_put_aside_for_the_others(echo: Echo) -> None:
    def broken(db: object, outgoing: Outgoing, now: object) -> str | None:
        if outgoing.key == "broken":
            raise KeyError("no such cell")
        return outgoing.body

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
