"""Units: the tree of committee, organisations and cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from storage import models as m
from storage.database import Db
from storage.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Unit:
    """A node of the tree. ``path`` holds the ids from the root, "1.4.7."; ``key`` its names as they are known by.

    A name in a key is folded (no case, no diacritics), so that keys sort like an index; where it has diacritics, ``!``
    and its exact spelling follow.
    """

    id: int
    parent_id: int | None
    kind: str  # committee, organisation, division, cell, base_cell
    name: str
    key: str
    path: str

    @property
    def depth(self) -> int:
        """0 for a root."""
        return self.key.count("/")


_SELECT = sa.select(m.Unit.id, m.Unit.parent_id, m.Unit.kind, m.Unit.name, m.Unit.key, m.Unit.path)
_BY_ID = Prepared(_SELECT.where(m.Unit.id == sa.bindparam("unit")))


def by_keys(db: Db) -> dict[str, Unit]:
    """The whole tree by key, parents before children: for the operator's commands."""
    units = (Unit(*row) for row in db.execute(_SELECT))
    return {unit.key: unit for unit in sorted(units, key=lambda unit: (unit.depth, unit.id))}


def by_id(db: Db, unit_id: int) -> Unit | None:
    """A unit by its id, which came from our own rows."""
    row = _BY_ID.first(db, unit=unit_id)
    return Unit(*row) if row else None


def names(db: Db, unit_id: int) -> tuple[str, ...]:
    """The names from the root down to a unit."""
    unit = by_id(db, unit_id)
    above = names(db, unit.parent_id) if unit and unit.parent_id else ()
    return (*above, unit.name) if unit else ()


def add(db: Db, names: Mapping[str, str], kinds: Mapping[str, str] = MappingProxyType({})) -> None:
    """Make the units of *names* (key: name), level by level; every parent is there or among them.

    *kinds*: by key; cells where nothing is said.
    """
    for depth in sorted({key.count("/") for key in names}):
        level = {key: name for key, name in names.items() if key.count("/") == depth}
        parents = {unit.key: unit.id for unit in by_keys(db).values()}
        db.execute(
            sa.insert(m.Unit),
            [
                {
                    "parent_id": parents[key.rpartition("/")[0]] if depth else None,
                    "kind": kinds.get(key, "cell"),
                    "name": name,
                    "key": key,
                    "path": "",
                }
                for key, name in level.items()
            ],
        )
        above = aliased(m.Unit)
        start = sa.select(above.path).where(above.id == m.Unit.parent_id).scalar_subquery()
        own = sa.cast(m.Unit.id, sa.Text) + "."
        db.execute(sa.update(m.Unit).where(m.Unit.path == "").values(path=sa.func.coalesce(start, "") + own))


def without_diacritics(key: str) -> bool:
    """Whether the last name of a key has none."""
    return "!" not in key.rpartition("/")[2]


def change(db: Db, units: Sequence[Unit]) -> None:
    """Write name, kind and key of *units*."""
    if units:
        db.execute(
            sa.update(m.Unit)
            .where(m.Unit.id == sa.bindparam("unit"))
            .values(name=sa.bindparam("as_name"), kind=sa.bindparam("as_kind"), key=sa.bindparam("as_key")),
            [{"unit": unit.id, "as_name": unit.name, "as_kind": unit.kind, "as_key": unit.key} for unit in units],
        )


def root(db: Db) -> Unit | None:
    """The committee at the top; None before the first roster."""
    row = db.execute(_SELECT.where(m.Unit.parent_id.is_(None)).order_by(m.Unit.id).limit(1)).first()
    return Unit(*row) if row else None
