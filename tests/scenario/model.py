"""The rules of a season and what happened in it, as somebody outside knows them: nothing here asks the program.

Written down from the papers (reminders, digests, snoozes, closing), so that the program can be wrong against it.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

T = TypeVar("T")
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
DAY = timedelta(days=1)
GRACE = timedelta(hours=2)  # after the closing: who is typing may end, and the last digests go out
LONG_ENOUGH = timedelta(minutes=25)  # in so long a time in which all works, whatever is due goes out


def local(day: date, at: time) -> datetime:
    """A local day and time, in UTC."""
    return datetime.combine(day, at, ZONE).astimezone(UTC)


def day_of(at: datetime) -> date:
    """The local day of a moment."""
    return at.astimezone(ZONE).date()


def clock_of(at: datetime) -> time:
    """The local time of a moment."""
    return at.astimezone(ZONE).time()


@dataclass(frozen=True, slots=True)
class Rules:
    """What an office has laid down. *slots*: days from the due day, and the time."""

    opens: datetime
    due: datetime
    closes: datetime
    slots: tuple[tuple[int, time], ...]
    weekdays: frozenset[int]
    at_most: int
    gap: timedelta = timedelta(hours=20)
    quiet_from: time = time(20, 30)
    quiet_until: time = time(7, 30)
    digest: time = time(17)
    officer_digest: time = time(8)

    def quiet(self, at: datetime) -> bool:
        """Whether nobody may be disturbed."""
        return not self.quiet_until <= clock_of(at) < self.quiet_from

    def works_on(self, day: date) -> bool:
        """Whether that is a working day."""
        return day.weekday() in self.weekdays

    def deadline_slot(self) -> datetime | None:
        """When the deadline's own reminder is due: the last slot of the due day; None where nobody works that day."""
        day = day_of(self.due)
        times = [at for days, at in self.slots if days == 0]
        return local(day, max(times)) if times and self.works_on(day) else None


class Changes(Generic[T]):
    """What was so from when on."""

    def __init__(self, first: T) -> None:
        self.times: list[datetime] = [datetime.min.replace(tzinfo=UTC)]
        self.values: list[T] = [first]

    def put(self, at: datetime, value: T) -> None:
        """From *at* on it is so."""
        if self.values[-1] != value:
            self.times.append(at)
            self.values.append(value)

    def at(self, at: datetime) -> T:
        """What was so at a moment."""
        return self.values[bisect_right(self.times, at) - 1]

    def during(self, begin: datetime, end: datetime) -> set[T]:
        """All that was so at some moment from *begin* to *end*, both included."""
        first, last = bisect_right(self.times, begin) - 1, bisect_right(self.times, end)
        return set(self.values[first:last])

    @property
    def now(self) -> T:
        """What is so at the end."""
        return self.values[-1]


@dataclass(frozen=True, slots=True)
class Told:
    """Something that reached a chat. *wall*: what the program's clock showed. *kind*: reply, reminder, digest, opened
    (the first notice of a season), notice."""

    at: datetime
    wall: datetime
    chat: str
    kind: str
    text: str
    values: tuple[str, ...] = ()  # of its buttons


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that was not accepted, or of whose acceptance the program was not told."""

    at: datetime
    wall: datetime
    chat: str
    how: str

    @property
    def unknown(self) -> bool:
        """Whether the program cannot know what became of it."""
        return self.how in ("reset", "cut", "broken", "no result", "server error")


@dataclass(frozen=True, slots=True)
class Promise:
    """The bot said that it would remind at *until*."""

    at: datetime
    wall: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody wrote or tapped, and it was confirmed to Telegram: an answer is owed."""

    at: datetime
    chat: str
    what: str


@dataclass(frozen=True, slots=True)
class Look:
    """The program was given a moment to do what is due. *works*: it ran, and the Bot API took what it was sent."""

    at: datetime
    wall: datetime
    works: bool


