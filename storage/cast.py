"""Who can be played in the demo."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from storage import models as m
from storage.database import Db


@dataclass(frozen=True, slots=True)
class Part:
    """Somebody of the sample roster. ``roles``: (name, kind of the unit); ``place``: organisation and cell."""

    code: str
    name: str
    form: str | None
    unit_id: int
    place: str
    owes: bool
    roles: tuple[tuple[str, str], ...]


def parts(db: Db) -> list[Part]:
    """Everybody, by cell and name: whoever tries the demo may be anyone."""
    roles: dict[int, list[tuple[str, str]]] = {}
    held = sa.select(m.Role.person_id, m.Role.name, m.Unit.kind).join(m.Unit, m.Unit.id == m.Role.unit_id)
    for person_id, name, kind in db.execute(held.order_by(m.Role.id)):
        roles.setdefault(person_id, []).append((name, kind))
    above = aliased(m.Unit)
    owing = sa.exists().where(m.Assessment.person_id == m.Person.id, m.Assessment.state.in_(m.OWES))
    rows = db.execute(
        sa.select(
            m.Person.id, m.Person.code, m.Person.name, m.Person.form, m.Person.unit_id, m.Unit.name, above.name, owing
        )
        .join(m.Unit, m.Unit.id == m.Person.unit_id)
        .outerjoin(above, above.id == m.Unit.parent_id)
        .order_by(m.Unit.key, m.Person.name_key)
    )
    return [
        Part(code, name, form, unit_id, " · ".join(filter(None, (over, unit))), owes, tuple(roles.get(id, ())))
        for id, code, name, form, unit_id, unit, over, owes in rows
    ]
