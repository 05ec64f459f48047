"""One event of one person, with its transaction and its time: what every handler is given."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from handlers import cycles as rules
from handlers.cycles import Cycle
from handlers.messages import Event
from storage import cycles
from storage.addresses import Address
from storage.cycles import CycleRow
from storage.database import Db
from storage.group import Group
from storage.people import Person


@dataclass(frozen=True, slots=True)
class Turn:
    """What a handler works with. Handlers touch nothing but ``db``, some of it by ``group``: a turn may be rolled back
    and run again."""

    db: Db
    now: datetime  # aware
    key: str  # the unique key of what came in
    event: Event
    address: Address
    person: Person | None  # None until the address is bound
    cycle: Cycle | None  # the newest one, closed or not; None before the first
    lang: str
    group: Group  # of the turns that share the transaction

    def with_event(self, event: Event) -> "Turn":
        """The same turn, with what its event was found to mean."""
        return replace(self, event=event)


_read: dict[str, Cycle] = {}  # by the digest of their rules: a handful


def current_cycle(db: Db) -> Cycle | None:
    """The newest cycle. Whether it is closed is asked each time; its rules are read once."""
    return cycle_of(db, cycles.newest(db))


def cycle_of(db: Db, row: CycleRow | None) -> Cycle | None:
    """The cycle of a row."""
    if row is None:
        return None
    cycle = _read.get(row.digest)
    if cycle is None:
        cycle = _read[row.digest] = rules.loads(cycles.rules(db, row.id))
    closed = row.closed_at is not None
    return cycle if (cycle.id, cycle.closed) == (row.id, closed) else replace(cycle, id=row.id, closed=closed)


def group_of(db: Db, people: Collection[int], cycle: Cycle | None) -> Group:
    """The group of these people's turns in the newest cycle."""
    return Group(db, people, cycle.id if cycle else None, cycle.consent.version if cycle else "")
