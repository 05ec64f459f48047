"""Roles that an operator grants and revokes beside those of the roster."""

from datetime import datetime

from bot import named
from handlers.texts import say
from storage import audit, roles
from storage.database import Db


def granted(db: Db, code: str, role: str, path: str, now: datetime, lang: str) -> str:
    """Give a person a role in a unit; the sentence that says so. Raises NotFound."""
    person, unit = named.person(db, code), named.unit(db, path)
    new = roles.grant(db, person.id, named.role(role), unit.id)
    if new:
        audit.record(db, "role.granted", now, person_id=person.id, unit_id=unit.id)
    return say(lang, "named.granted" if new else "named.had_it", name=person.name, role=role, unit=unit.name)


def revoked(db: Db, code: str, role: str, path: str, now: datetime, lang: str) -> str:
    """Take a role away; the sentence that says so. Raises NotFound, also where the person has no such role."""
    person, unit = named.person(db, code), named.unit(db, path)
    if not roles.revoke(db, person.id, named.role(role), unit.id):
        raise named.NotFound("named.has_no_role", name=person.name, role=role, unit=unit.name)
    audit.record(db, "role.revoked", now, person_id=person.id, unit_id=unit.id)
    return say(lang, "named.revoked", name=person.name, role=role, unit=unit.name)
