"""Sending over Telegram: what arrives, and what each failure means."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channels import Incoming, Refused, Stopped, TryLater, Unreachable
from bot.channels.telegram import Telegram, quiet_logs
from handlers.messages import Choice, Message, Move
from tests.botapi import FAILURES, SECRET, TOKEN, BotApi, Limits

COMMANDS = {"vi": [("menu", "Mở menu")], "en": [("menu", "Open the menu")]}


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi() as server:
        yield server


@pytest.fixture
async def telegram(api: BotApi) -> AsyncIterator[Telegram]:
    channel = Telegram(TOKEN, api_url=api.url, secret=SECRET, timeout=0.5)
    yield channel
    await channel.close()


async def outcome(telegram: Telegram, chat: int = 7) -> tuple[Any, ...]:
    """How sending to that chat fails."""
    try:
        await telegram.send(str(chat), Message("Câu 5/18"))
    except TryLater as error:
        return "later", error.after, error.sent, error.flood
    except (Unreachable, Refused, Stopped) as error:
        return type(error).__name__, str(error)
    return ("sent",)


async def test_choices_and_moves_are_buttons_in_rows(api: BotApi, telegram: Telegram) -> None:
    an = api.user(7)
    choices = (Choice("12.a=1", "Xuất sắc"), Choice("12.a=2", "Tốt"))
    moves = (Move("12.back", "Quay lại"), Move("12.later", "Để sau"))
    await telegram.send("7", Message("Đồng chí tự xếp loại?", choices, moves))
    assert an.inbox == ["Đồng chí tự xếp loại?"]
    assert an.buttons == [["Xuất sắc"], ["Tốt"], ["Quay lại", "Để sau"]]
    assert an.data_of("Tốt") == "12.a=2"


async def test_a_quiet_message_makes_no_sound_and_no_link_is_fetched(api: BotApi, telegram: Telegram) -> None:
    an = api.user(7)
    await telegram.send("7", Message("Xem https://chibo.vn/chat/abc"), quiet=True)
    assert an.received == [
        {
            "chat_id": 7,
            "text": "Xem https://chibo.vn/chat/abc",
            "link_preview_options": {"is_disabled": True},
            "disable_notification": True,
        }
    ]


@pytest.mark.parametrize("chat", ["True", "9" * 30, "9" * 5000, "", "đ"])
async def test_what_is_no_chat_of_telegram_is_refused_before_any_call(
    api: BotApi, telegram: Telegram, chat: str
) -> None:
    with pytest.raises(Refused, match=r"^no chat of Telegram$"):
        await telegram.send(chat, Message("Câu 5/18"))
    assert api.calls == []


# Surrogates never come here: words are cleaned at the door.
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4096)
words_or_markup = words | st.sampled_from(["<b>&\"'</b>", "*_`[a](b)", "\\", "{0}%s", "👩‍🌾" * 500, "\u202eابج"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=words_or_markup.filter(lambda t: t.strip() and len(t.encode("utf-16-le")) <= 8192))
async def test_words_arrive_literally(text: str) -> None:
    async with BotApi() as api:
        an, telegram = api.user(7), Telegram(TOKEN, api_url=api.url)
        await telegram.send("7", Message(text, moves=(Move("12.next", "Tiếp"),)))
        await telegram.close()
        assert an.inbox == [text]


NOBODY_KNOWS = ("later", None, None, False)


@pytest.mark.parametrize(
    ("how", "meaning"),
    [
        ("flood:5", ("later", timedelta(seconds=5), False, True)),
        ("foreign 429", ("later", None, False, False)),
        ("blocked", ("Unreachable", "bot was blocked by the user")),
        ("deactivated", ("Unreachable", "user is deactivated")),
        ("chat not found", ("Unreachable", "Chat not found")),
        ("bad request", ("Refused", "Can't parse entities")),
        ("unauthorized", ("Stopped", "Telegram refuses the token")),
        ("not found", ("Stopped", "Telegram refuses the token")),
        ("conflict", ("Stopped", FAILURES["conflict"][1].removeprefix("Conflict: "))),
        ("server error", NOBODY_KNOWS),
        ("foreign 403", NOBODY_KNOWS),  # a proxy's page says nothing about the person
        ("reset", NOBODY_KNOWS),
        ("slow:3", NOBODY_KNOWS),
        ("cut", NOBODY_KNOWS),
        ("broken", NOBODY_KNOWS),
        ("no result", NOBODY_KNOWS),
        ("not ok", NOBODY_KNOWS),
    ],
)  # fmt: skip
async def test_each_failure_has_one_meaning(
    api: BotApi, telegram: Telegram, how: str, meaning: tuple[Any, ...]
) -> None:
    api.user(7)
    api.fails(7, how)
    assert await outcome(telegram) == meaning
    assert await outcome(telegram) == ("sent",)
    assert api.calls == [("sendMessage", 7, how), ("sendMessage", 7, "ok")]


async def test_nobody_listening_means_surely_not_sent() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        telegram = Telegram(TOKEN, api_url=f"http://127.0.0.1:{bound.getsockname()[1]}")
        assert await outcome(telegram) == ("later", None, False, False)
        await telegram.close()


async def test_a_connection_that_is_never_made_means_surely_not_sent() -> None:
    with ExitStack() as sockets:
        full = sockets.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # nobody accepts: after these the next one waits
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        telegram = Telegram(TOKEN, api_url=f"http://127.0.0.1:{full.getsockname()[1]}", timeout=0.4)
        assert await outcome(telegram) == ("later", None, False, False)
        await telegram.close()


async def test_who_never_started_the_bot_is_unreachable(api: BotApi, telegram: Telegram) -> None:
    assert await outcome(telegram, chat=8) == ("Unreachable", "Chat not found")


@pytest.mark.parametrize(
    ("message", "why", "rule"),
    [
        (Message("a" * 4097), "Sendmessage", "message is too long"),
        (Message("Chọn", moves=(Move("x" * 65, "Tiếp"),)), "Sendmessage", "BUTTON_DATA_INVALID"),
        (Message(" "), "Sendmessage", "message text is empty"),
        (Message("a\ud800"), "Sendmessage", "strings must be encoded in UTF-8"),
    ],
)
async def test_our_own_mistakes_are_refused(
    api: BotApi, telegram: Telegram, message: Message, why: str, rule: str
) -> None:
    api.user(7)
    with pytest.raises(Refused, match=f"^{why}$"):
        await telegram.send("7", message)
    assert api.broken_rules == [f"sendMessage: {rule}"]
    api.broken_rules.clear()


async def test_past_the_limit_everybody_waits() -> None:
    async with BotApi(Limits(many=3, seconds=60, retry_after=2)) as api:
        telegram = Telegram(TOKEN, api_url=api.url)
        for number in range(4):
            api.user(number)
        flooded = ("later", timedelta(seconds=2), False, True)
        assert [await outcome(telegram, n) for n in range(4)] == [("sent",), ("sent",), ("sent",), flooded]
        await telegram.close()


async def test_more_at_once_than_there_are_connections_all_arrive(api: BotApi) -> None:
    users, telegram = [api.user(n) for n in range(300)], Telegram(TOKEN, api_url=api.url)
    await asyncio.gather(*(telegram.send(str(u.id), Message(f"Chào {u.id}")) for u in users))
    await telegram.close()
    assert [u.inbox for u in users] == [[f"Chào {u.id}"] for u in users]


async def test_a_file_is_uploaded_whole(api: BotApi, telegram: Telegram) -> None:
    an = api.user(7)
    await telegram._api.send_document(7, b"PK\x03\x04\x00", filename="bản kiểm điểm.docx", caption="Bản của đồng chí")
    document = an.received[0]["document"]
    assert (document.name, document.content, an.inbox) == (
        "bản kiểm điểm.docx",
        b"PK\x03\x04\x00",
        ["Bản của đồng chí"],
    )


async def test_the_token_shows_nowhere(
    api: BotApi, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    quiet_logs()
    api.user(7)
    api.longest_poll = 0.01
    shown = []
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{bound.getsockname()[1]}"
        failures = ["ok", "unauthorized", "reset", "slow:0.5", "broken", "server error", "bad request"]
        unheard = [nowhere, "http://[", "ftp://127.0.0.1"]
        for url, how in [*((api.url, how) for how in failures), *((url, "") for url in unheard)]:
            telegram = Telegram(TOKEN, api_url=url, timeout=0.2, sleep=stop)
            shown.append(repr(telegram))
            if how:
                api.fails(7, how)
                api.fails("getMe", how)
                api.fails("getUpdates", how, "unauthorized")
            for call in (telegram.send("7", Message("a")), telegram.set_up(COMMANDS), telegram.run(nothing)):
                try:
                    await call
                except Exception as error:
                    shown += [everything_about(error)]
            await telegram.close()
    quoted = TOKEN.partition(":")[2]
    assert [text for text in [*shown, caplog.text, *capsys.readouterr()] if quoted in text] == []


async def nothing(_: Incoming) -> None:
    pass


async def stop(_: float) -> None:
    raise Stopped


def everything_about(error: BaseException | None) -> str:
    """An error with what caused it and what it was raised in."""
    if error is None:
        return ""
    return f"{error!r} {error} {everything_about(error.__cause__)} {everything_about(error.__context__)}"
