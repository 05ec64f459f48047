"""Telegram, through python-telegram-bot."""

import asyncio
import hmac
import itertools
import json
import logging
import os
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

os.environ["PTB_TIMEDELTA"] = "1"  # read when a RetryAfter is made: without it PTB warns of a coming change

import structlog
from telegram import Bot, InlineKeyboardMarkup, InputFile
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, RetryAfter, TelegramError

from bot.channels import File, Incoming, Receive, Refused, Stopped, TryLater, Unreachable
from bot.channels.telegram_http import AiohttpRequest, NotSent, NotTheApi
from bot.channels.telegram_updates import KINDS, incoming, number_of
from bot.checkpoints import checkpoint
from handlers.messages import Message, rows

log = structlog.get_logger()

T = TypeVar("T")

PATH = "/telegram"  # of the webhook, below the public URL
LONGEST_POLL = 50  # seconds; what the Bot API allows
LARGEST_BODY = 2**20  # bytes of a webhook's body
CONNECTIONS = 100  # webhook connections asked for; what the Bot API allows
_CHAT = re.compile(r"-?[0-9]{1,16}")
GONE = ("chat not found", "peer_id_invalid")  # a 400 has no code that says so, only these words


def quiet_logs() -> None:
    """Silence PTB: what it logs holds the bodies of answers, which repeat people's words."""
    logging.getLogger("telegram").setLevel(logging.CRITICAL)


def hook_url(public_url: str, api_url: str) -> str | None:
    """Where the Bot API may post to; None where it could not reach us, so that we poll."""
    nearby = urlsplit(api_url).hostname in ("127.0.0.1", "::1", "localhost")
    return f"{public_url}{PATH}" if public_url.startswith("https://") or (public_url and nearby) else None


async def answered(call: Awaitable[T], *, wordless: bool = False) -> T:
    """What the Bot API answers; its errors become `TryLater`, `Unreachable`, `Refused` or `Stopped`.

    *wordless*: the call holds nobody's words, so that the whole reason of a refusal may be told.
    """
    try:
        return await call
    except Exception as error:  # PTB stumbles over a broken answer with any error, such as KeyError
        failure = _translated(error, wordless)
    raise failure  # outside the except block: PTB's errors may hold the token


def _translated(error: Exception, wordless: bool) -> Exception:
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
            return Refused(error.message[:200] if wordless else _why(error))
        case InvalidToken():
            return Stopped("Telegram refuses the token")
        case Conflict():
            return Stopped(_why(error), "conflict")
        case NotSent():
            return TryLater(sent=False)
    return TryLater(sent=None)


def _why(error: TelegramError) -> str:
    """Telegram's reason, without what may follow the colon: there it quotes what was sent."""
    return error.message.removeprefix("Forbidden: ").removeprefix("Conflict: ").partition(":")[0][:100]


