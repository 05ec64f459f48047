"""The demo's start page: anybody can be played without a code, and the clock only goes forward."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from bot import roster
from bot.channels.web import application
from bot.demo import Demo
from handlers import cycles
from handlers.cycle_files import load
from handlers.cycles import Cycle
from storage import models as m
from storage.database import Database, Db
from tests.echo import Echo, web

DEMO = Path(__file__).parent.parent / "cycles" / "demo"
FORMS = ("mau_2a_2025", "mau_2b_2025", "mau_2c_2025")


def season(db: Db, now: datetime) -> None:
    """An open season for everybody in the roster, nobody having answered anything."""
    cycle = load((DEMO / "2026.toml").read_text("utf-8"), "2026.toml", FORMS, begins=date(2026, 11, 24))
    assert isinstance(cycle, Cycle)
    row = {"code": cycle.code, "opened_at": now, "rules": cycles.dumps(cycle), "digest": "demo"}
    cycle_id = db.execute(sa.insert(m.Cycle).returning(m.Cycle.id), row).scalar_one()
    people = db.execute(sa.select(m.Person.id, m.Person.unit_id)).all()
    rows = [{"cycle_id": cycle_id, "person_id": id, "unit_id": unit, "state": m.NOT_STARTED} for id, unit in people]
    db.execute(sa.insert(m.Assessment), rows)


@dataclass
class Stage:
    """The demo over the echo; what its clock and its reset were told."""

    echo: Echo
    moves: list[datetime] = field(default_factory=list)
    resets: int = 0

    def __post_init__(self) -> None:
        self.web = web(self.echo)
        demo = Demo(self.web, self.move_to, self.reset)
        transport = httpx2.ASGITransport(application(self.web, demo.routes()))
        self.http = httpx2.AsyncClient(
            transport=transport, base_url="http://localhost", headers={"Origin": "http://localhost"}
        )

    async def move_to(self, moment: datetime) -> Mapping[str, int]:
        self.moves.append(moment)
        self.echo.clock.at = moment
        return {"reminder": 3, "digest": 1, "notice": 0}

    async def reset(self) -> None:
        self.resets += 1

    async def clocks(self, to: str) -> str:
        """What the page says after a button of the clock."""
        answer = (await self.http.post("/demo/clock", json={"to": to})).json()
        return f"{answer['now']}: {answer['said']}"


@pytest.fixture
async def stage(sqlite: Database) -> AsyncIterator[Stage]:
    echo = Echo(sqlite, 0)
    with sqlite.transaction() as db:
        roster.import_roster(db, roster.read(DEMO / "roster.csv", today=date(2026, 11, 24)), echo.clock())
        season(db, echo.clock())
    made = Stage(echo)
    yield made
    await made.http.aclose()


async def test_the_start_page_offers_the_five_parts_and_everybody(stage: Stage) -> None:
    page = (await stage.http.get("/")).text
    assert page.count('class="part"') == 5
    assert page.count("<option") == 121
    assert "09:00 · Thứ Ba 24/11/2026" in page


async def test_whom_one_plays_opens_without_a_code_and_has_been_greeted(stage: Stage) -> None:
    answer = (await stage.http.post("/demo/play", json={"code": "KM-0043"})).json()
    assert answer == {"chat": "/chat/demo-KM-0043/"}
    again = (await stage.http.post("/demo/play", json={"code": "KM-0043"})).json()
    assert again == answer
    assert stage.echo.heard == ["/start"]
    assert "Nguyễn Văn Kiên" in (await stage.http.get(answer["chat"])).text


async def test_four_people_fit_in_one_browser(stage: Stage) -> None:
    codes = ("KM-0043", "KM-0028", "KM-0003", "KM-0120")
    chats = [(await stage.http.post("/demo/play", json={"code": code})).json()["chat"] for code in codes]
    assert [(await stage.http.get(chat)).status_code for chat in chats] == [200] * 4


async def test_nobody_plays_who_is_not_there(stage: Stage) -> None:
    assert (await stage.http.post("/demo/play", json={"code": "KM-9999"})).status_code == 404


async def test_the_clock_goes_where_its_buttons_say_and_tells_what_was_put_out(stage: Stage) -> None:
    assert await stage.clocks("hour") == "10:00 · Thứ Ba 24/11/2026: Vừa gửi 3 lời nhắc, 1 bản tổng hợp."
    assert await stage.clocks("digest") == "17:00 · Thứ Ba 24/11/2026: Vừa gửi 3 lời nhắc, 1 bản tổng hợp."
    assert await stage.clocks("tomorrow") == "08:00 · Thứ Tư 25/11/2026: Vừa gửi 3 lời nhắc, 1 bản tổng hợp."
    assert [move.hour for move in stage.moves] == [10, 17, 8]


async def test_the_clock_never_goes_back(stage: Stage) -> None:
    await stage.clocks("after")
    told = await stage.clocks("before")
    assert told.endswith("Lúc đó đã qua: đồng hồ chỉ đi tới.")
    assert len(stage.moves) == 1


async def test_starting_again_is_handed_on(stage: Stage) -> None:
    assert (await stage.http.post("/demo/reset", json={})).status_code == 200
    assert stage.resets == 1


async def test_without_the_demo_there_is_no_such_page(sqlite: Database) -> None:
    transport = httpx2.ASGITransport(application(web(Echo(sqlite, 0))))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answers = [await http.post(f"/demo/{what}", json={"code": "KM-0043"}) for what in ("play", "clock", "reset")]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
