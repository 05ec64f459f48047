"""A browser in front of the web app, without a screen."""

import json

import httpx2

from bot.channels.web import application
from bot.channels.web.talk import checksum
from storage.claims import Word
from tests.echo import CODE, Echo, as_it_is, web

BORN = {"day": "28", "month": "7", "year": "1973"}
HERE = "http://localhost"


class Browser:
    """A browser in front of the web app: it keeps cookies and sends its own origin."""

    def __init__(self, echo: Echo, public_url: str = "", word: Word = as_it_is, **headers: str) -> None:
        transport = httpx2.ASGITransport(application(web(echo, word, public_url)))
        base = public_url or HERE
        self.http = httpx2.AsyncClient(transport=transport, base_url=base, headers={"Origin": base} | headers)
        self.number = 0

    async def joins(self, code: str = CODE) -> str:
        """Go in by the personal link; the chat's address."""
        answer = await self.http.post(f"/chat/{code}", data=BORN)
        assert answer.status_code == 303
        return answer.headers["location"]

    def key(self, carried: str) -> str:
        """The key of the next message."""
        self.number += 1
        return f"{self.number:08}.{checksum(carried):08x}"

    async def says(self, chat: str, text: str, after: int = 0, key: str = "") -> httpx2.Response:
        """Type something."""
        body = json.dumps({"key": key or self.key(text), "text": text, "after": after})
        return await self.http.post(f"{chat}say", content=body, headers={"Content-Type": "application/json"})


def texts(answer: httpx2.Response) -> list[str]:
    """The words of the messages in an answer."""
    assert answer.status_code == 200
    return [message["text"] for message in answer.json()["messages"]]
