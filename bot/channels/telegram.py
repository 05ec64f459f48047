"""Telegram, through python-telegram-bot."""

import asyncio
import hmac
import json
import logging
import os
import random
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

os.environ["PTB_TIMEDELTA"] = "1"  # read when a RetryAfter is made: without it PTB warns of a coming change

from telegram import Bot
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, RetryAfter, TelegramError

from bot.channels import Incoming, Receive, Refused, Stopped, TryLater, Unreachable
from bot.channels.telegram_http import AiohttpRequest, NotSent, NotTheApi
from handlers.messages import Event, Message, Said, Sent, Tapped, rows
from handlers.words import clean

log = logging.getLogger(__name__)

T = TypeVar("T")

KINDS = ("message", "edited_message", "callback_query", "my_chat_member")
LONGEST_POLL = 50  # seconds; what the Bot API allows
LARGEST_BODY = 2**20  # bytes of a webhook's body
CONNECTIONS = 100  # webhook connections asked for; what the Bot API allows
GONE = ("chat not found", "peer_id_invalid")  # a 400 has no code that says so, only these words

_ADDRESSED = re.compile(r"(/\w+)@\w+")
# The first that a message holds says what it is; an animation also comes as a document.
_CONTENTS = {
    "photo": "photo",
    "sticker": "sticker",
    "voice": "voice",
    "audio": "voice",
    "video": "video",
    "video_note": "video",
    "animation": "video",
    "document": "file",
    "location": "location",
    "contact": "contact",
    "poll": "other",
    "dice": "other",
    "story": "other",
}


def quiet_logs() -> None:
    """Silence PTB: what it logs holds the bodies of answers, which repeat people's words."""
    logging.getLogger("telegram").setLevel(logging.CRITICAL)


def incoming(update: Any, bot: str) -> Incoming | None:
    """What an update (https://core.telegram.org/bots/api#update) says to us; None where it says nothing.

    Read from the JSON as it came: PTB's objects would cost more than the rest of an answer. Any value is read
    without an error: whoever knows the webhook's secret can send any.
    """
    match update:
        case {"message": {"chat": {"id": int(chat), "type": "private"}} as message}:
            event = _content(message)
        case {"callback_query": {"data": str(data), "message": {"chat": {"id": int(chat), "type": "private"}}}}:
            event = Tapped(clean(data))
        case {"edited_message": {"chat": {"id": int(chat), "type": "private"}}}:
            event = Sent("edited")
        case {"my_chat_member": {"chat": {"id": int(chat), "type": "private"}, "new_chat_member": {"status": status}}}:
            event = Sent("blocked" if status == "kicked" else "unblocked")
        case {"message": {"chat": {"id": int(chat), "type": "group" | "supergroup"}}}:
            event = Sent("group")
        case _:
            return None
    match update:
        case {"update_id": int(number)} if event:
            return Incoming(f"telegram:{bot}:{number}", "telegram", bot, str(chat), event)
    return None


def _content(message: dict[str, Any]) -> Event | None:
    match message:
        case {"text": str(text)}:
            return Said(_ADDRESSED.sub(r"\1", clean(text), count=1) if text.startswith("/") else clean(text))
    return next((Sent(what) for kind, what in _CONTENTS.items() if kind in message), None)


async def answered(call: Awaitable[T]) -> T:
    """What the Bot API answers; its errors become `TryLater`, `Unreachable`, `Refused` or `Stopped`."""
    try:
        return await call
    except Exception as error:  # PTB stumbles over a broken answer with any error, such as KeyError
        failure = _translated(error)
    raise failure  # outside the except block: PTB's errors may hold the token


def _translated(error: Exception) -> Exception:
    match error:
        case TelegramError(__cause__=NotTheApi()):
            return TryLater(sent=None)
        case RetryAfter(retry_after=timedelta() as after):
            return TryLater(after, sent=False, flood=True)
        case Forbidden() | ChatMigrated():
            return Unreachable(_why(error))
        case BadRequest() if any(gone in error.message.casefold() for gone in GONE):
            return Unreachable(_why(error))
        case BadRequest():
            return Refused(_why(error))
        case InvalidToken():
            return Stopped("Telegram refuses the token")
        case Conflict():
            return Stopped(_why(error))
        case NotSent():
            return TryLater(sent=False)
    return TryLater(sent=None)


def _why(error: TelegramError) -> str:
    """Telegram's reason, without what may follow the colon: there it quotes what was sent."""
    return error.message.removeprefix("Forbidden: ").removeprefix("Conflict: ").partition(":")[0][:100]


