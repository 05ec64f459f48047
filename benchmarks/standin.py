"""A stand-in for the Bot API that costs little itself: raw asyncio, in one process with the members who chat."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN = "4242:benchmark"
_BOT = {"id": 4242, "is_bot": True, "first_name": "Bench", "username": "bench_bot"}
Sent = Callable[[int, str, list[dict[str, Any]]], None]
"""Told of each accepted message: the chat, its words and its buttons in order."""


class Window:
    """At most *many* messages in any one second, read strictly: past them every message is refused for a second."""

    def __init__(self, many: int) -> None:
        self.many, self.times, self.barred = many, deque[float](), 0.0

    def takes(self, now: float) -> bool:
        """Whether one more message passes now."""
        if now < self.barred:
            return False
        while self.times and self.times[0] <= now - 1:
            self.times.popleft()
        if len(self.times) >= self.many:
            self.barred = now + 1
            return False
        self.times.append(now)
        return True


class Standin:
    """`await start()` gives the URL a bot finds it at; `put` hands an update over, by poll or by webhook."""

    def __init__(self, *, latency: float = 0.0, limit: Window | None = None) -> None:
        """*latency*: seconds that every call takes, getUpdates apart."""
        self.latency, self.limit = latency, limit
        self.sent: Sent = lambda chat, text, buttons: None
        self.handed: dict[int, float] = {}  # by chat: when its update was written to the bot
        self.calls: Counter[tuple[str, int]] = Counter()  # by method and status
        self.came_up = asyncio.Event()  # the bot polls, or has set its webhook
        self._waiting: deque[tuple[int, int, bytes]] = deque()  # update, chat, JSON
        self._poll: Connection | None = None
        self._asked = False
        self._hook: Hook | None = None
        self._number, self._message = 1, 0
        self._loop = asyncio.get_running_loop()

    async def start(self) -> str:
        """Serve on a free port of loopback."""
        self._server = await self._loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=512)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        """Take no more calls."""
        self._server.close()
        if self._hook:
            self._hook.close()

    def put(self, chat: int, update: dict[str, Any]) -> None:
        """Hand an update to the bot as soon as possible."""
        update["update_id"] = self._number
        self._waiting.append((self._number, chat, json.dumps(update).encode()))
        self._number += 1
        if self._hook:
            self._hook.pump()
        elif self._poll and not self._asked:
            self._asked = True  # what comes in this round of the loop goes in one answer
            self._loop.call_soon(self._answer_poll)

    def _answer_poll(self) -> None:
        self._asked, poll, self._poll = False, self._poll, None
        if poll:
            self._hand_over(poll)

    def _hand_over(self, poll: "Connection") -> None:
        batch = [self._waiting[i] for i in range(min(100, len(self._waiting)))]
        self.handed.update(dict.fromkeys((chat for _, chat, _ in batch), time.perf_counter()))
        poll.answer(200, b'{"ok":true,"result":[%b]}' % b",".join(body for _, _, body in batch))

    def called(self, connection: "Connection", path: str, body: dict[str, Any]) -> None:
        """A call of the bot."""
        method = path.rpartition("/")[2]
        if not path.startswith(f"/bot{TOKEN}/"):
            connection.answer(401, b'{"ok":false,"error_code":401,"description":"Unauthorized"}')
        elif method == "getUpdates":
            self._get_updates(connection, body)
        elif self.latency:
            self._loop.call_later(self.latency, self._finish, connection, method, body)
        else:
            self._finish(connection, method, body)

    def _get_updates(self, connection: "Connection", body: dict[str, Any]) -> None:
        while self._waiting and self._waiting[0][0] < int(body.get("offset") or 0):
            self._waiting.popleft()
        self.came_up.set()
        if self._waiting:
            self._hand_over(connection)
        elif seconds := float(body.get("timeout") or 0):
            self._poll = connection
            self._loop.call_later(seconds, self._idle, connection)
        else:
            connection.answer(200, b'{"ok":true,"result":[]}')

    def _idle(self, connection: "Connection") -> None:
        if self._poll is connection:
            self._answer_poll()

    def _finish(self, connection: "Connection", method: str, body: dict[str, Any]) -> None:
        result: Any = True
        if method == "sendMessage":
            if self.limit and not self.limit.takes(time.monotonic()):
                self.calls[method, 429] += 1
                error = b'{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 1",'
                connection.answer(429, error + b'"parameters":{"retry_after":1}}')
                return
            self._message += 1
            chat = int(body["chat_id"])
            result = {"message_id": self._message, "date": int(time.time()), "text": body["text"]}
            result |= {"from": _BOT, "chat": {"id": chat, "type": "private", "first_name": "M"}}
            markup = body.get("reply_markup") or {}
            keyboard = (json.loads(markup) if isinstance(markup, str) else markup).get("inline_keyboard", [])
            self.sent(chat, body["text"], [button for row in keyboard for button in row])
        elif method == "getMe":
            result = _BOT
        elif method == "getWebhookInfo":
            result = {"url": "", "has_custom_certificate": False, "pending_update_count": 0}
        self.calls[method, 200] += 1
        connection.answer(200, b'{"ok":true,"result":%b}' % json.dumps(result).encode())
        if method == "setWebhook" and body.get("url"):
            self._hook = Hook(self, body["url"], body.get("secret_token", ""), int(body.get("max_connections") or 40))
            self.came_up.set()

    def next(self) -> bytes | None:
        """The oldest waiting update, for the webhook."""
        if not self._waiting:
            return None
        _, chat, body = self._waiting.popleft()
        self.handed[chat] = time.perf_counter()
        return body


class Connection(asyncio.Protocol):
    """One connection of the bot: one call after the other."""

    def __init__(self, api: Standin) -> None:
        self.api, self.data = api, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stays open."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """More of a call."""
        self.data += data
        found = message(self.data)
        if found:
            first, kind, body, self.data = found
            self.api.called(self, first.split()[1].decode().replace("%3A", ":"), _parameters(kind, body))

    def answer(self, status: int, body: bytes) -> None:
        """The answer to the call."""
        head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        if not self.transport.is_closing():
            self.transport.write(head + body)


class Hook:
    """The webhook: updates posted over at most so many connections, each kept open. What fails is posted again."""

    def __init__(self, api: Standin, url: str, secret: str, most: int) -> None:
        self.api, self.url, self.most = api, urlsplit(url), most
        self.idle: list[Post] = []
        self.posts: set[Post] = set()
        self.opening = 0
        target = self.url.path + (f"?{self.url.query}" if self.url.query else "")
        self.head = (
            f"POST {target} HTTP/1.1\r\nHost: {self.url.netloc}\r\nContent-Type: application/json\r\n"
            f"X-Telegram-Bot-Api-Secret-Token: {secret}\r\nContent-Length: "
        ).encode()
        self.pump()

    def pump(self) -> None:
        """Post what waits as far as connections are free."""
        while self.idle and (body := self.api.next()):
            self.idle.pop().post(body)
        if self.api._waiting and not self.idle and len(self.posts) + self.opening < self.most:
            self.opening += 1
            task = asyncio.ensure_future(self._open())
            task.add_done_callback(lambda _: None)

    async def _open(self) -> None:
        try:
            _, post = await self.api._loop.create_connection(lambda: Post(self), self.url.hostname, self.url.port)
        except OSError:
            self.api._loop.call_later(0.1, self.pump)
            return
        finally:
            self.opening -= 1
        self.posts.add(post)
        self.idle.append(post)
        self.pump()

    def close(self) -> None:
        """End every connection."""
        for post in list(self.posts):
            post.transport.close()


class Post(asyncio.Protocol):
    """One connection to the bot, which carries one update at a time."""

    def __init__(self, hook: Hook) -> None:
        self.hook, self.data, self.body = hook, b"", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stays open."""
        self.transport: Any = transport

    def post(self, body: bytes) -> None:
        """Post an update."""
        self.body = body
        self.transport.write(self.hook.head + b"%d\r\n\r\n%b" % (len(body), body))

    def data_received(self, data: bytes) -> None:
        """The bot's answer: 200 confirms the update."""
        self.data += data
        if found := message(self.data):
            first, _, body, self.data = found
            self.hook.api.calls["webhook", int(first.split()[1])] += 1
            if b'"method"' in body:  # a call that came with the confirmation: it needs no answer
                self.hook.api.calls[json.loads(body)["method"], 200] += 1
            self.hook.idle.append(self)
            self.hook.pump()

    def connection_lost(self, error: Exception | None) -> None:
        """It is made anew when needed."""
        self.hook.posts.discard(self)
        if self in self.hook.idle:
            self.hook.idle.remove(self)


