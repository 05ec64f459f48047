"""Taking in what Telegram brings: nothing is confirmed before it is stored, and nobody waits for another."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from bot.channels import Incoming, Receive, Stopped, TryLater
from bot.channels.telegram import Telegram, hook_url
from bot.channels.telegram_updates import KINDS
from handlers.messages import Message, Move, Said, Sent, Tapped
from tests.botapi import SECRET, TOKEN, BotApi
from tests.test_telegram_sending import COMMANDS


class Inbox:
    """Remembers what it took in. `fails`: texts that so many times cannot be stored; `waits`: those that take long."""

    def __init__(self) -> None:
        self.taken: list[Incoming] = []
        self.asked = 0
        self.fails: dict[str, int] = {}
        self.waits: dict[str, asyncio.Event] = {}

    async def receive(self, incoming: Incoming) -> None:
        self.asked += 1
        text = incoming.event.text if isinstance(incoming.event, Said) else ""
        if text in self.waits:
            await self.waits[text].wait()
        if self.fails.get(text, 0):
            self.fails[text] -= 1
            raise OSError("disk full")
        self.taken.append(incoming)

    @property
    def texts(self) -> list[str]:
        return [i.event.text for i in self.taken if isinstance(i.event, Said)]


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi() as server:
        yield server


async def no_time(_: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture
async def telegram(api: BotApi) -> AsyncIterator[Telegram]:
    channel = Telegram(TOKEN, api_url=api.url, secret=SECRET, timeout=2, sleep=no_time)
    yield channel
    await channel.close()


class Polling:
    """`async with Polling(telegram, receive)`: polls meanwhile."""

    def __init__(self, telegram: Telegram, receive: Receive) -> None:
        self.work = telegram.run(receive)

    async def __aenter__(self) -> None:
        self.task = asyncio.create_task(self.work)

    async def __aexit__(self, *error: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_polling_takes_in_everything_once_and_confirms_it(api: BotApi, telegram: Telegram) -> None:
    an, inbox = api.user(7), Inbox()
    before = an.sends(text="1")
    async with Polling(telegram, inbox.receive):
        await api.until_confirmed(before)
        numbers = [an.sends(text=str(n)) for n in range(2, 251)]
        await api.until_confirmed(*numbers)
    assert sorted(inbox.texts, key=int) == [str(n) for n in range(1, 251)]
    assert inbox.taken[0].key == f"telegram:123456:{before}"


async def test_what_could_not_be_stored_is_tried_again_and_keeps_its_place(api: BotApi, telegram: Telegram) -> None:
    an, binh, inbox = api.user(7), api.user(8), Inbox()
    inbox.fails = {"b": 3}
    numbers = [an.sends(text="a"), an.sends(text="b"), an.sends_tap("12.next"), binh.sends(text="d")]
    async with Polling(telegram, inbox.receive):
        await api.until_confirmed(*numbers)
    assert [i.event for i in inbox.taken if i.chat == "7"] == [Said("a"), Said("b"), Tapped("12.next")]
    assert (inbox.asked, api.confirmed) == (7, numbers)


async def test_a_slow_turn_holds_up_nobody_and_is_not_confirmed(api: BotApi, telegram: Telegram) -> None:
    an, binh, inbox = api.user(7), api.user(8), Inbox()
    inbox.waits = {"slow": asyncio.Event()}
    slow = an.sends(text="slow")
    async with Polling(telegram, inbox.receive):
        await api.until(lambda: inbox.asked == 1)
        others = [binh.sends(text="b"), binh.sends(text="c")]
        await api.until(lambda: [m for m, *_ in api.calls].count("getUpdates") > 4)
        assert (inbox.texts, api.confirmed) == (["b", "c"], [])
        inbox.waits["slow"].set()
        await api.until_confirmed(slow, *others)
    assert (inbox.texts, inbox.asked) == (["b", "c", "slow"], 3)


async def test_a_restart_asks_again_for_what_was_not_confirmed(api: BotApi, telegram: Telegram) -> None:
    an, inbox = api.user(7), Inbox()
    inbox.fails = {"a": 10**6}
    number = an.sends(text="a")
    async with Polling(telegram, inbox.receive):
        await api.until(lambda: inbox.asked > 3)
    assert api.confirmed == []
    inbox.fails = {}
    async with Polling(telegram, inbox.receive):
        await api.until_confirmed(number)
    assert inbox.texts == ["a"]


async def test_after_a_quiet_week_numbers_may_start_anew_lower(api: BotApi, telegram: Telegram) -> None:
    an, inbox = api.user(7), Inbox()
    api.longest_poll = 0.01
    async with Polling(telegram, inbox.receive):
        await api.until_confirmed(an.sends(text="a"))
        polls = len(api.accepted)
        await api.until(lambda: len(api.accepted) > polls + 2)
        api.numbers = itertools.count(1)
        await api.until_confirmed(an.sends(text="b"))
    assert inbox.texts == ["a", "b"]


@pytest.mark.parametrize("how", ["server error", "reset", "broken", "no result", "flood:3", "foreign 403"])
async def test_polling_goes_on_after(api: BotApi, telegram: Telegram, how: str) -> None:
    an, inbox = api.user(7), Inbox()
    api.fails("getUpdates", how, how)
    async with Polling(telegram, inbox.receive):
        await api.until_confirmed(an.sends(text="a"))
    assert inbox.texts == ["a"]


@pytest.mark.parametrize("how", ["null", "no list", "no number"])
async def test_an_answer_without_updates_or_numbers_is_passed_over(api: BotApi, telegram: Telegram, how: str) -> None:
    an, inbox = api.user(7), Inbox()
    api.fails("getUpdates", how, how)
    async with Polling(telegram, inbox.receive):
        await api.until_confirmed(an.sends(text="a"))
    assert inbox.texts == ["a"]
    assert telegram.skipped == (2 if how == "no number" else 0)


async def test_an_update_without_a_number_stands_in_nobodys_way(api: BotApi, telegram: Telegram) -> None:
    an, inbox = api.user(7), Inbox()
    before = an.sends(text="a")
    api.fails("getUpdates", "one without a number")
    async with Polling(telegram, inbox.receive):
        await api.until_confirmed(before)
    assert (inbox.texts, telegram.skipped) == (["a"], 1)


async def test_a_call_of_the_webhook_without_a_number_is_counted(telegram: Telegram) -> None:
    inbox = Inbox()
    body = UPDATE.replace(b'"update_id": 1', b'"update_id": null')
    assert (await telegram.webhook(body, SECRET, inbox.receive), inbox.asked) == ((200, b""), 0)
    assert telegram.skipped == 1


@pytest.mark.parametrize("how", ["unauthorized", "not found", "conflict"])
async def test_polling_stops_for_the_operator(api: BotApi, telegram: Telegram, how: str) -> None:
    api.fails("getUpdates", how)
    with pytest.raises(Stopped):
        await telegram.run(Inbox().receive)


async def test_a_second_poller_stops_the_first(api: BotApi, telegram: Telegram) -> None:
    first = asyncio.create_task(telegram.run(Inbox().receive))
    await api.until(lambda: len(api.calls) == 1)
    other = Telegram(TOKEN, api_url=api.url)
    async with Polling(other, Inbox().receive):
        with pytest.raises(Stopped, match=r"^terminated by other getUpdates request"):
            await first
    await other.close()


async def test_a_webhook_that_is_set_stops_polling(api: BotApi, telegram: Telegram) -> None:
    await telegram.set_up(COMMANDS, "https://chibo.vn/telegram")
    with pytest.raises(Stopped, match=r"^can't use getUpdates method while webhook is active$"):
        await telegram.run(Inbox().receive)
    api.hook.clear()


async def test_a_tap_is_acknowledged_beside_its_turn(api: BotApi, telegram: Telegram) -> None:
    an, inbox = api.user(7), Inbox()
    await telegram.send("7", Message("Chọn", moves=(Move("12.next", "Tiếp"),)))
    number = an.sends_tap(an.data_of("Tiếp"))
    api.fails("answerCallbackQuery", "bad request")  # too old: of no account
    async with Polling(telegram, inbox.receive):
        await api.until_confirmed(number, an.sends_tap("12.back"))
        await api.until(lambda: ("answerCallbackQuery", None, "ok") in api.calls)
    assert [i.event for i in inbox.taken] == [Tapped("12.next"), Tapped("12.back")]


async def test_blocking_the_bot_is_told(api: BotApi, telegram: Telegram) -> None:
    an, inbox = api.user(7), Inbox()
    async with Polling(telegram, inbox.receive):
        await api.until_confirmed(an.blocks(), an.unblocks())
    assert [i.event for i in inbox.taken] == [Sent("blocked"), Sent("unblocked")]


async def test_set_up_for_polling_takes_a_webhook_away(api: BotApi, telegram: Telegram) -> None:
    await telegram.set_up(COMMANDS, "https://chibo.vn/telegram")
    assert await telegram.set_up(COMMANDS) == "kiemdiem_bot"
    assert api.hook == {}
    commands = [call for _, method, call in api.accepted if method == "setMyCommands"][-2:]
    assert commands == [
        {"commands": [{"command": "menu", "description": "Mở menu"}]},
        {"commands": [{"command": "menu", "description": "Open the menu"}], "language_code": "en"},
    ]


async def test_a_webhook_is_set_only_where_it_differs(api: BotApi, telegram: Telegram) -> None:
    await telegram.set_up(COMMANDS, "https://chibo.vn/telegram")
    await telegram.set_up(COMMANDS, "https://chibo.vn/telegram")
    new_secret = Telegram(TOKEN, api_url=api.url, secret="another")
    await new_secret.set_up(COMMANDS, "https://chibo.vn/telegram")
    await new_secret.close()
    hooks = [call for _, method, call in api.accepted if method == "setWebhook"]
    assert [(hook["url"].partition("?")[0], hook["secret_token"]) for hook in hooks] == [
        ("https://chibo.vn/telegram", SECRET),
        ("https://chibo.vn/telegram", "another"),
    ]
    assert (hooks[0]["max_connections"], hooks[0]["allowed_updates"]) == (100, list(KINDS))


async def test_set_up_fails_in_the_four_ways_and_may_be_tried_again(api: BotApi, telegram: Telegram) -> None:
    api.fails("getMe", "server error", "unauthorized")
    with pytest.raises(TryLater):
        await telegram.set_up(COMMANDS)
    with pytest.raises(Stopped):
        await telegram.set_up(COMMANDS)
    assert await telegram.set_up(COMMANDS) == "kiemdiem_bot"


@pytest.mark.parametrize(
    ("public_url", "api_url", "url"),
    [
        ("https://chibo.vn", "https://api.telegram.org", "https://chibo.vn/telegram"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8081", "http://127.0.0.1:8000/telegram"),
        ("http://chibo.lan", "https://api.telegram.org", None),
        ("", "http://127.0.0.1:8081", None),
    ],
)
def test_a_webhook_is_used_where_telegram_can_reach_us(public_url: str, api_url: str, url: str | None) -> None:
    assert hook_url(public_url, api_url) == url


UPDATE = json.dumps({"update_id": 1, "message": {"chat": {"id": 7, "type": "private"}, "text": "a"}}).encode()


@pytest.mark.parametrize(
    ("body", "secret", "status", "taken"),
    [
        (UPDATE, SECRET, 200, 1),
        (UPDATE, "", 403, 0),
        (UPDATE, SECRET[:-1], 403, 0),
        (UPDATE, "đ\ud800", 403, 0),
        (b"not JSON", "wrong", 403, 0),  # refused before it is read
        (b" " * 10_000_000, SECRET, 413, 0),
        (b" " * (2**20 - len(UPDATE)) + UPDATE, SECRET, 200, 1),
        (b'{"update_id": 1, "mess', SECRET, 400, 0),
        (b"[" * 100_000, SECRET, 400, 0),
        (b"\xff\xfe", SECRET, 400, 0),
        (b"", SECRET, 400, 0),
        (b'{"update_id": 1, "unheard_of": {}}', SECRET, 200, 0),
        (b"[]", SECRET, 200, 0),
        (UPDATE.replace(b'"a"', rb'"\ud800\u0000"'), SECRET, 200, 1),
        (UPDATE.replace(b'"a"', b'"' + b"a" * 100_000 + b'"'), SECRET, 200, 1),
        (UPDATE.replace(b"1", b"9" * 5000), SECRET, 400, 0),
    ],
)
async def test_a_call_of_the_webhook(telegram: Telegram, body: bytes, secret: str, status: int, taken: int) -> None:
    inbox = Inbox()
    assert (await telegram.webhook(body, secret, inbox.receive), len(inbox.taken)) == ((status, b""), taken)


async def test_without_a_secret_no_webhook_is_taken() -> None:
    telegram = Telegram(TOKEN)
    assert await telegram.webhook(UPDATE, "", Inbox().receive) == (403, b"")


async def test_a_webhook_is_confirmed_once_it_is_stored(api: BotApi, telegram: Telegram) -> None:
    users, inbox = [api.user(n) for n in range(20)], Inbox()
    inbox.fails = {"3": 4}

    async def hook(request: web.Request) -> web.Response:
        secret = request.headers["X-Telegram-Bot-Api-Secret-Token"]
        status, call = await telegram.webhook(await request.read(), secret, inbox.receive)
        return web.Response(status=status, body=call, content_type="application/json")

    app = web.Application()
    app.router.add_post("/telegram", hook)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    await telegram.set_up(COMMANDS, f"{site.name}/telegram")
    numbers = [user.sends(text=str(n)) for n in range(5) for user in users]
    await api.until_confirmed(*numbers)
    await telegram.send("0", Message("Chọn", moves=(Move("12.next", "Tiếp"),)))
    before = len(api.accepted)
    await api.until_confirmed(users[0].sends_tap(users[0].data_of("Tiếp")))
    assert [method for _, method, _ in api.accepted[before:]] == ["answerCallbackQuery"]  # with the 200
    assert inbox.taken.pop().event == Tapped("12.next")
    await api.__aexit__()
    await runner.cleanup()
    assert sorted(inbox.texts) == sorted(str(n) for n in range(5) for _ in users)
    assert [status for _, status in api.posted if status != 200] == [503] * 4
    for user in users:
        assert [t.event for t in inbox.taken if t.chat == str(user.id)] == [Said(str(n)) for n in range(5)]
