"""What monitoring may ask: is it alive, is it ready, how does it run."""

import asyncio
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.clock import Clock
from bot.delivery import Delivery
from bot.inbox import Inbox
from bot.standing import Trouble
from storage.database import Database
from storage.schema import known_revisions, revision

STILL = 120.0  # seconds without a sign of life after which a loop is taken for dead
ANSWER = 5.0  # seconds in which the database must answer
HERE = ("127.0.0.1", "::1")
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


@dataclass(slots=True)
class Health:
    """The parts of this process that are looked at. ``clock``: None where another process has it."""

    database: Database
    inbox: Inbox
    deliveries: Mapping[tuple[str, str], Delivery]
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    clock: Callable[[], Clock | None]
    stopped: set[str]  # channels that had to stop taking in what arrives
    token: str = ""
    troubles: Callable[[], Mapping[str, Trouble]] = dict  # why and since when channels do not work

    def routes(self) -> list[BaseRoute]:
        """The three addresses."""
        return [
            Route("/healthz", self.healthz, methods=["GET"]),
            Route("/readyz", self.readyz, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
        ]

    async def healthz(self, request: Request) -> Response:
        """200 while every loop of this process goes round and no channel had to stop; 503 with what is wrong."""
        at = self.monotonic()
        failing = [f"channel {name}" for name in self.silent()]
        failing += [
            f"delivery {name}" for (name, _), delivery in self.deliveries.items() if at - delivery.looked > STILL
        ]
        clock = self.clock()
        if clock is not None and at - clock.ticked > STILL:
            failing.append("clock")
        told: dict[str, object] = {"alive": not failing, "failing": failing}
        if troubles := self.troubles():
            told["channels"] = {
                name: {"since": each.since.isoformat(), "why": each.why} for name, each in troubles.items()
            }
        return JSONResponse(told, 503 if failing else 200)

    def silent(self) -> list[str]:
        """The channels that had to stop, receiving or sending."""
        return sorted(self.stopped | {name for (name, _), each in self.deliveries.items() if each.stopped})

    async def readyz(self, request: Request) -> Response:
        """200 while the database answers and is at the newest revision this program knows; else 503."""
        try:
            at = await asyncio.wait_for(asyncio.to_thread(revision, self.database), ANSWER)
        except Exception:
            return JSONResponse({"ready": False, "why": "the database does not answer"}, 503)
        newest = (await asyncio.to_thread(known_revisions))[0]
        if at != newest:
            return JSONResponse({"ready": False, "why": "the database is at another revision"}, 503)
        return JSONResponse({"ready": True})

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text. With a token to whoever has it; without one to this machine alone."""
        if not self._may(request):
            return Response(status_code=403)
        from bot import metrics  # only a process that is asked pays for the library

        now = self.now()
        numbers = await self.database.read(lambda db: metrics.numbers(db, now))
        text = metrics.text(numbers, self.inbox, self.deliveries, self.silent(), self.troubles())
        return Response(text, media_type=metrics.KIND)

    def _may(self, request: Request) -> bool:
        if self.token:
            given = request.headers.get("authorization", "")
            return hmac.compare_digest(given.encode(errors="replace"), f"Bearer {self.token}".encode())
        through_proxy = any(name in request.headers for name in FORWARDED)
        return request.client is not None and request.client.host in HERE and not through_proxy
