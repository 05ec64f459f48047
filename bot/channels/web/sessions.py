"""Who a browser is: a signed cookie for each chat that was opened in it, so that several people fit in one browser."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from bot.channels.web.parts import Web

SESSION, DOOR = "kiemdiem", "kiemdiem_door"
LASTS, DOOR_LASTS = timedelta(days=180), timedelta(hours=1)


class Sessions:
    """Signs and reads the cookies. They carry the chat's id and the moment they end."""

    def __init__(self, web: Web) -> None:
        self.now = web.now
        self.secure = web.public_url.startswith("https://")
        self.session = URLSafeSerializer(web.secret_key, salt="web session")
        self.door = URLSafeSerializer(web.secret_key, salt="web door")

    def let_in(self, response: Response, chat: str) -> None:
        """This browser may open *chat* from now on."""
        self._set(response, SESSION, self.session, chat, f"/chat/{chat}/", LASTS)
        response.delete_cookie(DOOR, path="/chat/")

    def admits(self, request: Request, chat: str) -> bool:
        """Whether the browser was let into *chat*."""
        return self._read(self.session, request.cookies.get(SESSION)) == chat

    def wait(self, response: Response, chat: str) -> None:
        """This browser stands at the door: its next try comes from the same chat, so that tries are counted."""
        self._set(response, DOOR, self.door, chat, "/chat/", DOOR_LASTS)

    def waiting(self, request: Request) -> str | None:
        """The chat in which this browser stands at the door, if it does."""
        return self._read(self.door, request.cookies.get(DOOR))

    def _set(
        self, response: Response, name: str, signer: URLSafeSerializer, chat: str, path: str, lasts: timedelta
    ) -> None:
        response.set_cookie(
            name,
            str(signer.dumps([chat, int((self.now() + lasts).timestamp())])),
            max_age=int(lasts.total_seconds()),
            path=path,
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def _read(self, signer: URLSafeSerializer, cookie: str | None) -> str | None:
        try:
            value: Any = signer.loads(cookie or "")
        except BadSignature:
            return None
        chat, expires = value
        return str(chat) if self.now() < datetime.fromtimestamp(expires, self.now().tzinfo) else None


def new_chat() -> str:
    """The id of a new web address: 22 characters that nobody can guess."""
    return secrets.token_urlsafe(16)
