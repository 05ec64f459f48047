"""A stand-in for the Bot API on loopback: strict about calls, able to fail in every way, with people who chat.

What it accepted and what was confirmed to it is kept apart from anything the bot stores: it is the outside observer.
A call that breaks the rules is answered 400 and makes the test fail when the server closes.
"""

import asyncio
import contextlib
import itertools
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from aiohttp import web

from tests.botapi_rules import METHODS, File, typed, wrong
from tests.botapi_user import User

TOKEN = "123456:AAtest-token_that.never.shows"
SECRET = "only-telegram-knows-this"
_PAGE = "<html><body>nginx</body></html>"
# How a call may fail before it is accepted: the status and the description, or a page that is no JSON.
FAILURES: dict[str, tuple[int, str]] = {
    "blocked": (403, "Forbidden: bot was blocked by the user"),
    "deactivated": (403, "Forbidden: user is deactivated"),
    "chat not found": (400, "Bad Request: chat not found"),
    "bad request": (400, "Bad Request: can't parse entities: unsupported start tag"),
    "bad webhook": (400, "Bad Request: bad webhook: Failed to resolve host: Name or service not known"),
    "unauthorized": (401, "Unauthorized"),
    "not found": (404, "Not Found"),
    "conflict": (
        409,
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    ),
    "server error": (502, _PAGE),
    "foreign 403": (403, _PAGE),
    "foreign 429": (429, _PAGE),
}


@dataclass(frozen=True)
class Limits:
    """At most *many* messages in any *seconds* for the bot; to one chat *chat_many* in any *chat_seconds*."""

    many: int = 30
    seconds: float = 1
    chat_many: int = 20
    chat_seconds: float = 1
    retry_after: int = 1


