"""Monitoring sees what stands still, in counts and ages, and never an id or a word."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from bot.app import App
from bot.channels import Incoming, Receive, Refused, Stopped, TryLater
from bot.clock import Clock
from bot.delivery import Delivery
from bot.health import PROBE, STILL, Health
from bot.inbox import Inbox
from bot.settings import Secret, Settings
from handlers.messages import Message, Said, dumps
from handlers.turn import Turn
from storage import addresses, job_runs, outbox
from storage import models as m
from storage.database import Database
from storage.outbox import Outgoing
from tests.fakes import FakeChannel, FakeClock
from tests.seeded import seed

NOW = datetime(2026, 12, 8, 3, 0, tzinfo=UTC)


@dataclass
class Machine:
    """A process with one channel, its monotonic clock, and who asks it."""

    database: Database
    at: float = 0.0
    channel: FakeChannel = field(default_factory=FakeChannel)
    stopped: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        now = FakeClock(NOW)
        self.delivery = Delivery(self.database, self.channel, run="run", now=now, word=self.word, pace=1000)
        deliveries = {("fake", "1"): self.delivery}
        self.inbox = Inbox(self.database, answer=self.answer, now=now, lang="vi", deliveries=deliveries)
        self.clock = Clock(self.database, now, lambda: None, UTC)
        self.clock.ticked = self.delivery.looked = 0.0
        self.health = Health(
            self.database, self.inbox, deliveries, now, lambda: self.at, lambda: self.clock, self.stopped
        )

    def word(self, db: sa.Connection, row: Outgoing, now: datetime) -> str | None:
        return None

    def answer(self, turn: Turn) -> list[Message]:
        match turn.event:
            case Said("hỏng"):
                raise ValueError
        return [Message("Đã ghi.")]

    async def asks(self, path: str, *, host: str = "127.0.0.1", **headers: str) -> httpx2.Response:
        transport = httpx2.ASGITransport(Starlette(routes=self.health.routes()), client=(host, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def numbers(self) -> dict[str, float]:
        """The metrics: name with labels, value."""
        text = (await self.asks("/metrics")).text
        return {
            f"{sample.name}{sorted(sample.labels.values())}": sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
async def machine(database: Database) -> AsyncIterator[Machine]:
    seed(database)
    made = Machine(database)
    yield made
    await made.delivery.drain()


async def test_a_process_whose_loops_go_round_is_alive(machine: Machine) -> None:
    answer = await machine.asks("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"alive": True, "failing": []})


async def test_a_loop_that_hangs_or_a_channel_that_stopped_turns_health_red(machine: Machine) -> None:
    machine.at = STILL + 1
    machine.stopped.add("telegram")
    answer = await machine.asks("/healthz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"alive": False, "failing": ["channel telegram", "delivery fake", "clock"]},
    )


async def test_it_is_ready_only_at_the_newest_revision(machine: Machine) -> None:
    assert (await machine.asks("/readyz")).json() == {"ready": True}
    with machine.database.transaction() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    answer = await machine.asks("/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"ready": False, "why": "the database is at another revision"},
    )


async def test_it_is_not_ready_while_the_database_does_not_answer() -> None:
    gone = Machine(Database("postgresql://nobody@127.0.0.1:1/nothing"))
    answer = await gone.asks("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "why": "the database does not answer"})
    gone.database.close()


def full(database: Database) -> Callable[[], None]:
    """Let nothing be written any more, as on a full disk; what is returned mends it."""

    def refuses(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE")):
            raise sa.exc.OperationalError("", {}, Exception("database or disk is full"))

    sa.event.listen(database.engine, "before_cursor_execute", refuses)
    return lambda: sa.event.remove(database.engine, "before_cursor_execute", refuses)


async def test_a_database_that_cannot_be_written_is_neither_well_nor_ready(machine: Machine) -> None:
    mend = full(machine.database)
    health, ready = await machine.asks("/healthz"), await machine.asks("/readyz")
    assert (health.status_code, health.json()) == (503, {"alive": False, "failing": ["database"]})
    assert (ready.status_code, ready.json()) == (503, {"ready": False, "why": "the database cannot be written"})
    assert (await machine.numbers())["kiemdiem_alarm['database']"] == 1
    mend()
    machine.at += PROBE
    assert [(await machine.asks(path)).status_code for path in ("/healthz", "/readyz")] == [200, 200]


async def test_what_stands_still_is_named_beside_ready(machine: Machine) -> None:
    with machine.database.transaction() as db:
        outbox.put(db, key="a", kind=m.REPLY, address_id=1, now=NOW, body="{}", state=m.REFUSED)
    answer = await machine.asks("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "alarms": ["outbox"]})


async def test_the_metrics_count_turns_sends_queues_and_jobs(machine: Machine) -> None:
    machine.channel.fails["an"].extend([Refused("Bad Request"), TryLater(timedelta(seconds=30), flood=True)])
    for number, words in enumerate(["một", "hai", "hỏng"]):
        await machine.inbox.receive(Incoming(f"fake:1:{number}", "fake", "1", "an", Said(words)))
        await machine.delivery.drain()
    with machine.database.transaction() as db:
        for job in ("digest", "close", "tidy", "tally"):
            job_runs.record(db, job, NOW, expected=0, put_out=0)
        job_runs.record(db, "remind", NOW - timedelta(seconds=40), expected=50, put_out=48)
        chat = addresses.ensured(db, "zalo", "", "9", NOW)
        due = NOW - timedelta(minutes=2)
        outbox.put(db, key="d", kind=m.DIGEST, address_id=chat.id, now=due, body=dumps(Message("Chi bộ 1")))
    machine.channel.skipped = 2
    found = await machine.numbers()
    assert {name: value for name, value in found.items() if not name.startswith("kiemdiem_job")} == {
        "kiemdiem_outbox_messages['fake', 'queued', 'reply']": 2,
        "kiemdiem_outbox_messages['fake', 'refused', 'reply']": 1,
        "kiemdiem_outbox_messages['digest', 'queued', 'zalo']": 1,
        "kiemdiem_outbox_oldest_seconds['fake', 'queued', 'reply']": 0,
        "kiemdiem_outbox_oldest_seconds['fake', 'refused', 'reply']": 0,
        "kiemdiem_outbox_oldest_seconds['digest', 'queued', 'zalo']": 120,
        "kiemdiem_turns_total[]": 2,
        "kiemdiem_turns_failed_total[]": 1,
        "kiemdiem_kept_turns[]": 1,
        "kiemdiem_kept_turns_oldest_seconds[]": 0,
        "kiemdiem_sends_total['fake', 'refused']": 1,
        "kiemdiem_sends_total['fake', 'later']": 1,
        "kiemdiem_flood_waits_total['fake']": 1,
        "kiemdiem_updates_skipped_total['fake']": 2,
        "kiemdiem_alarm['outbox']": 1,
        "kiemdiem_alarm['inbox']": 1,
    }
    assert {name: value for name, value in found.items() if "remind" in name} == {
        "kiemdiem_job_age_seconds['remind']": 40,
        "kiemdiem_job_expected['remind']": 50,
        "kiemdiem_job_put_out['remind']": 48,
    }


async def test_without_a_token_the_metrics_are_for_this_machine_alone(machine: Machine) -> None:
    asked: list[dict[str, Any]] = [{}, {"host": "203.0.113.9"}, {"x_forwarded_for": "203.0.113.9"}]
    assert [(await machine.asks("/metrics", **each)).status_code for each in asked] == [200, 403, 403]


async def test_with_a_token_the_metrics_are_for_whoever_has_it(machine: Machine) -> None:
    machine.health.token = "only-prometheus-knows"
    asked: list[dict[str, Any]] = [
        {},
        {"authorization": "Bearer wrong"},
        {"host": "203.0.113.9", "authorization": "Bearer only-prometheus-knows"},
    ]
    assert [(await machine.asks("/metrics", **each)).status_code for each in asked] == [403, 403, 200]


class Dies(FakeChannel):
    """A channel whose loop ends with an error."""

    async def run(self, receive: Receive, works: Callable[[], None] = lambda: None) -> None:
        raise RuntimeError("the loop died")


class MustStop(FakeChannel):
    """A channel that another program polls."""

    async def run(self, receive: Receive, works: Callable[[], None] = lambda: None) -> None:
        raise Stopped("terminated by other getUpdates request")


async def test_a_loop_that_dies_ends_the_process_with_its_error(sqlite: Database) -> None:
    app = App(Settings(secret_key=Secret("x")), sqlite, channels=[Dies("telegram")])
    with pytest.raises(RuntimeError, match="the loop died"):
        await app.run(("telegram", "delivery", "clock"))


async def test_a_channel_that_must_stop_stops_alone_and_health_tells(sqlite: Database) -> None:
    app = App(Settings(secret_key=Secret("x")), sqlite, channels=[MustStop("telegram")])
    running = asyncio.create_task(app.run(("telegram", "clock")))
    while not app.stopped:  # noqa: ASYNC110 - a set, no event
        await asyncio.sleep(0)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app.web), base_url="http://127.0.0.1") as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["channel telegram"])
    app.stop.set()
    await running