def message(data: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """The first HTTP message of *data*: its first line, its kind, its body, and what follows; None: not whole yet."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    lines = data[:end].lower().split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
    stop = end + int(headers.get(b"content-length", 0))
    if len(data) < stop:
        return None
    return data[: data.find(b"\r\n")], headers.get(b"content-type", b""), data[end:stop], data[stop:]


def _parameters(kind: bytes, body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    found: dict[str, Any] = json.loads(body) if b"json" in kind else dict(parse_qsl(body.decode()))
    return found


def words(chat: int, text: str) -> dict[str, Any]:
    """The update of a member who types."""
    found: dict[str, Any] = {"message_id": 1, "from": _member(chat), "chat": _chat(chat), "date": 1, "text": text}
    if text.startswith("/"):
        found["entities"] = [{"offset": 0, "length": len(text), "type": "bot_command"}]
    return {"message": found}


def tap(chat: int, data: str) -> dict[str, Any]:
    """The update of a member who presses a button."""
    under = {"message_id": 1, "from": _BOT, "chat": _chat(chat), "date": 1, "text": "…"}
    return {
        "callback_query": {
            "id": str(chat), "from": _member(chat), "chat_instance": "1", "data": data, "message": under
        }
    }  # fmt: skip


def _member(chat: int) -> dict[str, Any]:
    return {"id": chat, "is_bot": False, "first_name": "M", "username": f"member{chat}", "language_code": "vi"}


def _chat(chat: int) -> dict[str, Any]:
    return {"id": chat, "type": "private", "first_name": "M", "username": f"member{chat}"}
