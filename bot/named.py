"""People, units and roles as operators name them."""

from bot.mistakes import Mistake
from handlers.words import fold, spelled
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
    """The unit with a path of names, or with an end of a path where only one unit has it. Raises NotFound.

    Names may be written without diacritics where only one unit is meant.
    """
    tree = list(units.by_keys(db).values())
    names = {number: found.split("/") for number, found in paths(db).items()}
    for key in (spelled, fold):
        wanted = [key(part) for part in path.split("/") if part.strip()]
        ends = [each for each in tree if [key(name) for name in names[each.id][-len(wanted) :]] == wanted]
        whole = [each for each in ends if len(names[each.id]) == len(wanted)]
        found = whole if len(whole) == 1 else ends
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound("named.many_units", path=path, count=len(found))
    raise NotFound("named.no_unit", path=path)


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
