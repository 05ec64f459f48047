"""From the TOML file of a season to its rules, or to all that is wrong with the file."""

import tomllib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from handlers.calendar import moment, schedule, working_day
from handlers.cycles import Consent, Cycle, Level, Slot
from handlers.forms import Problem

T = TypeVar("T")
Days = frozenset[date]
PublicDays = Callable[[str, range], tuple[Days, Days] | None]
"""A country and years -> its days off and the weekend days worked in exchange; None: the country is not known."""

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def no_public_days(country: str, years: range) -> tuple[Days, Days]:
    """A country without holidays."""
    return frozenset(), frozenset()


def load(
    text: str,
    file: str,
    known_forms: Collection[str],
    *,
    zone: ZoneInfo = ZONE,
    public_days: PublicDays = no_public_days,
    begins: date | None = None,
) -> Cycle | list[Problem]:
    """The rules in *text*, or every problem with its file, its key and what to do.

    The days of the file win over the public ones. *begins*: as though the season opened at the start of that day,
    the deadline as far from it as in the file (for the demo); ``admitted_before`` stays.
    """
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return [Problem("cycle.not_toml", {"file": file, "why": str(error)})]
    page = _Page(file)
    cycle = _cycle(page, whole, zone, public_days, begins)
    if page.problems:
        return page.problems
    if begins is not None:
        cycle = _begun(cycle, begins)
    _check(page, cycle, known_forms)
    return page.problems or cycle


