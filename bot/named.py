"""People, units and roles as operators name them."""

from bot.mistakes import Mistake
from handlers.words import fold
from storage import people, units
from storage.database import Db
from storage.people import Person
from storage.units import Unit

ROLES = ("secretary", "deputy", "officer", "admin")


class NotFound(Mistake):
    """Nothing, or more than one thing, has that name."""


def person(db: Db, code: str) -> Person:
    """The person with a member code, in upper or lower case. Raises NotFound."""
    found = people.by_code(db, code.strip().upper())
    if found is None:
        raise NotFound("named.no_person", code=code)
    return found


def unit(db: Db, path: str) -> Unit:
    """The unit with a path of names, or with an end of a path where only one unit has it. Raises NotFound."""
    key = "/".join(filter(None, (fold(name) for name in path.split("/"))))
    tree = units.by_keys(db)
    if key in tree:
        return tree[key]
    ends = [unit for unit in tree.values() if unit.key.endswith(f"/{key}")]
    if len(ends) != 1:
        raise NotFound("named.no_unit" if not ends else "named.many_units", path=path, count=len(ends))
    return ends[0]


def role(name: str) -> str:
    """A role that can be granted. Raises NotFound."""
    if name not in ROLES:
        raise NotFound("named.no_role", role=name, known=", ".join(ROLES))
    return name


def paths(db: Db) -> dict[int, str]:
    """Every unit's path of names by its id: "Đảng bộ A/Chi bộ 1"."""
    found: dict[int, str] = {}
    for unit in units.by_keys(db).values():  # parents come first
        found[unit.id] = f"{found[unit.parent_id]}/{unit.name}" if unit.parent_id else unit.name
    return found
