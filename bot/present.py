"""Works out what a page shows when it is opened."""

from datetime import datetime

from handlers.messages import Message, Tapped
from handlers.present import present
from handlers.turn import Turn, current_cycle, group_of
from storage import people
from storage.addresses import Address
from storage.database import Db


def present_at(db: Db, address: Address, now: datetime, last: str | None, lang: str) -> Message | None:
    """Where the person of *address* stands, or None: see `handlers.present`. *lang*: of who has not chosen one."""
    person = people.by_id(db, address.person_id) if address.person_id is not None else None
    if person is None:
        return None
    cycle = current_cycle(db)
    group = group_of(db, [person.id], cycle)
    return present(Turn(db, now, "", Tapped("fill.open"), address, person, cycle, person.lang or lang, group), last)
