"""The web chat: our own page, opened by a personal link, that comes to fetch what was said to it."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from bot.channels.web.door import Door
from bot.channels.web.files import Files
from bot.channels.web.guard import Guard
from bot.channels.web.pages import static
from bot.channels.web.parts import Web
from bot.channels.web.talk import Talk

__all__ = ["Web", "application", "routes"]


def routes(web: Web) -> list[BaseRoute]:
    """Every address of the web chat: a table to read."""
    door, talk, files = Door(web), Talk(web), Files(web)
    return [
        Route("/chat/", door.show, methods=["GET"]),
        Route("/chat/", door.enter, methods=["POST"]),
        Route("/chat/{code}", door.show, methods=["GET"]),
        Route("/chat/{code}", door.enter, methods=["POST"]),
        Route("/chat/{chat}/", talk.page, methods=["GET"]),
        Route("/chat/{chat}/say", talk.say, methods=["POST"]),
        Route("/chat/{chat}/tap", talk.tap, methods=["POST"]),
        Route("/chat/{chat}/shown", talk.has_shown, methods=["POST"]),
        Route("/chat/{chat}/since", talk.since, methods=["GET"]),
        Route("/chat/{chat}/stream", talk.stream, methods=["GET"]),
        Route("/file/{token}", files.show, methods=["GET"]),
        Route("/file/{token}", files.give, methods=["POST"]),
        Route("/static/{name}", static, methods=["GET"]),
    ]


async def to_the_door(request: Request) -> Response:
    """Whoever types the bare address comes to the door."""
    return RedirectResponse("/chat/", 303)


def application(web: Web, also: Sequence[BaseRoute] = ()) -> Starlette:
    """The web app behind its guard; *also*: routes of other parts that browsers use."""
    return Starlette(
        routes=[*routes(web), *also, Route("/", to_the_door, methods=["GET"])],
        middleware=[Middleware(Guard, public_url=web.public_url)],
    )