@dataclass
class Life:
    """What is true of one person."""

    name: str
    cell: str
    role: str = ""  # secretary, deputy, officer
    # None: not known, something is on its way. False: submitted, exempt, on paper.
    owes: Changes[bool | None] = field(default_factory=lambda: Changes(True))
    because: Changes[str] = field(default_factory=lambda: Changes(""))  # submitted, reopened, exempt, paper
    open: dict[str, Changes[bool]] = field(default_factory=dict)  # chats that take messages
    closed_for: dict[str, Changes[bool]] = field(default_factory=dict)  # chats the program knows to be blocked
    promises: list[Promise] = field(default_factory=list)
    nudged: list[datetime] = field(default_factory=list)

    def done(self, at: datetime, because: str) -> None:
        """Nothing is owed from now on."""
        self.owes.put(at, False)
        self.because.put(at, because)

    def rings(self, begin: datetime, end: datetime) -> bool:
        """Whether one of the chats took messages all the time, and the program had no reason to think otherwise."""
        return any(
            self.open[chat].during(begin, end) == {True} and self.closed_for[chat].during(begin, end) == {False}
            for chat in self.open
        )


@dataclass
class History:
    """Everything that could be seen."""

    rules: Changes[Rules]
    paused: Changes[bool] = field(default_factory=lambda: Changes(False))
    lives: dict[str, Life] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    kills: list[datetime] = field(default_factory=list)
    notes: list[tuple[datetime, str]] = field(default_factory=list)

    def life_of(self, chat: str) -> Life | None:
        """Whose chat it is."""
        return next((life for life in self.lives.values() if chat in life.open), None)

    def promised(self, life: Life, promise: Promise) -> None:
        """A promise takes the place of one that is still to be kept."""
        if life.promises:
            last = life.promises[-1]
            kept = any(each.at > last.at and each.wall >= last.until for each in self.reminders(life))
            if last.until > promise.wall and not kept:
                life.promises.pop()
        life.promises.append(promise)

    def reminders(self, life: Life) -> list[Told]:
        """The reminders that reached a person, in order."""
        return [told for told in self.told if told.kind == "reminder" and told.chat in life.open]

    def stretch(
        self,
        begin: datetime,
        end: datetime,
        *,
        after: datetime | None = None,
        wall: bool = True,
        paused_too: bool = False,
    ) -> tuple[datetime, datetime] | None:
        """The first time, by the true clock, that was long enough and in which everything worked.

        *begin* and *end* are by the program's clock (*wall*) or by the true one; *after* by the true one. While paused
        nothing works but replies (*paused_too*).
        """
        since: datetime | None = None
        before: Look | None = None
        for look in self.looks:
            shown = look.wall if wall else look.at
            good = look.works and begin <= shown <= end and (after is None or look.at >= after)
            good = good and (paused_too or not self.paused.at(look.at))
            if not good or (before is not None and look.at - before.at > timedelta(minutes=40)):
                since = look.at if good else None
            elif since is None:
                since = look.at
            before = look
            if good and since is not None and look.at - since >= LONG_ENOUGH:
                return since, look.at
        return None

    def lines(self, begin: datetime, end: datetime, life: Life | None = None) -> Iterator[str]:
        """What happened in that time, to be read: of everybody, or of one person and the world."""
        chats = None if life is None else set(life.open)
        found: list[tuple[datetime, str]] = [each for each in self.notes if begin <= each[0] <= end]
        found += [
            (told.at, f"   -> {told.chat} {told.kind}: {' / '.join(told.text.splitlines())[:110]}")
            for told in self.told
            if begin <= told.at <= end and (chats is None or told.chat in chats)
        ]
        found += [
            (each.at, f"   x> {each.chat} {each.how}")
            for each in self.failed
            if begin <= each.at <= end and (chats is None or each.chat in chats)
        ]
        for at, line in sorted(found, key=lambda each: each[0]):
            yield f"{at.astimezone(ZONE):%d/%m %H:%M:%S} {line}"
