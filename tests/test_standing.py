"""A channel that stops, stops alone, is tried again and recovers by itself; meanwhile it is told since when."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from bot import app as program
from bot.alarms import alarms
from bot.app import App
from bot.channels import Receive
from bot.channels.telegram import Telegram
from bot.settings import Secret, Settings
from handlers.messages import Message, dumps
from storage import addresses, notes, outbox
from storage import models as m
from storage.database import Database
from tests.botapi import SECRET, TOKEN, BotApi
from tests.fakes import FakeClock, FakeTime, until
from tests.seeded import seed

REFUSES = "Telegram refuses the token"


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi() as server:
        server.longest_poll = 0.05
        yield server


class Counted(Telegram):
    """Telegram that counts how often polling begins."""

    begun = 0

    async def run(self, receive: Receive, works: Callable[[], None] = lambda: None) -> None:
        self.begun += 1
        await super().run(receive, works)


class Running:
    """A program with Telegram, whose waits pass when the test says so."""

    def __init__(self, database: Database, api: BotApi, *, hook: str = "", time: FakeTime | None = None) -> None:
        self.database, self.api, self.time, self.now = database, api, time or FakeTime(), FakeClock()
        settings = Settings(
            secret_key=Secret("x"), telegram_token=Secret(TOKEN), telegram_api_url=api.url, public_url=hook, lang="en"
        )
        self.channel = Counted(TOKEN, api_url=api.url, secret=SECRET, timeout=2)
        self.app = App(
            settings, database, channels=[self.channel], now=self.now, monotonic=self.time, sleep=self.time.sleep
        )

    @asynccontextmanager
    async def parts(self, *names: str) -> AsyncIterator[None]:
        running = asyncio.create_task(self.app.run(names))
        try:
            yield
            assert not running.done(), running.exception()
        finally:
            self.app.stop.set()
            await asyncio.wait_for(running, 10)

    async def get(self, path: str) -> str:
        transport = httpx2.ASGITransport(self.app.web)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return (await client.get(path)).text

    async def health(self) -> tuple[int, Any]:
        transport = httpx2.ASGITransport(self.app.web)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get("/healthz")
            return answer.status_code, answer.json()

    def told(self) -> list[str]:
        """What another process, such as ``check``, finds in the database."""
        with self.database.transaction(read_only=True) as db:
            found = [alarm.name for alarm in alarms(db, self.now())]
            return [name.partition("_")[0] if name.startswith("channel") else name for name in found]

    def noted(self) -> dict[str, str]:
        with self.database.transaction(read_only=True) as db:
            return notes.beginning(db, "")

    def count(self, method: str) -> int:
        return [name for name, *_ in self.api.calls].count(method)

    async def tried_again(self, holds: Callable[[], object], seconds: float) -> None:
        """Nothing happens before so many seconds have passed, and then it does."""
        await until(lambda: seconds in self.time.sleeping, 5)
        before = len(self.api.calls)
        self.time.passes(seconds - 1)
        await asyncio.sleep(0.1)
        assert len(self.api.calls) == before
        self.time.passes(1)
        await until(holds, 5)


@pytest.mark.parametrize(
    ("method", "how", "why"),
    [
        ("getMe", "unauthorized", REFUSES),
        ("getMe", "bad request", "Can't parse entities: unsupported start tag"),
        ("getUpdates", "unauthorized", REFUSES),
        ("getUpdates", "not found", REFUSES),
        ("getUpdates", "bad request", "Can't parse entities"),
        ("deleteWebhook", "bad request", "Can't parse entities: unsupported start tag"),
    ],
)
async def test_receiving_stops_alone_and_is_tried_again_until_it_works(
    sqlite: Database, api: BotApi, method: str, how: str, why: str
) -> None:
    if method == "deleteWebhook":
        api.hook = {"url": "https://elsewhere.vn/bot"}
    api.always[method] = how
    running = Running(sqlite, api)
    async with running.parts("telegram"):
        await until(lambda: running.told() == ["channel"], 5)
        since = running.now()
        assert await running.health() == (
            503,
            {
                "alive": False,
                "failing": ["channel telegram"],
                "channels": {"telegram": {"since": since.isoformat(), "why": why}},
            },
        )
        for wait in (30, 60, 120, 240, 480, 900, 900):
            running.now.forward(seconds=wait)
            tries = running.count(method)
            await running.tried_again(lambda tries=tries: running.count(method) > tries, wait)  # type: ignore[misc]
        assert (await running.health())[1]["channels"]["telegram"]["since"] == since.isoformat()
        del api.always[method]
        number = api.user(7).sends(text="/start")
        await until(lambda: 900.0 in running.time.sleeping, 5)
        running.time.passes(900)
        await api.until_confirmed(number)
        await until(lambda: running.told() == [], 5)
        assert await running.health() == (200, {"alive": True, "failing": []})


async def test_a_menu_of_commands_that_is_refused_stops_nothing(sqlite: Database, api: BotApi) -> None:
    api.always["setMyCommands"] = "bad request"
    running = Running(sqlite, api)
    async with running.parts("telegram"):
        await api.until_confirmed(api.user(7).sends(text="/start"))
        assert running.told() == []


async def test_a_webhook_that_is_refused_ends_nothing_and_is_set_later(sqlite: Database, api: BotApi) -> None:
    """Its name may not resolve yet."""
    api.always["setWebhook"] = "bad webhook"
    running = Running(sqlite, api, hook="http://127.0.0.1:1")
    async with running.parts("telegram"):
        await until(lambda: running.told() == ["channel"], 5)
        assert (await running.health())[1]["channels"]["telegram"]["why"] == (
            "Bad webhook: failed to resolve host: name or service not known"
        )
        del api.always["setWebhook"]
        await running.tried_again(lambda: api.hook, 30)
        await until(lambda: running.told() == [], 5)
    assert running.count("getUpdates") == 0  # nor while it stopped


@pytest.mark.parametrize("to", ["", "https://elsewhere.vn/bot"])
async def test_a_webhook_that_was_taken_away_is_set_again_and_told(sqlite: Database, api: BotApi, to: str) -> None:
    running = Running(sqlite, api, hook="http://127.0.0.1:1")
    async with running.parts("telegram"):
        await until(lambda: api.hook, 5)
        ours = dict(api.hook)
        api.hook = {"url": to} if to else {}
        await running.tried_again(lambda: api.hook == ours, program.HOOK_LOOK)
        await until(lambda: running.told() == ["webhook_taken"], 5)
        assert (await running.health())[0] == 200
    running.now.forward(days=1, minutes=1)
    assert running.told() == []


async def test_with_a_webhook_no_poll_begins_while_the_program_stops(sqlite: Database, api: BotApi) -> None:
    running = Running(sqlite, api, hook="http://127.0.0.1:1")
    async with running.parts("telegram"):
        await until(lambda: "telegram_username" in running.noted(), 5)
        await asyncio.sleep(0.1)  # it waits for the webhook's next look by now
    assert (running.channel.begun, running.count("getUpdates")) == (0, 0)


async def test_two_programs_that_poll_take_turns_and_the_conflict_is_told_all_the_while(
    sqlite: Database, api: BotApi
) -> None:
    running = Running(sqlite, api)
    api.fails("getUpdates", "conflict", "ok", "conflict")
    async with running.parts("telegram"):
        await until(lambda: running.told() == ["channel"], 5)
        since = running.app.standings.troubles()["telegram"].since
        running.now.forward(seconds=30)
        await running.tried_again(lambda: 60.0 in running.time.sleeping, 30)
        assert running.app.standings.troubles()["telegram"].since == since
        running.time.passes(60)
        polls = running.count("getUpdates")
        await until(lambda: running.count("getUpdates") > polls + 1, 5)
        assert running.told() == ["channel"]
        running.time.passes(61)  # undisturbed for so long: the other one is gone
        await until(lambda: running.told() == [], 5)


async def test_sending_stops_alone_is_tried_again_and_what_was_queued_goes_out(sqlite: Database, api: BotApi) -> None:
    seed(sqlite)
    running = Running(sqlite, api)
    an = api.user(7)
    async with running.parts("delivery"):
        await until(lambda: running.count("getMe") == 1, 5)
        api.always["getMe"] = api.always["sendMessage"] = "unauthorized"
        with sqlite.transaction() as db:
            chat = addresses.ensured(db, "telegram", running.channel.bot, "7", running.now())
            for key in ("a", "b"):
                outbox.put(db, key=key, kind=m.REPLY, address_id=chat.id, now=running.now(), body=dumps(Message(key)))
        await until(lambda: running.told() == ["channel"], 5)
        await running.tried_again(lambda: running.count("getMe") == 2, 30)
        assert (running.count("sendMessage"), an.inbox) == (1, [])
        assert (await running.health())[1]["failing"] == ["channel telegram"]
        api.always.clear()
        await running.tried_again(lambda: an.inbox == ["a", "b"], 60)
        await until(lambda: running.told() == [], 5)
        assert await running.health() == (200, {"alive": True, "failing": []})
    with sqlite.transaction(read_only=True) as db:
        assert set(db.scalars(sa.select(m.Outgoing.state))) == {m.SENT}


async def test_a_trouble_lasts_through_a_restart_and_ends_once_the_channel_works(sqlite: Database, api: BotApi) -> None:
    api.always["getMe"] = "unauthorized"
    first = Running(sqlite, api)
    async with first.parts("telegram", "delivery"):
        await until(lambda: len(first.noted()) == 2, 5)
    since = first.now()
    assert first.told() == ["channel"]  # one cause, one line
    second = Running(Database(sqlite.url.render_as_string()), api)
    second.now.forward(hours=3)
    async with second.parts("telegram", "delivery"):
        await until(lambda: 30.0 in second.time.sleeping, 5)
        await until(lambda: second.app.standings.troubles()["telegram"].since == since, 5)
        assert second.told() == ["channel"]
        api.always.clear()
        second.time.passes(30)
        await until(lambda: "telegram_username" in second.noted() and second.told() == [], 5)


async def test_the_trouble_of_a_bot_that_is_not_ours_any_more_is_forgotten(sqlite: Database, api: BotApi) -> None:
    trouble = json.dumps(["token", "refused", datetime(2026, 11, 1, tzinfo=UTC).isoformat()])
    with sqlite.transaction() as db:
        notes.write(db, "stopped:telegram:111:receiving", trouble)
        notes.write(db, "stopped:zalo:5:receiving", trouble)
    running = Running(sqlite, api)
    async with running.parts("telegram", "delivery"):
        await until(lambda: "stopped:telegram:111:receiving" not in running.noted(), 5)
    assert "stopped:zalo:5:receiving" in running.noted()  # of another channel, perhaps of another process


async def test_after_a_start_without_a_network_an_earlier_trouble_is_looked_at_again(
    sqlite: Database, api: BotApi
) -> None:
    api.always["getMe"] = "server error"
    running = Running(sqlite, api)
    with sqlite.transaction() as db:
        trouble = json.dumps(["token", "refused", running.now().isoformat()])
        notes.write(db, f"stopped:telegram:{running.channel.bot}:sending", trouble)
    async with running.parts("delivery"):
        await until(lambda: running.count("getMe") == 1, 5)
        await until(lambda: 30.0 in running.time.sleeping, 5)
        api.always.clear()
        running.time.passes(30)
        await until(lambda: running.told() == [], 5)


@pytest.mark.parametrize(("hours", "told"), [(0, []), (3, ["clock_off"]), (-3, ["clock_off"])])
async def test_a_clock_that_differs_from_telegrams_is_told(
    sqlite: Database, api: BotApi, hours: int, told: list[str]
) -> None:
    running = Running(sqlite, api)
    api.date = format_datetime(running.now() + timedelta(hours=hours, minutes=5))
    async with running.parts("delivery"):
        await until(lambda: running.channel.platform_time() is not None, 5)
        ready, metrics = [await running.get(path) for path in ("/readyz", "/metrics")]
    assert json.loads(ready).get("alarms", []) == told
    assert ('kiemdiem_alarm{alarm="clock_off"} 1.0' in metrics) == bool(told)


@pytest.mark.parametrize("date", ["", "yesterday"])
async def test_a_date_that_is_none_tells_no_time(sqlite: Database, api: BotApi, date: str) -> None:
    running = Running(sqlite, api)
    api.date = date
    async with running.parts("delivery"):
        await until(lambda: running.count("getMe") > 0, 5)
        assert json.loads(await running.get("/readyz")) == {"ready": True}
    assert running.channel.platform_time() is None


async def test_a_platform_that_has_not_answered_for_ten_minutes_is_told(sqlite: Database, api: BotApi) -> None:
    api.always["getUpdates"] = "server error"
    running = Running(sqlite, api)
    running.channel._sleep = running.time.sleep
    async with running.parts("telegram"):
        await until(lambda: running.count("getUpdates") == 1, 5)
        running.time.passes(599)
        await asyncio.sleep(0.1)
        assert running.told() == []
        running.time.passes(60)
        await until(lambda: running.told() == ["channel"], 5)
        running.now.forward(minutes=2)
        assert running.app.standings.troubles()["telegram"].since == running.now() - timedelta(minutes=2)
        api.always.clear()
        running.time.passes(60)
        await until(lambda: running.told() == [], 5)
