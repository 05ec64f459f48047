"""The program as ``run`` wires it, on the stand-in of the Bot API, on clocks that are moved; it can die anywhere."""

import asyncio
import json
import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx2
from aiohttp import web

from bot import checkpoints
from bot.app import App
from bot.channels.telegram import Telegram
from bot.delivery import Delivery
from bot.pace import Pace
from bot.settings import Secret, load
from storage.database import Database
from storage.lock import FileLock
from tests import botapi
from tests.botapi import TOKEN, BotApi
from tests.botapi_user import keyboard
from tests.scenario.model import Failed, History, Told
from tests.world import SECRET

HERE = "http://localhost"


class Killed(BaseException):
    """The process ends here: nothing of it goes on."""


class Deadly:
    """Stands for ``os`` in ``bot.checkpoints``: instead of the whole test only the program dies."""

    died = False  # nobody may have waited for what raised

    @staticmethod
    def getpid() -> int:
        """Whom to kill."""
        return 0

    @staticmethod
    def kill(pid: int, signal: int) -> None:
        """Die once."""
        checkpoints.arm("", 0)
        Deadly.died = True
        raise Killed


class Time:
    """The true time, and a clock on the wall that may be wrong. Monotonic time follows the true one."""

    def __init__(self, at: datetime) -> None:
        self.true, self.wrong_by = at, timedelta(0)

    def wall(self) -> datetime:
        """What the program is told."""
        return self.true + self.wrong_by

    def monotonic(self) -> float:
        """Seconds that nobody sets back."""
        return self.true.timestamp()

    async def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.true += timedelta(seconds=seconds)


class Watched(BotApi):
    """The stand-in writes down what it accepted and when. What people send waits in ``line`` for the program."""

    def __init__(self, time: Time, history: History) -> None:
        super().__init__()
        self.time, self.history = time, history
        self.line: list[dict[str, Any]] = []

    def put(self, update: dict[str, Any]) -> int:
        """Keep an update until the program takes it."""
        number = next(self.numbers)
        self.line.append({"update_id": number, **update})
        return number

    def _outcome(self, method: str, chat: int | None) -> str:
        how = super()._outcome(method, chat)
        if how != "ok" and chat is not None:
            self.history.failed.append(Failed(self.time.true, self.time.wall(), str(chat), how))
        return how

    async def _on_sendMessage(self, call: dict[str, Any]) -> Any:
        answer = await super()._on_sendMessage(call)
        if not isinstance(answer, web.Response):
            text, values = call.get("text", ""), values_of(call)
            kind = kind_of(text, values, quiet=bool(call.get("disable_notification")))
            told = Told(self.time.true, self.time.wall(), str(call["chat_id"]), kind, text, tuple(values))
            self.history.told.append(told)
        return answer

    _on_sendDocument = _on_sendMessage


def values_of(call: dict[str, Any]) -> list[str]:
    """What the buttons of a message carry."""
    return [str(button.get("callback_data", "")) for row in keyboard(call) for button in row]


def kind_of(text: str, values: list[str], *, quiet: bool) -> str:
    """What a message is, by what can be seen of it. Only what nobody asked for comes without a sound (*quiet*)."""
    if not quiet:
        return "reply"
    if any(value.endswith(".why") for value in values):
        return "reminder"
    if any(value.endswith(".continue") for value in values):
        return "opened"
    return "digest" if "Đã nộp" in text.partition("\n\n")[0] else "notice"


class Program:
    """One run of the process after another on the same database."""

    def __init__(self, database: Database, api: Watched, time: Time) -> None:
        self.database, self.api, self.time = database, api, time
        self.lock = FileLock(database.file) if database.file else None
        self.up = False
        self.cookies = httpx2.Cookies()  # the browsers outlive the process

    async def start(self) -> None:
        """A new process: it takes over what the last one had in hand."""
        settings = replace(load({}), secret_key=Secret(SECRET.decode()), telegram_api_url=self.api.url, pace=1000.0)
        self.telegram = Telegram(TOKEN, api_url=self.api.url, secret=botapi.SECRET)
        self.app = App(
            settings, self.database, channels=[self.telegram], now=self.time.wall, monotonic=self.time.monotonic
        )
        held = FileLock(self.lock.path) if self.lock else Held()
        self.delivery: Delivery = await self.app._begun(self.telegram, held)  # type: ignore[arg-type]
        self.delivery.may_send = lambda: True
        self.delivery.pace = Pace(1000.0, monotonic=self.time.monotonic, sleep=self.time.sleep)
        self.app.deliveries[self.delivery.bot] = self.delivery
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.app.web),
            base_url=HERE,
            headers={"Origin": HERE},
            cookies=self.cookies,
        )
        self.up = True

    async def die(self) -> None:
        """Whatever it was doing is not done."""
        checkpoints.arm("", 0)
        Deadly.died = self.up = False
        self.app.deliveries.clear()
        for task in (*self.delivery.under_way, *self.app.inbox.pumps):
            task.cancel()
        await asyncio.gather(*self.delivery.under_way, *self.app.inbox.pumps, return_exceptions=True)
        await self.telegram.close()
        self.cookies = self.http.cookies
        await self.http.aclose()

    async def takes(self, update: dict[str, Any]) -> bool:
        """Hand it an update as Telegram's webhook does; whether it confirmed it. Raises Killed."""
        body = json.dumps(update).encode()
        status, _ = await self.telegram.webhook(body, botapi.SECRET, self.app.inbox.receive)
        self.lives()
        return status == 200

    @staticmethod
    def lives() -> None:
        """Raise Killed where the program died in something that nobody waits for."""
        if Deadly.died:
            raise Killed

    async def ticks(self) -> None:
        """The clock's jobs. Raises Killed."""
        for name in ("remind", "digest", "close"):
            await self.app.clock.tick(name)
            self.lives()

    async def sends(self) -> None:
        """All that is due goes out, or is tried. Raises Killed."""
        delivery = self.delivery
        delivery.took_over = -math.inf  # what its loops do each minute is done at each look
        await delivery._pull_in()
        for _ in range(500):
            more = await delivery.deliver_replies()
            await self._end_of(delivery)
            if (wait := delivery.pace.notice_waits()) < 2:
                await self.time.sleep(wait)
                more |= await delivery.deliver_notice()
                await self._end_of(delivery)
            if not more:
                return
        raise AssertionError("it sends without an end")

    async def _end_of(self, delivery: Delivery) -> None:
        while delivery.under_way:
            await asyncio.gather(*delivery.under_way, return_exceptions=True)
            self.lives()
        await delivery.drain()
        self.lives()


class Held:
    """The delivering lock of a server, held: a run of the scenario has one deliverer."""

    def held(self) -> bool:
        """Whether sending is allowed."""
        return True
