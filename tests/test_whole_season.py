"""The main job end to end, over Telegram's protocol: the whole sample roster binds, answers, is reminded, submits."""

import asyncio
import csv
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, time
from pathlib import Path

import sqlalchemy as sa

from bot.app import App
from bot.channels.telegram import Telegram
from bot.documents.sheet import export
from bot.settings import Secret, load
from handlers.calendar import moment
from handlers.words import clean
from storage import invitations
from storage import models as m
from storage.database import Database
from storage.lock import FileLock
from tests.botapi import TOKEN, BotApi
from tests.botapi_user import User
from tests.world import SECRET, World

# What people type: facts, line breaks, decomposed letters, what a spreadsheet would take for a formula.
TYPED = (
    "Dự 11/12 buổi sinh hoạt; 4 đợt học nghị quyết.",
    "Dòng một\n\nDòng hai, có <b>thẻ</b> & dấu *sao*",
    unicodedata.normalize("NFD", "Đã hoàn thành chỉ tiêu, sớm 1 tháng"),
    "=1+1 là công thức; @ai, +84, -5",
    "Không có 🙂👩‍👩‍👧",
)


class Season:
    """The program as `run` wires it, polling a stand-in Bot API, on a clock that is moved."""

    def __init__(self, world: World, api: BotApi) -> None:
        self.world, self.api = world, api
        settings = replace(load({}), secret_key=Secret(SECRET.decode()), telegram_api_url=api.url, pace=1000.0)
        self.telegram = Telegram(TOKEN, api_url=api.url)
        self.app = App(settings, world.database, channels=[self.telegram], now=world.clock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listening and delivering."""
        held = FileLock(self.world.database.file) if self.world.database.file else None
        assert held is not None
        assert held.take()
        tasks = [
            asyncio.create_task(self.app.listen(self.telegram)),
            asyncio.create_task(self.app.deliver(self.telegram, held)),
        ]
        try:
            await self.api.until(lambda: bool(self.app.deliveries))
            self.app.deliveries["telegram", self.telegram.bot].pace.next_notice = 0
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.telegram.close()
            held.release()

    async def moves_to(self, day: date, at: str) -> None:
        """Let it be that local time, run the jobs, and wait until all that is due went out."""
        self.world.clock.at = moment(self.world.cycle, day, time.fromisoformat(at))
        await self.app.clock.tick_all()
        while await self.world.database.read(waiting):  # noqa: ASYNC110 - no event says that the outbox is empty
            await asyncio.sleep(0.02)


def waiting(db: sa.Connection) -> bool:
    """Whether anything is still to go out now."""
    return bool(db.scalar(sa.select(sa.func.count()).where(m.Outgoing.state.in_((m.QUEUED, m.CLAIMED)))))


def typed(number: int, question: int) -> str:
    """What person *number* writes to a question: nobody the same."""
    return f"{TYPED[(number + question) % len(TYPED)]} ({number}/{question})"


async def joins(user: User, code: str, born: date) -> None:
    """The code, the birth date, and yes to the consent text where it is asked."""
    await user.says(f"/start {code}", f"{born:%d/%m/%Y}")
    if any("Đồng ý" in row for row in user.buttons):
        await user.taps("Đồng ý")


async def fills_in(user: User, number: int) -> dict[int, str]:
    """Answer everything by the first button, typing where words are asked; what was typed, in order."""
    said: dict[int, str] = {}
    for turn in range(80):
        text, buttons = user.inbox[-1], [label for row in user.buttons for label in row]
        if "Đúng, nộp" in buttons:
            await user.taps("Đúng, nộp")
            return said
        if "một số từ 0 đến" in text:
            await user.says("28,5" if "/30" in text else "61")
        elif "Đồng chí nhắn câu trả lời" in text:
            words = typed(number, turn)
            said[turn] = words
            await user.says(words)
        else:
            await user.taps(buttons[0])
    raise AssertionError(f"no end: {user.inbox[-1]}")


async def test_a_whole_season_over_telegram(sqlite: Database, tmp_path: Path) -> None:
    world = World(sqlite)
    with sqlite.transaction() as db:
        codes = db.execute(sa.select(m.Person.id, m.Person.code, m.Person.birth_date).order_by(m.Person.code)).all()
        invited = invitations.make(db, [row.id for row in codes], world.clock())
    async with BotApi() as api:
        season = Season(world, api)
        async with season.running():
            users = {row.id: api.user(number) for number, row in enumerate(codes, 1_000)}
            await asyncio.gather(*(joins(users[row.id], invited[row.id], row.birth_date) for row in codes))

            with sqlite.transaction(read_only=True) as db:
                states = dict(db.execute(sa.select(m.Assessment.person_id, m.Assessment.state)).all())
                assert db.scalar(sa.select(sa.func.count()).where(m.Address.person_id.is_not(None))) == 120
            owing = [row.id for row in codes if states[row.id] == m.NOT_STARTED]
            exempt = [row.id for row in codes if states[row.id] == m.EXEMPT]
            assert (len(owing), len(exempt)) == (113, 7)

            for person in exempt:
                await users[person].says("/menu")
                assert "không phải làm bản kiểm điểm" in users[person].inbox[-1]

            # Nobody has submitted when the first reminder is due: each who owes gets it once, however often jobs run.
            before = {person: len(users[person].inbox) for person in users}
            await season.moves_to(date(2026, 12, 1), "08:00")
            await season.moves_to(date(2026, 12, 1), "08:01")
            reminded = Counter(
                sum("hết hạn nộp" in text and "Đồng chí chưa bắt đầu" in text for text in users[p].inbox[before[p] :])
                for p in owing
            )
            assert reminded == Counter({1: 113})
            assert all("Đồng chí chưa bắt đầu" not in text for p in exempt for text in users[p].inbox[before[p] :])

            await season.moves_to(date(2026, 12, 2), "09:00")

            async def writes(person: int) -> tuple[int, dict[int, str]]:
                await users[person].taps("Tiếp tục")
                return person, await fills_in(users[person], person)

            said = dict(await asyncio.gather(*map(writes, owing)))
            assert all("Mã biên nhận" in users[person].inbox[-1] for person in owing)

            # The table of the season shows every answer as it was typed, byte for byte once it is NFC.
            out = tmp_path / "season.csv"
            await asyncio.to_thread(export, sqlite, world.cycle.code, out, world.clock(), "vi", plain=True)
            with out.open(encoding="utf-8", newline="") as file:
                rows = {cell: row for row in csv.reader(file) for cell in row if cell.startswith("KM-")}
            assert len(rows) == 120
            code_of = {row.id: row.code for row in codes}
            for person in owing:
                cells = {cell.removeprefix("'") if cell[:2] == "'=" else cell for cell in rows[code_of[person]]}
                assert {clean(each) for each in said[person].values()} <= cells

            # Everybody has submitted: the season goes on in silence, but for the officers' figures.
            before = {person: len(users[person].inbox) for person in users}
            for day in (8, 11, 14, 15, 16):
                await season.moves_to(date(2026, 12, day), "08:00")
                await season.moves_to(date(2026, 12, day), "17:00")
            assert {person: len(users[person].inbox) for person in users} == before
    with sqlite.transaction(read_only=True) as db:
        assert db.scalar(sa.select(sa.func.count(m.IncomingKey.key)).where(m.IncomingKey.failed.is_not(None))) == 0
