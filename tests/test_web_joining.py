"""The door of the web chat in front of the joining that every channel shares, and its server."""

import asyncio
from dataclasses import dataclass, replace

import httpx2
import pytest

from bot.channels.web import Web, application
from bot.channels.web.talk import checksum
from bot.inbox import Inbox
from bot.server import free_port, server
from handlers import join
from handlers.texts import say
from storage.database import Database
from tests.echo import Echo, member, web
from tests.joining import AN, World
from tests.test_demo import season

BORN = {"day": "28", "month": "7", "year": "1973"}


@dataclass
class House:
    """The sample roster with joining behind the door."""

    world: World
    page: Web

    def browser(self) -> httpx2.AsyncClient:
        """A new browser."""
        transport = httpx2.ASGITransport(application(self.page))
        return httpx2.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
def house(sqlite: Database) -> House:
    world = World(sqlite)
    with sqlite.transaction() as db:
        season(db, world.now)
    inbox = Inbox(sqlite, answer=join.handle, now=lambda: world.now, lang="vi", deliveries={})
    return House(world, replace(web(Echo(sqlite, 0)), receive=inbox.receive, now=lambda: world.now))


async def test_a_personal_link_opens_with_the_birth_date_and_again_in_another_browser(house: House) -> None:
    code = house.world.invite(AN)
    for _ in range(2):
        async with house.browser() as browser:
            answer = await browser.post(f"/chat/{code}", data=BORN)
            assert answer.status_code == 303
            assert "Nguyễn Văn Kiên" in (await browser.get(answer.headers["location"])).text


async def test_the_first_browser_can_end_the_second(house: House) -> None:
    code = house.world.invite(AN)
    async with house.browser() as first, house.browser() as second:
        mine = (await first.post(f"/chat/{code}", data=BORN)).headers["location"]
        other = (await second.post(f"/chat/{code}", data=BORN)).headers["location"]
        told = (await first.get(f"{mine}since?after=0")).json()["messages"][-1]
        value = told["moves"][0][0]
        for number in (1, 2):  # asked first, then done
            key = f"0000000{number}.{checksum(value):08x}"
            said = await first.post(f"{mine}tap", json={"key": key, "value": value, "after": 0})
            value = said.json()["messages"][-1]["moves"][0][0]
        assert (await second.get(other)).status_code == 404
        assert (await first.get(mine)).status_code == 200


async def test_too_many_tries_of_one_browser_are_told_so_even_with_the_right_date(house: House) -> None:
    code = house.world.invite(AN)
    async with house.browser() as browser:
        for _ in range(5):
            answer = await browser.post(f"/chat/{code}", data=BORN | {"year": "1974"})
            assert answer.status_code == 403
        answer = await browser.post(f"/chat/{code}", data=BORN)
        assert answer.status_code == 403
        assert say("vi", "join.too_often").split(".")[0] in answer.text


async def test_an_open_stream_does_not_hold_up_a_server_that_stops(sqlite: Database) -> None:
    echo = Echo(sqlite, member(sqlite))
    stopping = asyncio.Event()
    port = free_port("127.0.0.1", 0)
    served = server(application(replace(web(echo), stopping=stopping.is_set)), "127.0.0.1", port)
    serving = asyncio.create_task(served.serve())
    while not served.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser:
        chat = (await browser.post("/chat/MOI1-2345", data=BORN)).headers["location"]
        async with browser.stream("GET", f"{chat}stream?after=0") as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)) == "id: 1"
            stopping.set()
            served.stop()
            assert [line async for line in lines if line.startswith("event")] == []
    async with asyncio.timeout(5):
        await serving
