"""A season in which people have something to hide, and those who tap what was never offered to them."""

import dataclasses
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bot import roster
from bot.channels import Incoming
from handlers.messages import Message, Tapped, rows
from handlers.turn import current_cycle
from storage import addresses, assessments, consents, people, roles
from storage import models as m
from storage.database import Database, Db
from tests.world import AN, BINH, CHI, DUNG, Member, World, sample

COMMITTEE, A, B, C = "Khối mẫu", "Sở A", "Trường Đại học B", "Công ty C"  # as the units' names end
A1, A2, A3, A4 = (f"{A}/Chi bộ {number}" for number in (1, 2, 3, 4))
B1, B2, B3 = (f"{B}/Chi bộ {name}" for name in ("1", "2", "Sinh viên"))
NOBODY = 999_999  # an id that is nobody's
STRANGER = "a stranger"  # the chat of somebody who is nobody yet
_numbers = itertools.count(1_000_000)


@dataclass(frozen=True)
class Role:
    """Somebody at a chat, and what is theirs to see."""

    code: str
    cells: tuple[str, ...] = ()  # whose members they see by name
    counts: tuple[str, ...] = ()  # whose numbers they see
    consented: bool = True


UNDER_A, UNDER_B = (A, A1, A2, A3, A4), (B, B1, B2, B3)
REPLACED, MOVED = "KM-0107", "KM-0110"
ROLES = {
    "stranger": Role("", consented=False),
    "bound but not consented": Role("KM-0034", consented=False),
    "member of cell 1": Role(AN),
    "secretary of cell 1": Role(BINH, cells=(A1,)),
    "deputy of cell 1": Role("KM-0046", cells=(A1,)),
    "secretary of cell 2": Role(CHI, cells=(A2,)),
    "officer of the organisation": Role("KM-0056", counts=UNDER_A),
    "officer of another organisation": Role("KM-0120", counts=UNDER_B),
    "officer of the committee": Role(DUNG, counts=(COMMITTEE, *UNDER_A, *UNDER_B, C)),
    "secretary who was replaced": Role(REPLACED),
    "member who moved from cell 1 to cell 2": Role(MOVED),
}
SUBMITTED = ("KM-0119", "KM-0002", "KM-0077", MOVED)  # of A1, A2, B1 and A1; the others who consented have a draft