class Telegram:
    """One bot on Telegram. It either polls (`run`) or is given what its webhook receives (`webhook`)."""

    name = "telegram"
    buttons = True
    files = True
    max_text = 4096

    def __init__(
        self,
        token: str,
        *,
        api_url: str = "https://api.telegram.org",
        secret: str = "",
        timeout: float = 10,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """*secret*: what Telegram sends with each webhook call. *timeout*: seconds for one call."""
        self.bot = token.partition(":")[0]
        self._secret = secret
        self._sleep = sleep
        self._http = AiohttpRequest(timeout)
        self._api = Bot(token, f"{api_url}/bot", request=self._http, get_updates_request=self._http)
        self._url = self._api.base_url
        self._beside: set[asyncio.Task[None]] = set()

    async def set_up(self, commands: Mapping[str, Sequence[tuple[str, str]]], hook: str | None = None) -> str:
        """Tell Telegram how this bot is reached, and its commands; returns the bot's user name.

        *commands*: (name, description) by language; the first language is everybody's whose own is not there. *hook*:
        the URL for the webhook; None to poll. May be called again after it failed with one of the four.
        """
        await answered(self._api.initialize())
        info = await answered(self._api.get_webhook_info())
        if hook is None:
            if info.url:
                await answered(self._api.delete_webhook())
        else:
            # Telegram does not tell which secret it uses, so a new secret makes a new URL.
            mark = hmac.digest(self._api.token.encode(), self._secret.encode(), "sha256").hex()[:8]
            url = f"{hook}?v={mark}"
            if (url, CONNECTIONS, set(KINDS)) != (info.url, info.max_connections, set(info.allowed_updates)):
                await answered(
                    self._api.set_webhook(
                        url, max_connections=CONNECTIONS, allowed_updates=KINDS, secret_token=self._secret
                    )
                )
        for place, (lang, menu) in enumerate(commands.items()):
            await answered(self._api.set_my_commands(list(menu), language_code=lang if place else None))
        return self._api.username

    async def run(self, receive: Receive) -> None:
        """Poll until cancelled. An update is confirmed by asking for later ones, so what is stored is let go only.

        A slow turn does not hold up the others: they are asked for beside it. One that could not be stored is asked
        for again. Raises `Stopped` where the token is refused or another program polls.
        """
        hand: dict[int, asyncio.Task[None]] = {}  # by update id: in hand, or stored but after one that is not
        offset = failures = 0
        try:
            while True:
                try:
                    updates = await self._updates(offset, 0 if hand else LONGEST_POLL)
                except TryLater as later:
                    failures += 1
                    log.warning("telegram: polling failed %d times", failures)
                    await self._sleep(later.after.total_seconds() if later.after else _backoff(failures))
                    continue
                for update in updates:
                    if update["update_id"] not in hand:
                        hand[update["update_id"]] = asyncio.create_task(self._take(update, receive))
                done = (await asyncio.wait(hand.values(), timeout=0.25))[0] if hand else set()
                failed = {number for number, task in hand.items() if task in done and _failed(task)}
                open_ = [number for number, task in hand.items() if task not in done or number in failed]
                # With nothing in hand the next call has no offset: after a quiet week numbers start anew, maybe lower.
                offset = min(open_) if open_ else max(hand, default=-1) + 1
                hand = {number: task for number, task in hand.items() if number >= offset and number not in failed}
                failures = failures + 1 if failed else 0
                if failed:
                    log.warning("telegram: %d updates not stored, asked for again", len(failed))
                    await self._sleep(_backoff(failures))
        finally:
            await _settled(hand.values())

    async def webhook(self, body: bytes, secret: str, receive: Receive) -> int:
        """The HTTP status for a call of the webhook: 200 once its update is stored, 503 where it could not be.

        What does not come from Telegram is refused before it is read.
        """
        if not self._secret or not hmac.compare_digest(secret.encode(errors="replace"), self._secret.encode()):
            return 403
        if len(body) > LARGEST_BODY:
            return 413
        try:
            update = json.loads(body)
        except (ValueError, RecursionError):
            return 400
        try:
            await self._take(update, receive)
        except Exception as error:
            log.warning("telegram: an update was not stored (%s)", type(error).__name__)
            return 503
        return 200

    async def send(self, chat: str, message: Message, *, quiet: bool = False) -> None:
        """Send one message. People's words arrive literally: nothing is sent under a parse mode."""
        call: dict[str, Any] = {
            "chat_id": int(chat),
            "text": message.text,
            "link_preview_options": {"is_disabled": True},  # a personal link is not for Telegram to fetch
        }
        if grid := rows(message):
            call["reply_markup"] = {
                "inline_keyboard": [
                    [{"text": button.label, "callback_data": button.value} for button in row] for row in grid
                ]
            }
        if quiet:
            call["disable_notification"] = True
        await answered(self._http.call(f"{self._url}/sendMessage", call))

    async def close(self) -> None:
        """End what is in hand, then the connections."""
        await _settled(self._beside)
        await self._http.shutdown()

    async def _updates(self, offset: int, seconds: int) -> list[dict[str, Any]]:
        call = {"offset": offset, "timeout": seconds, "allowed_updates": KINDS}
        updates: list[dict[str, Any]] = await answered(
            self._http.call(f"{self._url}/getUpdates", call, seconds + self._http.read_timeout)
        )
        return updates

    async def _take(self, update: Any, receive: Receive) -> None:
        match update:
            case {"callback_query": {"id": str(query)}} if len(self._beside) < CONNECTIONS:
                # Beside the turn, not before it: it only ends the button's little clock.
                task = asyncio.create_task(self._acknowledge(query))
                self._beside.add(task)
                task.add_done_callback(self._beside.discard)
        if event := incoming(update, self.bot):
            await receive(event)

    async def _acknowledge(self, query: str) -> None:
        try:
            await answered(self._http.call(f"{self._url}/answerCallbackQuery", {"callback_query_id": query}))
        except (TryLater, Unreachable, Refused, Stopped) as error:
            log.info("telegram: a tap was not acknowledged (%s)", type(error).__name__)


def _backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4 ... 60, each by up to half less."""
    return min(60.0, 2.0 ** min(failures - 1, 6)) * random.uniform(0.5, 1)  # noqa: S311 - no secret


def _failed(task: asyncio.Task[None]) -> bool:
    return task.cancelled() or task.exception() is not None


async def _settled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Give what is in hand 5 s to end, then cancel it."""
    if left := list(tasks):
        for task in (await asyncio.wait(left, timeout=5))[1]:
            task.cancel()
