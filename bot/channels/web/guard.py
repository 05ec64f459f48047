"""What every request passes and every answer carries: known hosts, own origin, small bodies, strict headers."""

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = ("localhost", "127.0.0.1")
LARGEST = 1_000_000  # bytes of a body
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "frame-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
    ),
    # Not no-referrer: with it browsers send "Origin: null" with our own forms. To other sites nothing is sent.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware. A foreign Host is a rebound name (400), a foreign Origin a forged request (403)."""

    def __init__(self, app: ASGIApp, public_url: str = "") -> None:
        self.app = app
        public = urlsplit(public_url)
        self.hosts = {*HERE, public.hostname or HERE[0]}
        self.origin = f"{public.scheme}://{public.netloc}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self.refusal(scope["method"], headers)
        answer = PlainTextResponse(*refused) if refused else self.app
        await answer(scope, limited(receive), self.dressed(send))

    def refusal(self, method: str, headers: Headers) -> tuple[str, int] | None:
        """Why a request is not let through, with its status."""
        host = headers.get("host", "")
        if re.sub(r":\d+$", "", host).lower() not in self.hosts:
            return "Unknown host", 400
        if method not in ("GET", "HEAD") and not self.own(headers, host):
            return "Foreign origin", 403
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST:
            return "Too large", 413
        return None

    def own(self, headers: Headers, host: str) -> bool:
        """Whether one of our own pages sent it. A client that is no browser sends neither header, and no cookie."""
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "same-origin") == "same-origin"
        return origin in (f"http://{host}", f"https://{host}", self.origin)

    def dressed(self, send: Send) -> Send:
        """*send* with our headers on every answer."""

        async def dressing(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
                answer.setdefault("Cache-Control", "no-store")
            await send(message)

        return dressing


def limited(receive: Receive) -> Receive:
    """*receive* that ends a body without a length once it is too large."""
    taken = 0

    async def counting() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST:
            raise HTTPException(413)
        return message

    return counting
