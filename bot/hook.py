"""Telegram's webhook, before the web app: its calls are many and need nothing of what a page needs."""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from bot.channels.telegram import LARGEST_BODY, PATH

SECRET = b"x-telegram-bot-api-secret-token"
Take = Callable[[bytes, str], Awaitable[tuple[int, bytes]]]
"""Takes a body and the secret that came with it; the status and the JSON, or nothing, to answer with."""


class Hook:
    """ASGI: answers calls of the webhook, hands every other request on."""

    def __init__(self, app: ASGIApp, take: Take) -> None:
        self.app, self.take = app, take

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer once the update is stored. More than the largest body is not read."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        body, more = b"", True
        while more and len(body) <= LARGEST_BODY:
            part = await receive()
            if part["type"] != "http.request":  # they hung up
                return
            body += part.get("body", b"")
            more = part.get("more_body", False)
        secret = next((value for name, value in scope["headers"] if name == SECRET), b"")
        status, answer = await self.take(body, secret.decode("latin-1"))
        headers = [(b"content-length", b"%d" % len(answer))]
        if answer:
            headers.append((b"content-type", b"application/json"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