@dataclass
class _Page:
    """Takes the values out of the tables of one file and notes what is wrong with them."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, where: str, name: str, **values: object) -> None:
        self.problems.append(Problem(f"cycle.{name}", {"file": self.file, "where": where, **values}))

    def take(self, table: dict[str, Any], where: str, name: str, kind: type[T], default: T | None = None) -> T:
        """The value of a key, out of its table. Where it is missing or of another kind, that is noted."""
        value: Any = table.pop(name, default)
        if kind is float and type(value) is int:
            value = float(value)
        if value is None or (default is None and value == ""):
            self.wrong(where + name, "missing", kind=_EXAMPLES[kind])
        elif type(value) is not kind:
            self.wrong(where + name, "wrong_kind", kind=_EXAMPLES[kind])
        elif isinstance(value, datetime | time) and value.tzinfo is not None:
            self.wrong(where + name, "no_offset", kind=_EXAMPLES[kind])
        else:
            return cast(T, value)
        return cast(T, _BLANK[kind])

    def list_of(self, table: dict[str, Any], where: str, name: str, kind: type[T]) -> list[T]:
        """The values of a list, each of one kind; an absent list is empty."""
        values = self.take(table, where, name, list, [])
        for number, value in enumerate(values, 1):
            if type(value) is not kind:
                self.wrong(f"{where}{name}[{number}]", "wrong_kind", kind=_EXAMPLES[kind])
        return [value for value in values if type(value) is kind]

    def nothing_left(self, table: dict[str, Any], where: str) -> None:
        for name in table:
            self.wrong(where + name, "unknown_key")


_EXAMPLES: dict[type, str] = {
    str: '"..."',
    int: "3",
    float: "3.5",
    datetime: "2026-12-15T17:00:00",
    date: "2026-12-15",
    time: "08:00:00",
    list: "[ ]",
    dict: "{ }",
}
_BLANK: dict[type, Any] = {
    str: "",
    int: 0,
    float: 0.0,
    datetime: datetime.fromisoformat("2000-01-01T00:00:00"),
    date: date(2000, 1, 1),
    time: time(12),
    list: [],
    dict: {},
}


_DEFAULT: dict[str, Any] = {each.name: each.default for each in fields(Cycle)}


def _cycle(page: _Page, whole: dict[str, Any], zone: ZoneInfo, public_days: PublicDays, begins: date | None) -> Cycle:
    tables = {
        name: page.take(whole, "", name, dict, {}) for name in ("reminders", "digests", "calendar", "late", "consent")
    }
    reminders, digests, days, late, consent = tables.values()
    opens, due, closes = (
        page.take(whole, "", name, datetime).replace(tzinfo=zone) for name in ("opens", "due", "closes")
    )
    years = range((begins or opens).year, (begins or closes).year + 2)  # the deadline may be moved
    off, on = _days(page, days, years, public_days)
    cycle = Cycle(
        id=0,
        code=page.take(whole, "", "code", str),
        name=page.take(whole, "", "name", str),
        year=page.take(whole, "", "year", int),
        zone=zone,
        opens=opens,
        due=due,
        closes=closes,
        admitted_before=page.take(whole, "", "admitted_before", date) if "admitted_before" in whole else None,
        consent=Consent(
            page.take(consent, "consent.", "version", str), page.take(consent, "consent.", "text", str).strip()
        ),
        levels=tuple(_level(page, table, n) for n, table in enumerate(page.list_of(whole, "", "levels", dict), 1)),
        forms=tuple(page.take(whole, "", "forms", dict).items()),
        slots=tuple(
            _slot(page, table, n) for n, table in enumerate(page.list_of(reminders, "reminders.", "slots", dict), 1)
        ),
        days_off=off,
        days_on=on,
        week=_week(page, days),
        digest_at=page.take(digests, "digests.", "cells", time, _DEFAULT["digest_at"]),
        officer_digest_at=page.take(digests, "digests.", "officers", time, _DEFAULT["officer_digest_at"]),
        quiet_from=page.take(days, "calendar.", "quiet_from", time, _DEFAULT["quiet_from"]),
        quiet_until=page.take(days, "calendar.", "quiet_until", time, _DEFAULT["quiet_until"]),
        minimum_gap=timedelta(hours=page.take(reminders, "reminders.", "minimum_gap_hours", float, 20.0)),
        at_most=page.take(reminders, "reminders.", "at_most", int, _DEFAULT["at_most"]),
        tonight=page.take(reminders, "reminders.", "tonight", time, _DEFAULT["tonight"]),
        tonight_until=page.take(reminders, "reminders.", "tonight_until", time, _DEFAULT["tonight_until"]),
        tomorrow=page.take(reminders, "reminders.", "tomorrow", time, _DEFAULT["tomorrow"]),
        grace=timedelta(minutes=page.take(late, "late.", "grace_minutes", int, 30)),
        grace_at_most=timedelta(minutes=page.take(late, "late.", "grace_at_most_minutes", int, 120)),
    )
    page.nothing_left(whole, "")
    for name, table in tables.items():
        page.nothing_left(table, f"{name}.")
    return cycle


def _days(page: _Page, table: dict[str, Any], years: range, public_days: PublicDays) -> tuple[Days, Days]:
    off = frozenset(page.list_of(table, "calendar.", "days_off", date))
    on = frozenset(page.list_of(table, "calendar.", "days_on", date))
    if both := off & on:
        page.wrong("calendar.days_off", "both_off_and_on", day=min(both).isoformat())
    country = page.take(table, "calendar.", "holidays", str, "")
    if not country:
        return off, on
    public = public_days(country, years)
    if public is None:
        page.wrong("calendar.holidays", "unknown_country", country=country)
        return off, on
    return (public[0] - on) | off, (public[1] - off) | on


_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _week(page: _Page, table: dict[str, Any]) -> frozenset[int]:
    if "working_days" not in table:
        return cast(frozenset[int], _DEFAULT["week"])
    named = page.list_of(table, "calendar.", "working_days", str)
    if not named or any(name not in _WEEK for name in named):
        page.wrong("calendar.working_days", "unknown_weekday", known=", ".join(_WEEK))
    return frozenset(_WEEK.index(name) for name in named if name in _WEEK) or frozenset({0})


def _slot(page: _Page, table: dict[str, Any], number: int) -> Slot:
    where = f"reminders.slots[{number}]."
    slot = Slot(page.take(table, where, "days", int), page.take(table, where, "at", time))
    page.nothing_left(table, where)
    return slot


def _level(page: _Page, table: dict[str, Any], number: int) -> Level:
    where = f"levels[{number}]."
    level = Level(
        page.take(table, where, "id", str),
        page.take(table, where, "label", str),
        page.take(table, where, "from_score", float),
        tuple(page.list_of(table, where, "conditions", str)),
        tuple(page.list_of(table, where, "leader_conditions", str)),
    )
    page.nothing_left(table, where)
    return level


def _check(page: _Page, cycle: Cycle, known_forms: Collection[str]) -> None:
    """Note what is wrong between the values."""
    if not cycle.opens < cycle.due <= cycle.closes:
        page.wrong("opens, due, closes", "wrong_order")
    if not cycle.forms:
        page.wrong("forms", "no_forms")
    for value, form in cycle.forms:
        if form not in known_forms:
            page.wrong(f"forms.{value}", "unknown_form", form=form, known=", ".join(sorted(known_forms)))
    if cycle.at_most < 1:
        page.wrong("reminders.at_most", "at_least_one")
    if cycle.minimum_gap < timedelta(0):
        page.wrong("reminders.minimum_gap_hours", "not_negative")
    if not cycle.quiet_until < cycle.quiet_from:
        page.wrong("calendar.quiet_from", "quiet_order")
        return
    _check_times(page, cycle)
    if not page.problems and not any(at <= cycle.due for at in schedule(cycle)):
        page.wrong("reminders.slots", "no_slot")
    scores = [level.from_score for level in cycle.levels]
    if scores and (scores != sorted(set(scores), reverse=True) or scores[-1] != 0):
        page.wrong("levels", "bands")
    if len({level.id for level in cycle.levels}) != len(cycle.levels):
        page.wrong("levels", "same_id")


def _check_times(page: _Page, cycle: Cycle) -> None:
    times = {f"reminders.slots[{n}].at": slot.at for n, slot in enumerate(cycle.slots, 1)} | {
        "reminders.tonight": cycle.tonight,
        "reminders.tomorrow": cycle.tomorrow,
        "digests.cells": cycle.digest_at,
        "digests.officers": cycle.officer_digest_at,
    }
    for key, at in times.items():
        if not cycle.quiet_until <= at < cycle.quiet_from:
            page.wrong(
                key,
                "quiet",
                at=f"{at:%H:%M}",
                quiet_from=f"{cycle.quiet_from:%H:%M}",
                quiet_until=f"{cycle.quiet_until:%H:%M}",
            )
    if cycle.tonight_until > cycle.tonight:
        page.wrong("reminders.tonight_until", "tonight_order")


def _begun(cycle: Cycle, day: date) -> Cycle:
    """The same season opened at the start of *day*; deadline and closing move as far, and onto working days."""

    def moved(at: datetime) -> datetime:
        target = working_day(cycle, day + (at.date() - cycle.opens.date()))
        return moment(cycle, target, at.time()).astimezone(cycle.zone)

    return replace(
        cycle,
        opens=moment(cycle, day, time(0)).astimezone(cycle.zone),
        due=moved(cycle.due),
        closes=moved(cycle.closes),
    )
