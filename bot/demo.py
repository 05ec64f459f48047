"""The start page of the demo: whom to play, four at once, and a clock to move."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import groupby

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.channels import Incoming
from bot.channels.web import Web
from bot.channels.web.pages import page, words
from bot.channels.web.parts import NAME
from bot.channels.web.sessions import Sessions
from handlers.cycles import Cycle
from handlers.messages import Said
from handlers.texts import say
from handlers.turn import current_cycle
from storage import addresses, cast, people
from storage.addresses import Address
from storage.cast import Part
from storage.database import Db

MoveTo = Callable[[datetime], Awaitable[Mapping[str, int]]]
"""Moves the demo's clock to a moment, runs the jobs, and says how many messages of each kind were put out."""

MORNING = time(8, 0)
KINDS = ("reminder", "digest", "notice")


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo's own pages. Here alone a chat is bound to somebody without a code."""

    web: Web
    move_to: MoveTo
    reset: Callable[[], Awaitable[None]]

    def routes(self) -> list[BaseRoute]:
        """What stands beside the web chat in the demo."""
        return [
            Route("/", self.start, methods=["GET"]),
            Route("/demo/play", self.play, methods=["POST"]),
            Route("/demo/clock", self.clock, methods=["POST"]),
            Route("/demo/reset", self.again, methods=["POST"]),
        ]

    async def start(self, request: Request) -> Response:
        """The start page."""
        lang = self.web.lang
        everybody, cycle = await self.web.database.read(lambda db: (cast.parts(db), current_cycle(db)))
        cells = [(place, list(those)) for place, those in groupby(everybody, key=lambda part: part.place)]
        return page(
            "demo.html",
            lang,
            d=words(lang, "demo"),
            en=words("en", "demo"),
            suggested=[(key, part) for key, part in suggested(everybody) if part],
            cells=cells,
            parts={part.code: [part.name, self.described(part)] for part in everybody},
            now=self.told(self.web.now()),
            due=self.told(cycle.due) if cycle else "",
        )

    async def play(self, request: Request) -> Response:
        """Open the chat of somebody: JSON {code}."""
        code = str((await request.json()).get("code"))
        address = await self.web.database.write(lambda db: self.bound(db, code))
        if address is None:
            return JSONResponse({"error": "nobody"}, 404)
        if address.seq == 0:
            key = f"{NAME}:{address.chat}:start"
            await self.web.receive(Incoming(key, NAME, "", address.chat, Said("/start")))
        response = JSONResponse({"chat": f"/chat/{address.chat}/"})
        Sessions(self.web).let_in(response, address.chat)
        return response

    async def clock(self, request: Request) -> Response:
        """Move the clock: JSON {to}, one of hour, digest, tomorrow, before, after. It never goes back."""
        cycle = await self.web.database.read(current_cycle)
        to = moment(str((await request.json()).get("to")), self.web.now().astimezone(self.web.zone), cycle)
        if to is None:
            return JSONResponse({"now": self.told(self.web.now()), "said": say(self.web.lang, "demo.is_past")})
        put_out = await self.move_to(to)
        said = [say(self.web.lang, f"demo.{kind}s", count=put_out[kind]) for kind in KINDS if put_out.get(kind)]
        return JSONResponse(
            {
                "now": self.told(self.web.now()),
                "said": say(self.web.lang, "demo.put_out", what=", ".join(said))
                if said
                else say(self.web.lang, "demo.put_out_nothing"),
            }
        )

    async def again(self, request: Request) -> Response:
        """Begin anew: nobody has answered anything."""
        await self.reset()
        return JSONResponse({})

    def bound(self, db: Db, code: str) -> Address | None:
        """The demo's chat of a person; None where nobody has that code."""
        person = people.by_code(db, code)
        if person is None:
            return None
        address = addresses.ensured(db, NAME, "", f"demo-{person.code}", self.web.now())
        if address.person_id != person.id:
            addresses.bind(db, address.id, person.id, self.web.now())
        return address

    def described(self, part: Part) -> str:
        """What somebody is, in a few words."""
        role = part.roles[0][0] if part.roles else "member"
        return say(self.web.lang, f"demo.{role}", form=part.form or "?")

    def told(self, at: datetime) -> str:
        """A moment in the demo's words."""
        local = at.astimezone(self.web.zone)
        day = say(self.web.lang, f"demo.day_{local.weekday()}")
        return f"{local:%H:%M} · {day} {local:%d/%m/%Y}"


def suggested(everybody: list[Part]) -> list[tuple[str, Part | None]]:
    """Five to begin with: an officer of the committee, and a secretary with members of the same cell where it has them.

    Of several the one with the lowest code.
    """
    by_code = sorted(everybody, key=lambda part: part.code)

    def first(*wishes: Callable[[Part], bool]) -> Part | None:
        return next((part for wish in wishes for part in by_code if wish(part)), None)

    def is_secretary(part: Part) -> bool:
        return "secretary" in dict(part.roles) and part.owes

    secretary = first(lambda part: is_secretary(part) and part.form == "2A", is_secretary)
    cell = secretary.unit_id if secretary else None

    def member(form: str) -> Part | None:
        def fits(part: Part) -> bool:
            return part.form == form and part.owes and not part.roles

        return first(lambda part: fits(part) and part.unit_id == cell, fits)

    officer = first(lambda part: ("officer", "committee") in part.roles, lambda part: "officer" in dict(part.roles))
    return [
        ("play_2b", member("2B")),
        ("play_2a", member("2A")),
        ("play_2c", member("2C")),
        ("play_secretary", secretary),
        ("play_officer", officer),
    ]


def moment(to: str, now: datetime, cycle: Cycle | None) -> datetime | None:
    """The moment a button of the clock names, from the local time *now*; None where it is past."""

    def morning(day: datetime) -> datetime:
        return datetime.combine(day.date(), MORNING, now.tzinfo)

    match to:
        case "hour":
            wanted = now + timedelta(hours=1)
        case "digest" if cycle:
            wanted = datetime.combine(now.date(), cycle.digest_at, now.tzinfo)
        case "tomorrow":
            wanted = morning(now + timedelta(days=1))
        case "before" if cycle:
            wanted = morning(cycle.due.astimezone(now.tzinfo) - timedelta(days=3))
        case "after" if cycle:
            wanted = morning(cycle.due.astimezone(now.tzinfo) + timedelta(days=1))
        case _:
            return None
    return wanted if wanted > now else None
