"""One review season as the handlers see it: dates, reminders, calendar, consent, levels."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

Taken = Literal["early", "on_time", "late", "closed"]
"""Whether something is taken at a moment."""


@dataclass(frozen=True, slots=True)
class Slot:
    """When a reminder is wished for: days from the due day (negative before it) and a local time."""

    days: int
    at: time


@dataclass(frozen=True, slots=True)
class Level:
    """One of the four ratings: the lowest score of its band, and its conditions to check oneself."""

    id: str
    label: str
    from_score: float
    conditions: tuple[str, ...] = ()
    leader_conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person is asked to accept before the first question."""

    version: str
    text: str


@dataclass(frozen=True, slots=True)
class Cycle:
    """A season and its rules. Times are aware; days are local to ``zone``."""

    id: int
    code: str
    name: str
    year: int
    zone: ZoneInfo
    opens: datetime
    due: datetime
    closes: datetime
    admitted_before: date | None
    consent: Consent
    levels: tuple[Level, ...]
    forms: tuple[tuple[str, str], ...]  # roster value, form id
    slots: tuple[Slot, ...]
    days_off: frozenset[date]  # public holidays and additions, besides the days outside ``week``
    days_on: frozenset[date]  # worked although outside ``week`` (swap days)
    week: frozenset[int] = frozenset(range(5))  # the weekdays worked, Monday is 0
    digest_at: time = time(17, 0)
    officer_digest_at: time = time(8, 0)
    quiet_from: time = time(20, 30)
    quiet_until: time = time(7, 30)
    minimum_gap: timedelta = timedelta(hours=20)
    at_most: int = 6
    tonight: time = time(19, 30)
    tonight_until: time = time(19, 0)
    tomorrow: time = time(8, 0)
    grace: timedelta = timedelta(minutes=30)
    grace_at_most: timedelta = timedelta(hours=2)
    closed: bool = False

    def accepts(self, now: datetime, active_at: datetime | None) -> Taken:
        """Whether an answer or a submission is taken at *now* from somebody who was last active at *active_at*.

        On time until ``due``, late until ``closes``; then only from who was typing until just now, for a while.
        """
        if self.closed or now < self.opens:
            return "closed" if self.closed else "early"
        if now <= self.due:
            return "on_time"
        typing = active_at is not None and now - active_at <= self.grace and now <= self.closes + self.grace_at_most
        return "late" if now <= self.closes or typing else "closed"

    def runs(self, now: datetime) -> bool:
        """Whether reviews are taken at *now* from everybody: then people are reminded, and not before or after."""
        return not self.closed and self.opens <= now <= self.closes

    def local(self, at: datetime) -> datetime:
        """*at* on the clock of the organisation."""
        return at.astimezone(self.zone)


def dumps(cycle: Cycle) -> str:
    """The rules of a cycle as JSON, for ``cycle.rules``: everything but its row's id and whether it is closed."""
    rules = asdict(cycle)
    del rules["id"], rules["closed"]
    return json.dumps(rules, ensure_ascii=False, sort_keys=True, default=_plain)


def loads(text: str) -> Cycle:
    """The cycle that ``dumps`` wrote, without its row's id. What an older program did not write has its default."""
    return Cycle(id=0, **{name: _READ[name](value) for name, value in json.loads(text).items()})


def _plain(value: Any) -> Any:
    match value:
        case ZoneInfo():
            return value.key
        case timedelta():
            return value.total_seconds()
        case frozenset():
            return sorted(value)
        case _:
            return value.isoformat()


def _days(value: list[str]) -> frozenset[date]:
    return frozenset(map(date.fromisoformat, value))


def _level(value: dict[str, Any]) -> Level:
    both = {name: tuple(value[name]) for name in ("conditions", "leader_conditions")}
    return Level(**(value | both))


def _span(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


_READ: dict[str, Callable[[Any], Any]] = {
    "code": str,
    "name": str,
    "year": int,
    "zone": ZoneInfo,
    "opens": datetime.fromisoformat,
    "due": datetime.fromisoformat,
    "closes": datetime.fromisoformat,
    "admitted_before": lambda value: value and date.fromisoformat(value),
    "consent": lambda value: Consent(**value),
    "levels": lambda value: tuple(map(_level, value)),
    "forms": lambda value: tuple((key, form) for key, form in value),
    "slots": lambda value: tuple(Slot(each["days"], time.fromisoformat(each["at"])) for each in value),
    "days_off": _days,
    "days_on": _days,
    "week": frozenset,
    "digest_at": time.fromisoformat,
    "officer_digest_at": time.fromisoformat,
    "quiet_from": time.fromisoformat,
    "quiet_until": time.fromisoformat,
    "minimum_gap": _span,
    "at_most": int,
    "tonight": time.fromisoformat,
    "tonight_until": time.fromisoformat,
    "tomorrow": time.fromisoformat,
    "grace": _span,
    "grace_at_most": _span,
}
