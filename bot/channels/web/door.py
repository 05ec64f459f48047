"""The door of the web chat: nothing opens without the second factor, and looking at it uses nothing up."""

import secrets
from datetime import datetime

import structlog
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bot.channels import Incoming
from bot.channels.web.pages import page
from bot.channels.web.parts import NAME, Web
from bot.channels.web.sessions import Sessions, new_chat
from handlers.join import BIRTH
from handlers.messages import Said, loads
from handlers.texts import say
from handlers.words import clean
from storage import addresses, webchat
from storage.addresses import Address
from storage.database import Db

log = structlog.get_logger()

# What the browsers inside messengers call themselves. What is opened there is hard to find again.
IN_APP = {"Zalo": "Zalo", "FBAN": "Facebook", "FBAV": "Facebook", "Telegram": "Telegram"}


class Door:
    """Asks for the code and the birth date, and goes the way of joining that every channel goes."""

    def __init__(self, web: Web) -> None:
        self.web, self.sessions = web, Sessions(web)

    async def show(self, request: Request) -> Response:
        """The door. It looks the same whatever the code: nobody learns from it which codes there are."""
        return door(self.web, request, request.path_params.get("code", ""))

    async def enter(self, request: Request) -> Response:
        """Take the code and the birth date: into the chat, or back to the door with what was said."""
        form = await request.form()
        typed = field(form, "code") if "code" not in request.path_params else request.path_params["code"]
        code = "".join(clean(typed).split())
        birth = [field(form, name) for name in ("day", "month", "year")]
        if not code or not all(birth):
            return door(self.web, request, code, say(self.web.lang, "web.door_incomplete"), 422)
        chat = self.sessions.waiting(request) or new_chat()
        if (waiting := await self.address(chat)) and (waiting.person_id is not None or waiting.closed):
            chat = new_chat()  # it is somebody's, or was: whoever was let in then is not let in again
        try:
            await self.says(chat, f"/start {code}")
            address = await self.address(chat)
            if address is not None and address.place == BIRTH:
                await self.says(chat, "/".join(birth))
        except Exception as error:
            log.error("web.not_stored", error=type(error).__name__)
            return door(self.web, request, code, say(self.web.lang, "web.not_saved"), 503)
        address = await self.address(chat)
        if address is not None and address.person_id is not None and address.closed is None:
            response: Response = RedirectResponse(f"/chat/{chat}/", 303)
            self.sessions.let_in(response, chat)
            return response
        words = await self.web.database.read(lambda db: last_words(db, address, self.web.now()))
        response = door(self.web, request, code, words, 403)
        self.sessions.wait(response, chat)
        return response

    async def says(self, chat: str, text: str) -> None:
        """One turn of whoever stands at the door."""
        await self.web.receive(Incoming(f"{NAME}:{chat}:{secrets.token_hex(8)}", NAME, "", chat, Said(clean(text))))

    async def address(self, chat: str) -> Address | None:
        """The address of a chat."""
        return await self.web.database.read(lambda db: addresses.at(db, NAME, "", chat))


def door(web: Web, request: Request, code: str = "", problem: str = "", status: int = 200) -> Response:
    """The door with the fields that are still needed: the birth date, and the code where the link brought none."""
    agent = request.headers.get("user-agent", "")
    place = f"{request.url.netloc}{request.url.path}"
    scheme = "https" if web.public_url.startswith("https://") else "http"
    return page(
        "door.html",
        web.lang,
        status,
        linked="code" in request.path_params,
        code=code[:64],
        problem=problem,
        app=next((name for mark, name in IN_APP.items() if mark in agent), ""),
        outside=f"intent://{place}#Intent;scheme={scheme};end" if "Android" in agent else "",
    )


def field(form: FormData, name: str) -> str:
    """A field of the form that is words; anything else is nothing."""
    value = form.get(name, "")
    return value.strip()[:64] if isinstance(value, str) else ""


def last_words(db: Db, address: Address | None, now: datetime) -> str:
    """What was said last at this address."""
    said = webchat.since(db, address.id, 0, 1, now) if address else []
    return loads(said[-1].body).text if said and said[-1].body else ""
