"""What must not stand still, and does: for ``check``, for health, for the operator's eyes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from bot.channels import Channel
from bot.clock import JOBS
from bot.season_opening import unfinished
from bot.standing import Trouble, from_json
from handlers.calendar import is_quiet, is_working_day, local_day, moment
from handlers.cycles import Cycle
from handlers.texts import say
from handlers.turn import current_cycle
from storage import job_runs, notes, pulse, readers, stuck
from storage import models as m
from storage.database import Db, server_time

LATE = timedelta(minutes=10)  # what should have happened so long ago and has not is an alarm
LOOKS = 3  # times a job may be missed
TOLD = timedelta(days=1)  # for which a webhook that was taken away and set again is told
KINDS = ("token", "conflict", "refused", "unreached")  # of troubles that have a sentence of their own


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that stands still: the name of its text, and the values in it."""

    name: str
    values: dict[str, Any]

    def sentence(self, lang: str) -> str:
        """What it is, and what to do."""
        values = {name: span(lang, v) if isinstance(v, timedelta) else v for name, v in self.values.items()}
        return say(lang, f"alarm.{self.name}", **values)


def span(lang: str, length: timedelta) -> str:
    """A length of time as people say it: in minutes, hours or days."""
    minutes = int(length.total_seconds()) // 60
    if minutes < 2:
        return say(lang, "span.moment")
    if minutes < 120:
        return say(lang, "span.minutes", count=minutes)
    if minutes < 48 * 60:
        return say(lang, "span.hours", count=minutes // 60)
    return say(lang, "span.days", count=minutes // (24 * 60))


def alarms(db: Db, now: datetime) -> list[Alarm]:
    """Everything that stands still now: one cause is told once, by what lies nearest to it."""
    troubles = _troubles(db)
    found = [*_wall_clock(db, now), *_channels(db, now, troubles)]
    found += _jobs(db, now) or _nothing_put(db, now)
    states = stuck.counts(db, now, troubles.keys())
    ended = sum(count for state, count in states.items() if state in (m.REFUSED, m.UNSURE))
    if not any(each.name == "clock" for each in found):
        ended += states.get(m.QUEUED, 0)
        if hanging := states.get(m.CLAIMED, 0):
            found.append(Alarm("claim", {"count": hanging}))
    if ended:
        found.append(Alarm("outbox", {"count": ended}))
    kept, _ = pulse.kept_turns(db)
    if kept:
        found.append(Alarm("inbox", {"count": kept}))
    return found + _half_way(db, now)


def clock_differs(db: Db, now: datetime) -> list[Alarm]:
    """The machine's clock, compared with the database server's: only for the real time."""
    server = server_time(db)
    return [Alarm("clock_differs", {"span": abs(server - now)})] if server and abs(server - now) > LATE else []


def clock_off(channels: Iterable[Channel], now: datetime) -> list[Alarm]:
    """The machine's clock, compared with the platforms': no reminder comes when it should, and links expire."""
    off = ((each, abs(at - now)) for each in channels if (at := each.platform_time()) is not None)
    return [Alarm("clock_off", {"channel": each.name.capitalize(), "span": span}) for each, span in off if span > LATE]


def _wall_clock(db: Db, now: datetime) -> Iterator[Alarm]:
    """The machine's clock, compared with the last times of the jobs that run each minute."""
    often = [at - now for name, (at, _, _) in job_runs.newest(db).items() if JOBS.get(name, 0) <= 60]
    if often and min(often) > LATE:
        yield Alarm("clock_behind", {"span": min(often)})


def _troubles(db: Db) -> dict[str, Trouble]:
    """By sender ("telegram:123"), the first trouble of each bot, whichever of its directions it is."""
    found: dict[str, Trouble] = {}
    for name, text in notes.beginning(db, notes.STOPPED).items():
        sender, trouble = name.removeprefix(notes.STOPPED).rpartition(":")[0], from_json(text)
        if sender not in found or trouble.since < found[sender].since:
            found[sender] = trouble
    return found


def _channels(db: Db, now: datetime, troubles: Mapping[str, Trouble]) -> Iterator[Alarm]:
    """A line for each bot that does not work."""
    for sender, trouble in sorted(troubles.items()):
        kind = trouble.kind if trouble.kind in KINDS else "refused"
        channel = sender.partition(":")[0].capitalize()
        values = {"channel": channel, "span": now - trouble.since, "why": trouble.why}
        yield Alarm(f"channel_{kind}", values)
    for name, at in notes.beginning(db, notes.WEBHOOK_TAKEN).items():
        ago = now - datetime.fromisoformat(at)
        if ago < TOLD:
            channel = name.removeprefix(notes.WEBHOOK_TAKEN).partition(":")[0]
            yield Alarm("webhook_taken", {"channel": channel.capitalize(), "span": ago})


def _half_way(db: Db, now: datetime) -> list[Alarm]:
    """A season whose opening was stopped: `cycle open` needs minutes at most."""
    stopped = unfinished(db)
    if stopped is None or now - stopped.since <= LATE:
        return []
    if stopped.shown:
        return [Alarm("first_notices", {"code": stopped.code, "count": stopped.untold})]
    return [Alarm("half_open", {"code": stopped.code, "span": now - stopped.since})]


def _jobs(db: Db, now: datetime) -> list[Alarm]:
    """Jobs that have not run. Where several have not, nothing runs them: that is one cause."""
    cycle = current_cycle(db)
    if cycle is None or cycle.closed or now < cycle.opens:
        return []
    runs = job_runs.newest(db)
    begun = max(cycle.opens, pulse.opened_at(db, cycle.id))
    late = {}
    for name, seconds in JOBS.items():
        length = now - (runs[name][0] if name in runs else begun)
        if length > max(LATE, LOOKS * timedelta(seconds=seconds)):
            late[name] = length
    if len(late) > 1:
        return [Alarm("clock", {"span": min(late.values())})]
    return [Alarm(f"job_{name}", {"span": length}) for name, length in late.items()]


def _nothing_put(db: Db, now: datetime) -> list[Alarm]:
    """Jobs that run and put nothing out although somebody waits for it."""
    cycle = current_cycle(db)
    if cycle is None or cycle.closed or now < cycle.opens or notes.paused(db):
        return []
    if is_quiet(cycle, now) or is_quiet(cycle, now - LATE):
        return []
    found = []
    if expected := pulse.overdue(db, cycle.id, now - LATE):
        found.append(Alarm("nothing_put", {"expected": expected}))
    if expected := _digests_missing(db, cycle, now):
        found.append(Alarm("no_digest", {"expected": expected}))
    return found


def _digests_missing(db: Db, cycle: Cycle, now: datetime) -> int:
    """How many secretaries should have been put a digest today, where none of them was."""
    today = local_day(cycle, now)
    begins = max(moment(cycle, today, time(0)), cycle.opens)
    wanted = moment(cycle, today, cycle.digest_at)
    if not is_working_day(cycle, today) or wanted < begins or not wanted + LATE < now < cycle.closes:
        return 0
    expected = readers.secretaries(db, cycle.id)
    keys = [f"digest:{each.unit_id}:{today}:{each.person_id}" for each in expected]
    return len(expected) if expected and not pulse.any_put(db, keys) else 0
