"""Prometheus' text: counts and ages, no ids, no words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from bot.alarms import Alarm, alarms
from bot.delivery import Delivery
from bot.inbox import Inbox
from bot.standing import Trouble
from storage import job_runs, pulse
from storage.database import Db
from storage.pulse import Waiting

KIND = CONTENT_TYPE_LATEST
LOOK_BACK = timedelta(days=30)  # for what was refused or is unsure
Deliveries = Mapping[tuple[str, str], Delivery]


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the database says of how it runs, at one moment."""

    now: datetime
    waiting: list[Waiting]
    kept: int
    kept_since: datetime | None
    runs: Mapping[str, tuple[datetime, int, int]]
    alarms: list[Alarm]


def numbers(db: Db, now: datetime) -> Numbers:
    """What it says now."""
    return Numbers(
        now,
        pulse.waiting(db, now - LOOK_BACK),
        *pulse.kept_turns(db),
        job_runs.newest(db),
        alarms(db, now),
    )


def text(
    numbers: Numbers, inbox: Inbox, deliveries: Deliveries, silent: list[str], troubles: Mapping[str, Trouble]
) -> bytes:
    """All of it for one scrape; *silent*: the channels that had to stop; *troubles*: since when."""
    registry = CollectorRegistry()
    registry.register(_Collector(numbers, inbox, deliveries, silent, troubles))
    return generate_latest(registry)


@dataclass(eq=False, slots=True)  # the registry keeps collectors by identity
class _Collector:
    """The metrics of one scrape."""

    numbers: Numbers
    inbox: Inbox
    deliveries: Deliveries
    silent: list[str]
    troubles: Mapping[str, Trouble]

    def collect(self) -> Iterator[Metric]:
        numbers, inbox = self.numbers, self.inbox
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
        for (channel, _), delivery in self.deliveries.items():
            floods[channel,] = delivery.pace.floods
            sends |= {(channel, outcome): count for outcome, count in delivery.outcomes.items()}
        yield _counter("sends", "What became of messages this process sent.", ["channel", "outcome"], sends)
        yield _counter("flood_waits", "How often a platform asked to wait (429).", ["channel"], floods)
        skipped = {(name,): each.channel.skipped for (name, _), each in self.deliveries.items() if each.channel.skipped}
        yield _counter("updates_skipped", "Updates without a number, which were passed over.", ["channel"], skipped)
        stopped = _gauge("channel_stopped", "Channels that had to stop.", ["channel"])
        for channel in self.silent:
            stopped.add_metric([channel], 1)
        yield stopped
        since_when = _gauge("channel_stopped_seconds", "Since when a channel does not work.", ["channel"])
        for channel, trouble in self.troubles.items():
            since_when.add_metric([channel], _seconds(numbers.now - trouble.since))
        yield since_when
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
