"""What monitoring may ask: is it alive, is it ready, how does it run. Counts and ages only, no ids, no words."""

import asyncio
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.alarms import Alarm, alarms
from bot.clock import Clock
from bot.delivery import Delivery
from bot.inbox import Inbox
from storage import job_runs, pulse
from storage.database import Database, Db
from storage.pulse import Waiting
from storage.schema import known_revisions, revision

STILL = 120.0  # seconds without a sign of life after which a loop is taken for dead
ANSWER = 5.0  # seconds in which the database must answer
LOOK_BACK = timedelta(days=30)
HERE = ("127.0.0.1", "::1")
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the database says of how it runs, at one moment."""

    now: datetime
    waiting: list[Waiting]
    kept: int
    kept_since: datetime | None
    runs: Mapping[str, tuple[datetime, int, int]]
    alarms: list[Alarm]


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
        return JSONResponse({"alive": not failing, "failing": failing}, 503 if failing else 200)

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
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        if not self._may(request):
            return Response(status_code=403)
        numbers = await self.database.read(self._numbers)
        registry = CollectorRegistry()
        registry.register(_Collector(self, numbers))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    def _may(self, request: Request) -> bool:
        if self.token:
            given = request.headers.get("authorization", "")
            return hmac.compare_digest(given.encode(errors="replace"), f"Bearer {self.token}".encode())
        through_proxy = any(name in request.headers for name in FORWARDED)
        return request.client is not None and request.client.host in HERE and not through_proxy

    def _numbers(self, db: Db) -> Numbers:
        now = self.now()
        return Numbers(
            now,
            pulse.waiting(db, now - LOOK_BACK),
            *pulse.kept_turns(db),
            job_runs.newest(db),
            alarms(db, now),
        )


class _Collector:
    """The metrics of one scrape."""

    def __init__(self, health: Health, numbers: Numbers) -> None:
        self.health, self.numbers = health, numbers

    def collect(self) -> Iterator[Metric]:
        numbers, inbox = self.numbers, self.health.inbox
        labels = ["channel", "kind", "state"]
        depth = _gauge("outbox_messages", "Messages that have not got out.", labels)
        age = _gauge("outbox_oldest_seconds", "How long the oldest of them has been due; 0: it is not yet.", labels)
        for each in numbers.waiting:
            depth.add_metric([each.channel, each.kind, each.state], each.count)
            age.add_metric([each.channel, each.kind, each.state], _seconds(numbers.now - each.oldest))
        yield from (depth, age)
        yield _counter("turns", "Turns that were taken by this process.", [], {(): inbox.taken})
        yield _counter("turns_failed", "Turns that failed and were kept by this process.", [], {(): inbox.kept})
        yield _single("kept_turns", "Turns that failed and wait to be run again.", numbers.kept)
        since = _seconds(numbers.now - numbers.kept_since) if numbers.kept_since else 0
        yield _single("kept_turns_oldest_seconds", "Since when the oldest of them is kept.", since)
        sends: dict[tuple[str, str], float] = {}
        floods: dict[tuple[str], float] = {}
        for (channel, _), delivery in self.health.deliveries.items():
            floods[channel,] = delivery.pace.floods
            sends |= {(channel, outcome): count for outcome, count in delivery.outcomes.items()}
        yield _counter("sends", "What became of messages this process sent.", ["channel", "outcome"], sends)
        yield _counter("flood_waits", "How often a platform asked to wait (429).", ["channel"], floods)
        stopped = _gauge("channel_stopped", "Channels that had to stop.", ["channel"])
        for channel in self.health.silent():
            stopped.add_metric([channel], 1)
        yield stopped
        yield from self._jobs()
        alarm = _gauge("alarm", "What stands still although it should not.", ["alarm"])
        for found in numbers.alarms:
            alarm.add_metric([found.name], 1)
        yield alarm

    def _jobs(self) -> Iterator[Metric]:
        age = _gauge("job_age_seconds", "Since when a job of the clock has not run.", ["job"])
        expected = _gauge("job_expected", "Messages that its last busy run expected.", ["job"])
        put_out = _gauge("job_put_out", "Messages that its last busy run put out.", ["job"])
        for job, (at, wanted, done) in self.numbers.runs.items():
            age.add_metric([job], _seconds(self.numbers.now - at))
            expected.add_metric([job], wanted)
            put_out.add_metric([job], done)
        yield from (age, expected, put_out)


def _gauge(name: str, what: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"kiemdiem_{name}", what, labels=labels)


def _single(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"kiemdiem_{name}", what, value=value)


def _counter(name: str, what: str, labels: list[str], counts: Mapping[Any, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"kiemdiem_{name}", what, labels=labels)
    for values, count in counts.items():
        family.add_metric(list(values), count)
    return family


def _seconds(span: timedelta) -> float:
    return max(0.0, span.total_seconds())
