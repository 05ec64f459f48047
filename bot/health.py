"""What monitoring may ask: is it alive, is it ready, how does it run."""

import asyncio
import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.alarms import Alarm, alarms, clock_off
from bot.channels import Channel
from bot.clock import Clock
from bot.delivery import Delivery
from bot.inbox import Inbox
from bot.standing import Trouble
from storage import notes
from storage.database import Database
from storage.schema import known_revisions, revision

STILL = 120.0  # seconds without a sign of life after which a loop is taken for dead
PROBE = 10.0  # seconds for which it is known whether something can be written
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
    probe: asyncio.Future[None] | None = None  # the newest try to write something
    probed: float = 0.0  # when it began, monotonic
    troubles: Callable[[], Mapping[str, Trouble]] = dict  # why and since when channels do not work
    channels: Collection[Channel] = ()

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
        if not await self.writable():
            failing.append("database")
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
        """200 while the database answers, takes what is written, and is at the newest revision this program knows;
        else 503. What does not stop this process from working is named beside the 200."""
        try:
            at = await asyncio.wait_for(asyncio.to_thread(revision, self.database), ANSWER)
        except Exception:
            return JSONResponse({"ready": False, "why": "the database does not answer"}, 503)
        newest = (await asyncio.to_thread(known_revisions))[0]
        if at != newest:
            return JSONResponse({"ready": False, "why": "the database is at another revision"}, 503)
        if not await self.writable():
            return JSONResponse({"ready": False, "why": "the database cannot be written"}, 503)
        now = self.now()
        told = [alarm.name for alarm in clock_off(self.channels, now)]
        told += [alarm.name for alarm in await self.database.read(lambda db: alarms(db, now))]
        if self.clock() is not None and "clock" in told:  # a clock of this process is looked at by /healthz
            told.remove("clock")
        return JSONResponse({"ready": True} | ({"alarms": told} if told else {}))

    async def writable(self) -> bool:
        """Whether something could be written just now. It is really written, and tried at most once in PROBE."""
        at = self.monotonic()
        if self.probe is None or (self.probe.done() and at - self.probed >= PROBE):
            self.probed, value = at, self.now().isoformat()
            self.probe = asyncio.ensure_future(self.database.write(lambda db: notes.write(db, notes.WRITTEN, value)))
            self.probe.add_done_callback(lambda done: done.cancelled() or done.exception())  # it is asked below
        try:
            await asyncio.wait_for(asyncio.shield(self.probe), ANSWER)
        except Exception:
            return False
        return True

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text. With a token to whoever has it; without one to this machine alone."""
        if not self._may(request):
            return Response(status_code=403)
        from bot import metrics  # only a process that is asked pays for the library

        now = self.now()
        numbers = await self.database.read(lambda db: metrics.numbers(db, now))
        numbers = replace(numbers, alarms=clock_off(self.channels, now) + numbers.alarms)
        if not await self.writable():
            numbers = replace(numbers, alarms=[Alarm("database", {}), *numbers.alarms])
        text = metrics.text(numbers, self.inbox, self.deliveries, self.silent(), self.troubles())
        return Response(text, media_type=metrics.KIND)

    def _may(self, request: Request) -> bool:
        if self.token:
            given = request.headers.get("authorization", "")
            return hmac.compare_digest(given.encode(errors="replace"), f"Bearer {self.token}".encode())
        through_proxy = any(name in request.headers for name in FORWARDED)
        return request.client is not None and request.client.host in HERE and not through_proxy
