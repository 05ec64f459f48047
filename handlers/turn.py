"""One event of one person, with its transaction and its time: what every handler is given."""

from dataclasses import dataclass
from datetime import datetime

from handlers.cycles import Cycle
from handlers.messages import Event
from storage.addresses import Address
from storage.database import Db
from storage.people import Person


@dataclass(frozen=True, slots=True)
class Turn:
    """What a handler works with. Handlers touch nothing but ``db``: a turn may be rolled back and run again."""

    db: Db
    now: datetime  # aware
    key: str  # the unique key of what came in
    event: Event
    address: Address
    person: Person | None  # None until the address is bound
    cycle: Cycle | None  # the open one
    lang: str