@dataclass(frozen=True, slots=True)
class About:
    """A bot's user name; what keeps updates from reaching its webhook, if anything does; where Telegram posts to."""

    name: str
    trouble: str
    hook: str = ""


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
        self.skipped = 0  # updates without a number, for the metrics

    async def set_up(self, commands: Mapping[str, Sequence[tuple[str, str]]], hook: str | None = None) -> str:
        """Tell Telegram how this bot is reached, and its commands; returns the bot's user name.

        *commands*: (name, description) by language; the first language is everybody's whose own is not there. *hook*:
        the URL for the webhook; None to poll. May be called again.
        """
        await answered(self._api.initialize(), wordless=True)
        if hook is not None:
            await self.keep_hook(hook)
        elif (await answered(self._api.get_webhook_info())).url:
            await answered(self._api.delete_webhook(), wordless=True)
        for place, (lang, menu) in enumerate(commands.items()):
            try:
                await answered(
                    self._api.set_my_commands(list(menu), language_code=lang if place else None), wordless=True
                )
            except Refused as error:  # a menu: everything else works without it
                log.warning("telegram.commands_refused", why=str(error))
        return self._api.username

    async def keep_hook(self, hook: str) -> bool:
        """Set the webhook where it is not as it should be; whether it had been taken away."""
        # Telegram does not tell which secret it uses, so a new secret makes a new URL.
        mark = hmac.digest(self._api.token.encode(), self._secret.encode(), "sha256").hex()[:8]
        url = f"{hook}?v={mark}"
        info = await answered(self._api.get_webhook_info())
        if (url, CONNECTIONS, set(KINDS)) == (info.url, info.max_connections, set(info.allowed_updates)):
            return False
        await answered(
            self._api.set_webhook(url, max_connections=CONNECTIONS, allowed_updates=KINDS, secret_token=self._secret),
            wordless=True,
        )
        return info.url != url

    async def look(self) -> None:
        """Ask Telegram whether it takes our token. Raises one of the four."""
        await answered(self._http.call(f"{self._url}/getMe", {}), wordless=True)

    def platform_time(self) -> datetime | None:
        """What time it is by Telegram's clock; None: it has not answered yet."""
        return self._http.platform_time()

    async def about(self) -> About:
        """Ask Telegram for this bot's user name and for trouble with its webhook. Raises one of the four."""
        me = await answered(self._api.get_me())
        info = await answered(self._api.get_webhook_info())
        trouble = (info.last_error_message or "")[:100] if info.pending_update_count else ""
        return About(me.username or "", trouble, info.url)

    async def run(self, receive: Receive, works: Callable[[], None] = lambda: None) -> None:
        """Poll until cancelled. Asking for later updates confirms the earlier ones, so only what is stored is passed.

        What cannot be stored is tried again; the later updates of its chat wait behind it, those of others go on.
        Raises `Stopped` where the token is refused or another program polls.
        """
        hand: dict[int, asyncio.Task[None]] = {}  # by update id: not stored yet, or stored but after one that is not
        last: dict[str, asyncio.Task[None]] = {}  # by chat: its newest in hand
        offset = failures = 0
        try:
            while True:
                try:
                    updates = await self._updates(offset, 0 if hand else LONGEST_POLL)
                except TryLater as later:
                    failures += 1
                    log.warning("telegram.polling_failed", times=failures)
                    await self._sleep(later.after.total_seconds() if later.after else _backoff(failures))
                    continue
                works()
                if offset:
                    checkpoint("turn.confirmed")
                numbered = [(number, update) for update in updates if (number := self._number(update)) is not None]
                failures = failures + 1 if updates and not numbered else 0
                if failures:  # nothing to confirm: the same would come again at once
                    await self._sleep(_backoff(failures))
                for number, update in numbered:
                    if number in hand:
                        continue
                    self._end_clock(update)
                    came = incoming(update, self.bot)
                    chat = came.chat if came else ""
                    hand[number] = last[chat] = asyncio.create_task(self._stored(came, receive, last.get(chat)))
                if hand:
                    await asyncio.wait(hand.values(), timeout=0.25)
                # With nothing in hand the next call has no offset: after a quiet week numbers start anew, maybe lower.
                open_ = (number for number, task in hand.items() if not _succeeded(task))
                offset = min(open_, default=max(hand, default=-1) + 1)
                hand = {number: task for number, task in hand.items() if number >= offset}
                last = {chat: task for chat, task in last.items() if not task.done()}
        finally:
            for task in hand.values():  # not their turns: those end in the inbox, and are known when asked for again
                task.cancel()

    async def webhook(self, body: bytes, secret: str, receive: Receive) -> tuple[int, bytes]:
        """The HTTP status and body for a call of the webhook: 200 once its update is stored, 503 where it could not be.

        What does not come from Telegram is refused before it is read. The body for a tap is the call that acknowledges
        it, which saves a request (https://core.telegram.org/bots/api#making-requests-when-getting-updates).
        """
        if not self._secret or not hmac.compare_digest(secret.encode(errors="replace"), self._secret.encode()):
            return 403, b""
        if len(body) > LARGEST_BODY:
            return 413, b""
        try:
            update = json.loads(body.decode(errors="surrogatepass"))
        except (ValueError, RecursionError):
            return 400, b""
        self._number(update)
        if came := incoming(update, self.bot):
            try:
                await receive(came)
            except Exception as error:
                log.warning("telegram.not_stored", key=came.key, error=type(error).__name__)
                return 503, b""
        query = _tap(update)
        return 200, json.dumps({"method": "answerCallbackQuery"} | _acknowledging(query)).encode() if query else b""

    async def send(self, chat: str, message: Message, *, quiet: bool = False, file: File | None = None) -> None:
        """Send one message. People's words arrive literally: nothing is sent under a parse mode."""
        if not _CHAT.fullmatch(chat):
            raise Refused("no chat of Telegram")
        call: dict[str, Any] = {"chat_id": int(chat)}
        if grid := rows(message):
            call["reply_markup"] = {
                "inline_keyboard": [
                    [{"text": button.label, "callback_data": button.value} for button in row] for row in grid
                ]
            }
        if quiet:
            call["disable_notification"] = True
        if file:
            whole = InputFile(file.data, filename=file.name)
            call |= {"document": whole, "caption": message.text}
            if "reply_markup" in call:
                call["reply_markup"] = InlineKeyboardMarkup.de_json(call["reply_markup"])
            await answered(self._api.send_document(**call))
            return
        call["text"] = message.text
        call["link_preview_options"] = {"is_disabled": True}  # a personal link is not for Telegram to fetch
        await answered(self._http.call(f"{self._url}/sendMessage", call))

    async def close(self) -> None:
        """Let the calls that are under way end, then the connections."""
        await asyncio.gather(*self._beside)
        await self._http.shutdown()

    async def _updates(self, offset: int, seconds: int) -> list[Any]:
        call = {"offset": offset, "timeout": seconds, "allowed_updates": KINDS}
        updates = await answered(self._http.call(f"{self._url}/getUpdates", call, seconds + self._http.read_timeout))
        if not isinstance(updates, list):  # an answer as broken as one that is no JSON
            raise TryLater(sent=None)
        return updates

    def _number(self, update: Any) -> int | None:
        """The number of an update. One without is counted: it can be neither confirmed nor taken in only once."""
        number = number_of(update)
        if number is None:
            self.skipped += 1
            log.warning("telegram.update_without_number", count=self.skipped)
        return number

    async def _stored(self, came: Incoming | None, receive: Receive, before: asyncio.Task[None] | None) -> None:
        """Return once it is stored, however often that takes, and not before what came before it in its chat."""
        if before:
            await asyncio.wait([before])
        for failures in itertools.count(1):
            try:
                if came:
                    await receive(came)
            except Exception as error:
                log.warning("telegram.not_stored", key=came and came.key, error=type(error).__name__, times=failures)
                await self._sleep(_backoff(failures))
            else:
                return

    def _end_clock(self, update: Any) -> None:
        """Acknowledge a tap, which ends the little clock on its button: beside its turn, never before it."""
        if (query := _tap(update)) and len(self._beside) < CONNECTIONS:
            task = asyncio.create_task(self._acknowledge(query))
            self._beside.add(task)
            task.add_done_callback(self._beside.discard)

    async def _acknowledge(self, query: str) -> None:
        try:
            await answered(self._http.call(f"{self._url}/answerCallbackQuery", _acknowledging(query)))
        except (TryLater, Unreachable, Refused, Stopped) as error:
            log.info("telegram.tap_not_acknowledged", error=type(error).__name__)


def _tap(update: Any) -> str | None:
    """The id of the tap that an update is; None where it is something else."""
    match update:
        case {"callback_query": {"id": str(query)}}:
            return query
    return None


def _acknowledging(query: str) -> dict[str, str]:
    return {"callback_query_id": query}


def _backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4 ... 60, each by up to half less."""
    return min(60.0, 2.0 ** min(failures - 1, 6)) * random.uniform(0.5, 1)  # noqa: S311 - no secret


def _succeeded(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
