"""Whether the channels work: since when one does not and why, for health, ``check`` and whoever tries it again."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from bot.channels import Stopped
from storage import notes
from storage.database import Database, Db

log = structlog.get_logger()

RECEIVING, SENDING = "receiving", "sending"
FIRST_WAIT, LONGEST_WAIT = 30.0, 900.0  # seconds until a channel that stopped is tried again: 30, 60, 120 ... 900
STEADY = 60.0  # seconds for which it must work before a conflict is over: two programs that poll interrupt each other
UNREACHED = 600.0  # seconds without an answer of the platform after which the operator is told
UPKEEP = 45.0  # seconds between two looks at that, and between two tries to store a note
CONFLICT, UNREACHABLE, REFUSED = "conflict", "unreached", "refused"


class Named(Protocol):
    """What of a channel is needed here."""

    name: str
    bot: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a channel has stopped, and since when by the wall clock. ``kind``: which sentence tells what to do."""

    kind: str
    why: str
    since: datetime


class Standing:
    """One direction of one channel: whether it works, and when it is tried again where it does not."""

    def __init__(
        self,
        name: str,
        now: Callable[[], datetime],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.name, self.now, self.monotonic, self.sleep, self.changed = name, now, monotonic, sleep, changed
        self.trouble: Trouble | None = None
        self.tries = 0  # since it stopped
        self.proven = False  # whether it has worked in this process
        self.watched = False  # whether the platform must answer every few minutes
        self.worked = self.tried = monotonic()  # when it last worked, and when it was last tried

    def stops(self, error: Exception) -> None:
        """It cannot go on: *error* says why."""
        kind = error.kind if isinstance(error, Stopped) else REFUSED
        self.tried = self.monotonic()
        self.tries += 1
        self._because(kind, str(error))

    def works(self) -> None:
        """It works: the platform answered."""
        at = self.worked = self.monotonic()
        self.proven = True
        if self.trouble is None or (self.trouble.kind == CONFLICT and at - self.tried < STEADY):
            return
        log.info("channel.works_again", channel=self.name, why=self.trouble.why)
        self.trouble, self.tries = None, 0
        self.changed()

    def look(self) -> None:
        """Take it for unreachable where the platform has not answered for long."""
        if self.watched and self.trouble is None and self.monotonic() - self.worked > UNREACHED:
            self._because(UNREACHABLE, "the platform does not answer")

    async def wait(self) -> None:
        """Wait until it may be tried again: longer each time, on the monotonic clock."""
        await self.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(max(self.tries - 1, 0), 10)))
        self.tried = self.monotonic()

    def _because(self, kind: str, why: str) -> None:
        if self.trouble is not None and (self.trouble.kind, self.trouble.why) == (kind, why):
            return
        log.error("channel.stopped", channel=self.name, why=why)
        since = self.trouble.since if self.trouble is not None else self.now()
        self.trouble = Trouble(kind, why, since)
        self.changed()


class Standings:
    """Those of this process. What is in trouble stands in the database too, for ``check`` and a later process."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.database, self.now, self.monotonic, self.sleep = database, now, monotonic, sleep
        self.stopped: set[str] = set()  # names of channels
        self.all: dict[str, Standing] = {}  # by the name of the note
        self.noted: dict[str, str | None] = {}  # what is known to stand there
        self.taken: dict[str, str] = {}  # webhooks that were taken away, to be noted
        self.change = asyncio.Event()

    def of(self, channel: Named, direction: str) -> Standing:
        """The standing of one direction of a channel."""
        name = f"{notes.STOPPED}{channel.name}:{channel.bot}:{direction}"
        if name not in self.all:
            self.all[name] = Standing(
                channel.name, self.now, monotonic=self.monotonic, sleep=self.sleep, changed=self._changed
            )
        return self.all[name]

    def leave(self, channel: Named, direction: str) -> None:
        """Another process has this direction now, and tells of it."""
        name = f"{notes.STOPPED}{channel.name}:{channel.bot}:{direction}"
        self.all.pop(name, None)
        self.noted.pop(name, None)
        self._changed()

    def troubles(self) -> dict[str, Trouble]:
        """By channel, the first trouble of each."""
        found: dict[str, Trouble] = {}
        for each in self.all.values():
            if each.trouble and (each.name not in found or each.trouble.since < found[each.name].since):
                found[each.name] = each.trouble
        return found

    def webhook_taken(self, channel: Named) -> None:
        """The webhook was taken away and is set again: the operator is told for a day."""
        self.taken[f"{notes.WEBHOOK_TAKEN}{channel.name}:{channel.bot}"] = self.now().isoformat()
        self.change.set()

    def _changed(self) -> None:
        self.stopped.clear()
        self.stopped.update(self.troubles())
        self.change.set()

    async def keep(self) -> None:
        """Note what changes, until cancelled; what cannot be stored now is stored later."""
        while True:
            self.change.clear()
            for each in self.all.values():
                each.look()
            try:
                await self.note()
            except Exception as error:
                log.warning("channel.cannot_note", error=type(error).__name__)
                self.change.clear()
            waiting = asyncio.ensure_future(self.change.wait())
            pausing = asyncio.ensure_future(self.sleep(UPKEEP))
            try:
                await asyncio.wait({waiting, pausing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                pausing.cancel()

    async def note(self) -> None:
        """Bring the notes in the database up to date; those of earlier bots of a channel that runs here are removed."""
        wanted: dict[str, str | None] = {}
        for name in self.all.keys() - self.noted.keys():
            channel, bot, _ = name.removeprefix(notes.STOPPED).split(":")
            there = await self.database.read(partial(notes.beginning, prefix=f"{notes.STOPPED}{channel}:"))
            for other in there:
                if not other.startswith(f"{notes.STOPPED}{channel}:{bot}:"):
                    self.noted[other], wanted[other] = there[other], None
            self.noted[name] = there.get(name)
            self._go_on(self.all[name], there.get(name))
        wanted |= {name: _as_json(each.trouble) for name, each in self.all.items()}
        changed = {name: value for name, value in wanted.items() if value != self.noted[name]}
        taken = dict(self.taken)
        if not changed and not taken:
            return

        def write(db: Db) -> None:
            for name, value in {**changed, **taken}.items():
                notes.write(db, name, value)

        await self.database.write(write)
        self.noted |= changed
        for name, value in taken.items():
            if self.taken.get(name) == value:
                del self.taken[name]

    def _go_on(self, standing: Standing, before: str | None) -> None:
        """An earlier process had this trouble: it lasts until the channel is seen to work."""
        if before is None:
            return
        earlier = from_json(before)
        if standing.trouble is None:
            standing.trouble = None if standing.proven else earlier
            self._changed()
        else:
            standing.trouble = replace(standing.trouble, since=min(earlier.since, standing.trouble.since))


def _as_json(trouble: Trouble | None) -> str | None:
    return json.dumps([trouble.kind, trouble.why, trouble.since.isoformat()]) if trouble else None


def from_json(text: str) -> Trouble:
    """What stands in a note."""
    kind, why, since = json.loads(text)
    return Trouble(kind, why, datetime.fromisoformat(since))