class Season(World):
    """The sample roster in an open season: those with a role and some others wrote what only they may read."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.writers = {role.code for role in ROLES.values() if role.consented} | set(SUBMITTED)
        with database.transaction() as db:
            everybody = people.by_codes(db)
            for code in sorted(self.writers | {role.code for role in ROLES.values() if role.code}):
                address = addresses.ensured(db, "telegram", "1", code, self.clock())
                addresses.bind(db, address.id, everybody[code].id, self.clock())
            for code in sorted(self.writers):
                self._writes(db, code, everybody[code].id)
            self.names = {code: person.name for code, person in everybody.items()}
            self.units = {_short(db, unit): unit for unit in db.scalars(sa.select(m.Unit.id))}
            found = sa.select(m.Person.code, m.Assessment.id).join(m.Assessment, m.Assessment.person_id == m.Person.id)
            self.assessments = {code: number for code, number in db.execute(found)}  # noqa: C416 - rows are no pairs
            self.addresses = {row.chat: row.id for row in db.execute(sa.select(m.Address.chat, m.Address.id))}

    def _writes(self, db: Db, code: str, person_id: int) -> None:
        cycle, address = current_cycle(db), addresses.at(db, "telegram", "1", code)
        assert cycle and address
        version = cycle.consent.version
        consents.record(db, person_id, cycle.id, version, given=True, address_id=address.id, now=self.clock())
        own = assessments.of(db, person_id, cycle.id)
        assert own is not None
        said = {"a1_1": secret(code)}
        assessments.save(
            db,
            assessments.Step(
                own,
                writes=[(question, words, True) for question, words in said.items()],
                place="",
                state=m.SUBMITTED if code in SUBMITTED else m.IN_PROGRESS,
                remind_at=None,
                now=self.clock(),
                address_id=address.id,
            ),
        )
        if code in SUBMITTED:
            assessments.submit(
                db, own.id, snapshot=said, receipt="7K2P", late=False, level=None, score=None, now=self.clock()
            )

    async def plays(self, role: Role) -> Member:
        """Somebody in a role. Who was replaced or has moved has the old view on the screen still."""
        who = Member(self, role.code, role.code or STRANGER)
        await who.says("/tinhhinh")
        with self.database.transaction() as db:
            person = people.by_code(db, role.code)
            if person and role.code == REPLACED:
                roles.revoke(db, person.id, "secretary", person.unit_id)
            if person and role.code == MOVED:
                self.moves(db, MOVED, "Chi bộ 2")
        return who

    def moves(self, db: Db, code: str, cell: str) -> None:
        """A roster says that somebody belongs to another cell of the same organisation now."""
        there = sample()
        changed = [
            dataclasses.replace(each, units=(*each.units[:2], cell)) for each in there.members if each.code == code
        ]
        roster.import_roster(db, dataclasses.replace(there, members=tuple(changed)), self.clock())

    def members_of(self, cells: Iterable[str]) -> set[str]:
        """The member codes of everybody in these cells."""
        inside = m.Person.unit_id.in_([self.units[cell] for cell in cells])
        with self.database.transaction(read_only=True) as db:
            return set(db.scalars(sa.select(m.Person.code).where(inside)))

    def named_in(self, messages: Iterable[Message]) -> set[str]:
        """The member codes of those whose names stand in messages or on their buttons."""
        text, found = words(messages), set()
        for code, name in sorted(self.names.items(), key=lambda one: -len(one[1])):
            if name in text:
                found.add(code)
                text = text.replace(name, "…")
        return found

    def read_in(self, messages: Iterable[Message]) -> set[str]:
        """The member codes of those whose answers stand in messages."""
        text = words(messages)
        return {code for code in self.writers if secret(code) in text}

    def stored(self, **left: Any) -> dict[str, list[str]]:
        """All that is stored, without what comes in; *left*: which rows of a table to look at."""
        conditions = {"incoming": sa.false()} | left
        with self.database.transaction(read_only=True) as db:
            return {
                table.name: sorted(map(repr, db.execute(sa.select(table).where(conditions.get(table.name, sa.true())))))
                for table in m.Base.metadata.sorted_tables
            }

    def stored_beside(self, chat: str) -> dict[str, list[str]]:
        """All that is stored but what a chat itself is asked and told."""
        own = sa.select(m.Address.id).where(m.Address.chat == chat)
        return self.stored(address=m.Address.chat != chat, outgoing=m.Outgoing.address_id.not_in(own))

    def stored_of_others(self, role: Role) -> dict[str, list[str]]:
        """All that is stored of other people, but for the reminders to members of the own cells."""
        me = sa.select(m.Person.id).where(m.Person.code == role.code)
        chats = sa.select(m.Address.id).where(m.Address.chat.in_([role.code, STRANGER]))
        review = sa.select(m.Assessment.id).where(m.Assessment.person_id.in_(me))
        unit_ids = [self.units[cell] for cell in role.cells]
        led = sa.select(m.Person.id).where(m.Person.unit_id.in_(unit_ids) | (m.Person.code == role.code))
        return self.stored(
            address=m.Address.id.not_in(chats),
            outgoing=m.Outgoing.person_id.not_in(led) & m.Outgoing.address_id.not_in(chats),
            assessment=m.Assessment.person_id.not_in(me),
            answer=m.Answer.assessment_id.not_in(review),
            submission=m.Submission.assessment_id.not_in(review),
            consent=m.Consent.person_id.not_in(me),
        )


def _short(db: Db, unit_id: int) -> str:
    unit: Any = db.execute(sa.select(m.Unit.name, m.Unit.kind, m.Unit.parent_id).where(m.Unit.id == unit_id)).one()
    if unit.kind == "cell":
        return f"{_short(db, unit.parent_id)}/{unit.name}"
    return next(short for short in (COMMITTEE, A, B, C) if str(unit.name).endswith(short))


def secret(code: str) -> str:
    """What a member wrote."""
    return f"Điều riêng của {code}."


def words(messages: Iterable[Message]) -> str:
    """All words of messages, those on their buttons too."""
    return "\n".join(text for each in messages for text in (each.text, *(b.label for row in rows(each) for b in row)))


async def answer(who: Member, value: str) -> list[Message]:
    """What comes back to a tap."""
    before = len(who.messages)
    await who.world.inbox.receive(Incoming(f"telegram:1:{next(_numbers)}", "telegram", "1", who.chat, Tapped(value)))
    await who.world.delivery.drain()
    return list(who.messages[before:])
