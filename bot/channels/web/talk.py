"""The chat itself: its page, what the person says and taps, and what is said to them."""

import binascii
import hmac
import json
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import structlog
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.channels import Incoming
from bot.channels.web.door import door
from bot.channels.web.pages import page, words
from bot.channels.web.parts import NAME, Web
from bot.channels.web.sessions import Sessions
from bot.channels.web.watch import Page, Watch, take_due
from bot.shown import mark_shown
from handlers.messages import Document, Event, Said, Tapped, dumps
from handlers.texts import say
from handlers.words import clean
from storage import addresses, claims, people, webchat
from storage.addresses import Address
from storage.database import Db
from storage.outbox import Outgoing

log = structlog.get_logger()

PAST = 200  # messages that a page shows again when it is opened
PING = 20  # seconds: a proxy closes what is silent for longer
KEY = re.compile(r"[0-9a-z]{8,40}\.([0-9a-f]{8})")


class Talk:
    """A chat, for the browser that was let in. For any other there is nothing here."""

    def __init__(self, web: Web) -> None:
        self.web, self.sessions, self.watch = web, Sessions(web), Watch(web)

    async def page(self, request: Request) -> Response:
        """The page with what was said so far; to a stranger the door."""
        address = await self.admitted(request)
        if address is None:
            return door(self.web, request, problem=say(self.web.lang, "web.not_open_here"), status=404)
        past = await self.said(address, 0, due=True)
        person = await self.web.database.read(lambda db: people.by_id(db, address.person_id or 0))
        lang = (person.lang if person else None) or self.web.lang
        stands = await self.stands(address, past)
        name = person.name if person else ""
        return page("chat.html", lang, name=name, past=past, stands=stands, words=words(lang, "web"))

    async def stands(self, address: Address, past: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        """Where the person stands, below what is still kept of the conversation, if that does not end with it.

        It has no number and is stored nowhere: a page that is opened again shows it as it is then.
        """
        last = next((message["text"] for message in reversed(past) if "notice" not in message), None)
        now = self.web.now()
        try:
            message = await self.web.database.read(lambda db: self.web.present(db, address, now, last))
        except Exception as error:  # a data key is missing: the menu still leads on
            log.error("web.cannot_show", error=type(error).__name__)
            return None
        return json.loads(dumps(message)) if message else None

    async def say(self, request: Request) -> Response:
        """Words that the person typed."""
        return await self.heard(request, "text")

    async def tap(self, request: Request) -> Response:
        """A button that the person pressed."""
        return await self.heard(request, "value")

    async def since(self, request: Request) -> Response:
        """What was said after a number: for pages without a stream."""
        address = await self.admitted(request)
        if address is None:
            return JSONResponse({"error": "not_open_here"}, 404)
        after = number(request.query_params.get("after"))
        return JSONResponse({"messages": await self.said(address, after, due=True)})

    async def stream(self, request: Request) -> Response:
        """What nobody asked for, as it comes: server-sent events whose ids are the messages' numbers."""
        address = await self.admitted(request)
        if address is None:
            return JSONResponse({"error": "not_open_here"}, 404)
        after = number(request.headers.get("last-event-id") or request.query_params.get("after"))
        return EventSourceResponse(self.events(Page(address.id, after)), ping=PING)

    async def has_shown(self, request: Request) -> Response:
        """The page says up to which number it has shown its messages to somebody: ``{"shown": 7}``.

        It says so of notices only, and only while it is looked at. Said again, or of a number it was not given, it
        changes nothing.
        """
        address = await self.admitted(request)
        if address is None:
            return JSONResponse({"error": "not_open_here"}, 404)
        match await as_json(request):
            case {"shown": int(seq)} if seq is not True and 0 < seq < 10**9:
                pass
            case _:
                raise HTTPException(422)
        if await self.web.database.read(lambda db: webchat.has_unshown(db, address.id, seq)):
            try:
                await self.web.database.write(lambda db: mark_shown(db, address.id, seq, self.web.now()))
            except Exception as error:
                log.error("web.not_stored", error=type(error).__name__)
                return JSONResponse({"error": "not_saved"}, 503)
        return Response(status_code=204)

    async def events(self, open_page: Page) -> AsyncGenerator[ServerSentEvent]:
        """The events of one open page, until it is closed, the server ends, or the chat is nobody's any more."""
        with self.watch.over(open_page):
            while not open_page.ended and not self.web.stopping():
                for message in await self.news(open_page):
                    yield ServerSentEvent(json.dumps(message, ensure_ascii=False), id=str(message["seq"]))
                await open_page.bell.wait()
                open_page.bell.clear()
            if open_page.ended:
                yield ServerSentEvent("", event="ended")

    async def news(self, open_page: Page) -> list[dict[str, Any]]:
        """What an open page was not sent yet; while the database cannot be read, nothing: it is rung for again."""

        def rows(db: Db) -> list[Outgoing]:
            return webchat.since(db, open_page.address_id, open_page.seq, PAST, self.web.now())

        try:
            found = await self.web.database.read(rows)
        except Exception as error:
            log.error("web.cannot_read", error=type(error).__name__)
            open_page.rung = 0
            return []
        if found:
            open_page.seq = found[-1].seq or 0
        return self.drawn(found)

    async def heard(self, request: Request, what: str) -> Response:
        """One turn, stored before it is answered. The answer carries everything said since the number *after*.

        The page makes a key for each message, and repeats it until it has an answer. The key ends in the CRC-32 of
        what it carries: used again for other words it is refused (409) and not taken for a repetition.
        """
        address = await self.admitted(request)
        if address is None:
            return JSONResponse({"error": "not_open_here"}, 404)
        key, carried, after = await sent(request, what)
        fits = KEY.fullmatch(key)
        if not fits or int(fits[1], 16) != checksum(carried):
            return JSONResponse({"error": "key"}, 409)
        text = clean(carried)
        if not text.strip():
            return JSONResponse({"error": "empty"}, 422)
        event: Event = Said(text) if what == "text" else Tapped(text)
        try:
            await self.web.receive(Incoming(self.stored_key(address.chat, key), NAME, "", address.chat, event))
        except Exception as error:
            log.error("web.not_stored", error=type(error).__name__)
            return JSONResponse({"error": "not_saved"}, 503)
        return JSONResponse({"messages": await self.said(address, after)})

    def stored_key(self, chat: str, key: str) -> str:
        """The key as it is stored and logged: from the checksum in the page's own one, short words could be guessed."""
        secret = self.web.secret_key.encode()
        return f"{NAME}:{hmac.digest(secret, f'{chat}/{key}'.encode(), 'sha256').hex()[:32]}"

    async def admitted(self, request: Request) -> Address | None:
        """The address of this chat, where the browser was let in and the chat is still somebody's."""
        chat = request.path_params["chat"]
        if not self.sessions.admits(request, chat):
            return None
        address = await self.web.database.read(lambda db: addresses.at(db, NAME, "", chat))
        return address if address and address.person_id is not None and address.closed is None else None

    async def said(self, address: Address, after: int, *, due: bool = False) -> list[dict[str, Any]]:
        """What was said to an address after a number; with *due*, what is due by now as well."""

        def rows(db: Db) -> tuple[bool, list[Outgoing]]:
            waiting = due and webchat.news(db, [address.id], self.web.now())[address.id].due
            return waiting, webchat.since(db, address.id, after, PAST, self.web.now())

        waiting, found = await self.web.database.read(rows)
        if waiting:
            await take_due(self.web, address.id)
            _, found = await self.web.database.read(rows)
        return self.drawn(found)

    def drawn(self, rows: Sequence[Outgoing]) -> list[dict[str, Any]]:
        """Messages as the page draws them; in place of all that cannot be opened, one that says so."""
        sealed = [row for row in rows if row.body is None]
        if sealed:
            log.error("web.cannot_open", key=sealed[-1].key, count=len(sealed))
        return [self.shown(row) for row in rows if row.body is not None or row is sealed[-1]]

    def shown(self, row: Outgoing) -> dict[str, Any]:
        """A message as the page draws it, with its local time."""
        at = row.due_at.astimezone(self.web.zone).isoformat("T", "minutes")[:16]
        said = {"text": say(self.web.lang, "web.cannot_open")} if row.body is None else json.loads(row.body)
        shown = {"seq": row.seq, "at": at, **said}
        if row.kind not in claims.REPLIES:
            shown["notice"] = True
        if named := shown.pop("document", None):
            shown["file"] = self.web.documents.path(Document(*named), row.person_id)
        return shown


async def sent(request: Request, what: str) -> tuple[str, str, int]:
    """The key, the words or value, and the last number the page knows. Raises HTTPException where it is no such."""
    body = await as_json(request)
    match body:
        case {"key": str(key), "after": int(after)} if isinstance(carried := body.get(what), str):
            return key, carried, number(str(after))
        case _:
            raise HTTPException(422)


async def as_json(request: Request) -> Any:
    """The JSON of a body; None where it is none. Raises HTTPException where it is not declared as JSON."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415)  # a form of another site can send other kinds without being asked
    try:
        return json.loads(await request.body())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        return None


def checksum(text: str) -> int:
    """CRC-32 of the words in UTF-8; a lone surrogate counts as U+FFFD, as in a browser."""
    return binascii.crc32(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode())


def number(text: str | None) -> int:
    """A message's number from outside; anything else is 0: everything again."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0