class BotApi:
    """`async with BotApi() as api`: `api.url` is where a bot finds it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.id = int(TOKEN.partition(":")[0])
        self.limits = limits
        self.users: dict[int, User] = {}
        self.accepted: list[tuple[float, str, dict[str, Any]]] = []  # what counted: time, method, parameters
        self.calls: list[tuple[str, Any, str]] = []  # every call: method, chat, outcome
        self.confirmed: list[int] = []  # updates that the bot says it has
        self.broken_rules: list[str] = []
        self.always: dict[int | str, str] = {}  # a chat or method fails so until further notice
        self.hook: dict[str, Any] = {}
        self.date = ""  # of each answer; "": none
        self.posted: list[tuple[int, int]] = []  # each call of the webhook: update, status (0: no answer)
        self.open_queries: set[str] = set()
        self.numbers = itertools.count(1000)
        self.longest_poll = 60.0  # seconds after which an idle getUpdates ends, however long it was asked to wait
        self._next: dict[int | str, deque[str]] = {}
        self._updates: dict[int, dict[str, Any]] = {}
        self._in_flight: dict[int, str] = {}  # update -> its lane
        self._kinds: list[str] = []  # of updates that the bot wants; none named: all
        self._poll = 0
        self._barred_until = 0.0
        self._change = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def user(self, number: int) -> User:
        """A person who has started the bot."""
        return self.users.setdefault(number, User(self, number))

    def fails(self, where: int | str, *how: str) -> None:
        """The next calls to that chat, or of that method, end so, one after another; then all is well again.

        "ok", a key of FAILURES, "flood:<seconds>", "reset" (cut before it is accepted), and accepted but not told so:
        "slow:<seconds>", "cut", "broken", "no result", "not ok". Only for getUpdates: "null", "no list", "no number",
        "one without a number".
        """
        self._next.setdefault(where, deque()).extend(how)

    def put(self, update: dict[str, Any]) -> int:
        """Hand an update to the bot, by poll or webhook, if it wants such; its number."""
        number = next(self.numbers)
        if not self._kinds or update.keys() & set(self._kinds):
            self._updates[number] = {"update_id": number, **update}
        self._changed()
        return number

    async def until(self, holds: Callable[[], bool], within: float = 10) -> None:
        """Wait until something holds here; `TimeoutError` after *within* seconds."""
        async with asyncio.timeout(within), self._change:
            await self._change.wait_for(holds)

    async def until_confirmed(self, *numbers: int) -> None:
        """Wait until the bot has confirmed these updates."""
        await self.until(lambda: set(numbers) <= set(self.confirmed))

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=60 * 2**20)
        app.router.add_route("*", "/{token}/{method}", self._call)
        app.on_response_prepare.append(self._date)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = site.name
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        self._keep(self._push())
        return self

    async def _date(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = self.date

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()
        await self._runner.cleanup()
        assert self.broken_rules == []

    # What the bot calls

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        if request.match_info["token"] != f"bot{TOKEN}":
            return _failure(*FAILURES["unauthorized"])
        if method not in METHODS:
            return self._against_the_rules(f"unknown method {method}", 404)
        parameters = await _parameters(method, request)
        if problem := wrong(method, parameters):
            return self._against_the_rules(f"{method}: {problem}", 400)
        chat = parameters.get("chat_id")
        how = self._outcome(method, chat)
        self.calls.append((method, chat, how))
        if how in FAILURES:
            return _failure(*FAILURES[how])
        if how.startswith("flood:"):
            return _failure(429, f"Too Many Requests: retry after {how[6:]}", retry_after=int(how[6:]))
        if how == "reset":
            return _cut(request)
        answer = await getattr(self, f"_on_{method}")(parameters)
        if isinstance(answer, web.Response):
            return answer
        self.accepted.append((time.monotonic(), method, parameters))
        self._changed()
        match how.partition(":")[::2]:
            case "slow", seconds:
                await asyncio.sleep(float(seconds))
            case "cut", _:
                return _cut(request)
            case "broken", _:
                return web.Response(text='{"ok":true,"result":{"mess', content_type="application/json")
            case "no result", _:
                return web.json_response({"ok": True})
            case "not ok", _:
                return web.json_response({"ok": False, "description": "Internal"})
            case "null" | "no list" | "no number" | "one without a number", _:
                without = {"message": {"text": "a"}}
                results: dict[str, Any] = {"null": None, "no list": {}, "no number": [without]}
                return web.json_response(
                    {"ok": True, "result": results.get(how, [without, *answer] if isinstance(answer, list) else None)}
                )
        return web.json_response({"ok": True, "result": answer})

    def _against_the_rules(self, what: str, status: int) -> web.Response:
        self.broken_rules.append(what)
        return _failure(status, f"Bad Request: {what}")

    def _outcome(self, method: str, chat: int | None) -> str:
        for where in (chat, method):
            if where is not None and (script := self._next.get(where)):
                return script.popleft()
            if where in self.always:
                return self.always[where]
        return self._over_limit(chat) if self.limits and method.startswith("send") else "ok"

    def _over_limit(self, chat: int | None) -> str:
        """Telegram's limits read strictly: past them everything is refused until `retry_after` is over."""
        assert self.limits
        now, limits = time.monotonic(), self.limits
        sent = [(at, call["chat_id"]) for at, name, call in self.accepted[-limits.many :] if name.startswith("send")]
        lately = sum(at > now - limits.seconds for at, _ in sent)
        to_chat = sum(at > now - limits.chat_seconds and to == chat for at, to in sent)
        if now < self._barred_until or lately >= limits.many or to_chat >= limits.chat_many:
            self._barred_until = max(self._barred_until, now + limits.retry_after)
            return f"flood:{limits.retry_after}"
        return "ok"

    async def _on_getMe(self, _: dict[str, Any]) -> Any:
        return {"id": self.id, "is_bot": True, "first_name": "Kiểm điểm", "username": "kiemdiem_bot"}

    async def _on_setMyCommands(self, _: dict[str, Any]) -> Any:
        return True

    async def _on_answerCallbackQuery(self, call: dict[str, Any]) -> Any:
        if call["callback_query_id"] not in self.open_queries:
            return _failure(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        return True

    async def _on_sendMessage(self, call: dict[str, Any]) -> Any:
        if not (user := self.users.get(call["chat_id"])):
            return _failure(*FAILURES["chat not found"])
        user.received.append(call)
        return user.message({"text": call.get("text", "")})

    _on_sendDocument = _on_sendMessage

    async def _on_setWebhook(self, call: dict[str, Any]) -> Any:
        self.hook = dict(call)
        self._kinds = call.get("allowed_updates", self._kinds)
        return True

    async def _on_deleteWebhook(self, _: dict[str, Any]) -> Any:
        self.hook = {}
        return True

    async def _on_getWebhookInfo(self, _: dict[str, Any]) -> Any:
        told = {k: v for k, v in self.hook.items() if k in ("url", "max_connections", "allowed_updates")}
        return {"url": "", "has_custom_certificate": False, "pending_update_count": len(self._updates)} | told

    async def _on_getUpdates(self, call: dict[str, Any]) -> Any:
        if self.hook:
            return _failure(409, "Conflict: can't use getUpdates method while webhook is active")
        for number in [n for n in self._updates if n < call.get("offset", 0)]:
            self._confirm(number)
        self._poll = mine = self._poll + 1  # an older poll that still waits ends with 409
        self._changed()
        self._kinds = call.get("allowed_updates", self._kinds)
        if not self._updates and (seconds := call.get("timeout")):
            with contextlib.suppress(TimeoutError):
                await self.until(lambda: bool(self._updates) or self._poll != mine, min(seconds, self.longest_poll))
        if self._poll != mine:
            return _failure(*FAILURES["conflict"])
        return list(self._updates.values())[: call.get("limit", 100)]

    # The webhook

    async def _push(self) -> None:
        """Post what waits: in parallel, but each chat's messages and each person's taps in their order."""
        while True:
            async with self._change:
                await self._change.wait_for(lambda: bool(self.hook and self._ready()))
            for number in self._ready():
                self._in_flight[number] = _lane(self._updates[number])
                self._keep(self._post(number))

    def _ready(self) -> list[int]:
        lanes, ready = set(self._in_flight.values()), []
        for number, update in self._updates.items():
            if number not in self._in_flight and (lane := _lane(update)) not in lanes:
                lanes.add(lane)
                ready.append(number)
        return ready[: self.hook.get("max_connections", 40) - len(self._in_flight)]

    async def _post(self, number: int) -> None:
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.hook.get("secret_token", "")}
        for wait in (0.01 * 2**n for n in range(12)):  # Telegram's seconds, made a hundred times shorter
            try:
                async with self._client.post(self.hook["url"], json=self._updates[number], headers=headers) as answer:
                    status = answer.status
                    if 200 <= status < 300 and (call := await answer.read()):
                        await self._obey(json.loads(call))
            except (aiohttp.ClientError, TimeoutError):
                status = 0
            self.posted.append((number, status))
            if 200 <= status < 300:
                break
            await asyncio.sleep(wait)
        self._confirm(number)
        del self._in_flight[number]
        self._changed()

    async def _obey(self, call: dict[str, Any]) -> None:
        """Do what the answer to a webhook asks for. The bot is not told what became of it."""
        method = call.pop("method")
        if method not in METHODS or (problem := wrong(method, call)):
            self.broken_rules.append(f"{method}: {problem if method in METHODS else 'unknown method'}")
            return
        how = self._outcome(method, call.get("chat_id"))
        self.calls.append((method, call.get("chat_id"), how))
        if how == "ok" and not isinstance(await getattr(self, f"_on_{method}")(call), web.Response):
            self.accepted.append((time.monotonic(), method, call))

    def _confirm(self, number: int) -> None:
        del self._updates[number]
        self.confirmed.append(number)

    def _changed(self) -> None:
        async def notify() -> None:
            async with self._change:
                self._change.notify_all()

        self._keep(notify())

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _lane(update: dict[str, Any]) -> str:
    kind, content = next((kind, content) for kind, content in update.items() if kind != "update_id")
    return f"tap {content['from']['id']}" if kind == "callback_query" else f"chat {content['chat']['id']}"


def _failure(status: int, description: str, **parameters: int) -> web.Response:
    if description.startswith("<"):
        return web.Response(status=status, text=description, content_type="text/html")
    body = {"ok": False, "error_code": status, "description": description}
    return web.json_response(body | ({"parameters": parameters} if parameters else {}), status=status)


def _cut(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()


async def _parameters(method: str, request: web.Request) -> dict[str, Any]:
    """The parameters of a call, sent as JSON or as a form with files."""
    if request.content_type == "application/json":
        found: dict[str, Any] = json.loads(await request.read())
        return found
    form = {}
    for name, value in (await request.post()).items():
        upload = isinstance(value, web.FileField)
        form[name] = File(value.filename, value.file.read()) if upload else typed(method, name, str(value))  # type: ignore[union-attr]
    return form
