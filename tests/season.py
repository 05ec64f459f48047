"""A season to play in tests: two cells with characters, a real database, and a clock that is moved by hand.

An, Hoa, Lan and Tú are members of cell 1, Bình their secretary and Em her deputy; Chi is the secretary of cell 2,
Dung an officer of the organisation above both.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from bot import jobs
from bot.season import open_cycle
from bot.wording import worded
from handlers.cycles import Consent, Cycle, Slot
from handlers.forms import Form, Option, Question, Section
from handlers.messages import Event, Message, Tapped, loads
from handlers.turn import Turn, current_cycle, group_of
from handlers.words import fold
from storage import addresses, assessments, claims, people
from storage import models as m
from storage.assessments import Assessment
from storage.database import Database, Db

SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")
CYCLE = Cycle(
    id=0,
    code="2026",
    name="Kiểm điểm năm 2026",
    year=2026,
    zone=SAIGON,
    opens=datetime(2026, 11, 25, 8, tzinfo=SAIGON),
    due=datetime(2026, 12, 15, 17, tzinfo=SAIGON),
    closes=datetime(2026, 12, 18, 17, tzinfo=SAIGON),
    admitted_before=date(2026, 6, 2),
    consent=Consent("1", "Đồng ý?"),
    levels=(),
    forms=(("2B", "short"),),
    slots=tuple(Slot(days, time(8)) for days in (-14, -7, -4, -1, 0, 1)),
    days_off=frozenset(),
    days_on=frozenset(),
)
FORM = Form(
    id="short",
    title="Bản kiểm điểm",
    lang="vi",
    sections=(
        Section(
            id="a",
            number="A",
            heading="Tự đánh giá",
            questions=(
                Question("strengths", "text", "Ưu điểm"),
                Question("more", "line", "Ghi thêm", required=False),
                Question("level", "choice", "Mức", options=(Option("good", "Tốt"),)),
            ),
        ),
    ),
)
TREE = {1: "Đảng bộ Khối", 2: "Đảng bộ Sở A", 3: "Chi bộ 1", 4: "Chi bộ 2"}
PATHS = {1: "1.", 2: "1.2.", 3: "1.2.3.", 4: "1.2.4."}
KINDS = {1: "committee", 2: "organisation", 3: "cell", 4: "cell"}

CELLS = {"An": 3, "Hoa": 3, "Lan": 3, "Tú": 3, "Bình": 3, "Em": 3, "Chi": 4, "Dung": 4}
ROLES = {"Bình": ("secretary", 3), "Em": ("deputy", 3), "Chi": ("secretary", 4), "Dung": ("officer", 2)}


def _first_people(db: Db, now: datetime) -> None:
    """The tree with everybody in it, each on the channel "fake"."""
    for unit, name in TREE.items():
        parent = int(PATHS[unit].split(".")[-3]) if unit > 1 else None
        row = {"parent_id": parent, "kind": KINDS[unit], "name": name, "key": fold(name), "path": PATHS[unit]}
        db.execute(sa.insert(m.Unit), row)
    db.execute(
        sa.insert(m.Person), [_person(number, name, unit) for number, (name, unit) in enumerate(CELLS.items(), 1)]
    )
    chats = [
        {"channel": "fake", "bot": "", "chat": f"fake/{name}", "person_id": number, "memory": {}, "last_seen": now}
        for number, name in enumerate(CELLS, 1)
    ]
    db.execute(sa.insert(m.Address), chats)
    ids = {name: number for number, name in enumerate(CELLS, 1)}
    roles = [
        {"person_id": ids[name], "name": role, "unit_id": unit, "granted": False}
        for name, (role, unit) in ROLES.items()
    ]
    db.execute(sa.insert(m.Role), roles)


def _person(number: int, name: str, unit: int) -> dict[str, Any]:
    return {
        "code": f"KM-{number:04d}",
        "name": name,
        "name_key": fold(name),
        "birth_date": date(1980, 1, 1),
        "form": "2B",
        "unit_id": unit,
    }


class World:
    """What a test plays with. ``inbox[name]`` holds what each person was sent, as texts."""

    def __init__(self, database: Database, cycle: Cycle = CYCLE) -> None:
        self.database, self.rules = database, cycle
        self.now = cycle.opens
        self.messages: dict[str, list[Message]] = defaultdict(list)
        with database.transaction() as db:
            _first_people(db, self.now)
        self.ids = {name: number for number, name in enumerate(CELLS, 1)}

    # -------------------------------------------------------------- who there is

    def person(self, name: str, *, unit: int, linked: str = "fake", **more: Any) -> int:
        """A person of the roster; *linked*: the channel they are on, "" for none."""
        values = _person(len(self.ids) + 1, name, unit) | more
        with self.database.transaction() as db:
            self.ids[name] = db.execute(sa.insert(m.Person).values(values).returning(m.Person.id)).scalar_one()
        if linked:
            self.link(name, linked)
        return self.ids[name]

    def link(self, name: str, channel: str = "fake") -> int:
        """They are on that channel from now on."""
        with self.database.transaction() as db:
            address = addresses.ensured(db, channel, "", f"{channel}/{name}", self.now)
            addresses.bind(db, address.id, self.ids[name], self.now)
        return address.id

    def block(self, name: str, channel: str = "fake") -> None:
        """They blocked the bot there, and the channel noticed."""
        with self.database.transaction() as db:
            address = addresses.at(db, channel, "", f"{channel}/{name}")
            assert address
            claims.unreachable(db, address.id, "blocked")

    def block_by_event(self, name: str, channel: str = "fake") -> None:
        """They blocked the bot there, and the channel told of it by an event."""
        with self.database.transaction() as db:
            address = addresses.at(db, channel, "", f"{channel}/{name}")
            assert address
            claims.unreachable(db, address.id, "blocked", in_flight=False)

    def role(self, name: str, role: str, unit: int) -> None:
        """They hold a function in a unit."""
        with self.database.transaction() as db:
            db.execute(sa.insert(m.Role).values(person_id=self.ids[name], unit_id=unit, name=role, granted=False))

    def roster(self, name: str, **values: Any) -> None:
        """The roster says something else about a person now."""
        self.execute(sa.update(m.Person).where(m.Person.id == self.ids[name]).values(values))

    # -------------------------------------------------------------- what happens

    def execute(self, statement: sa.Executable) -> None:
        """One statement in a transaction of its own."""
        with self.database.transaction() as db:
            db.execute(statement)

    def opens(self) -> None:
        """Open the season now."""
        with self.database.transaction() as db:
            open_cycle(db, self.rules, {"short": FORM}, self.now)

    @property
    def cycle(self) -> Cycle:
        """The rules of the season as they are stored."""
        with self.database.transaction(read_only=True) as db:
            found = current_cycle(db)
        assert found
        return found

    def at(self, text: str) -> None:
        """Move the clock to a local time, "2026-12-01 08:00", and let everything happen that is due then."""
        self.now = datetime.fromisoformat(text).replace(tzinfo=SAIGON).astimezone(UTC)
        self.tick()

    def tick(self) -> None:
        """The clock's jobs, then delivery."""
        self.jobs()
        self.deliver()

    def jobs(self) -> None:
        """The clock's jobs."""
        with self.database.transaction() as db:
            jobs.close(db, self.now)
            cycle = current_cycle(db)
            assert cycle
            while jobs.remind(db, self.now, cycle).more:
                pass
            jobs.digest(db, self.now, cycle)
            if found := jobs.count(db, self.now):
                jobs.tally(db, found)

    def deliver(self) -> None:
        """Send what is due."""
        with self.database.transaction() as db:
            while self._deliver_one(db):
                pass

    def deliver_one(self) -> bool:
        """Claim and send one message in a transaction of its own; whether there was one."""
        with self.database.transaction() as db:
            return self._deliver_one(db)

    def _deliver_one(self, db: Db) -> bool:
        row = claims.claim_notice(db, "test", ("fake", ""), self.now, worded)
        if row is None:
            return False
        claims.mark_sent(db, [row.key], "test", self.now)
        assert row.body
        self.messages[row.chat.removeprefix("fake/")].append(loads(row.body))
        return True

    def flood(self, name: str, seconds: int = 60) -> None:
        """Claim what is due until it is that person's turn, for whom the platform asks to wait: surely not sent."""
        while True:
            with self.database.transaction() as db:
                row = claims.claim_notice(db, "test", ("fake", ""), self.now, worded)
                assert row is not None, "nothing is due for them"
                if row.chat == f"fake/{name}":
                    due = self.now + timedelta(seconds=seconds)
                    claims.put_back(db, row.key, "test", due, counted=False, parts_sent=0)
                    return
                claims.mark_sent(db, [row.key], "test", self.now)

    def states(self, name: str, kind: str = m.REMINDER) -> dict[str, str]:
        """The messages of a kind for a person, by what follows the assessment in the key: their states."""
        with self.database.transaction(read_only=True) as db:
            rows = db.execute(
                sa.select(m.Outgoing.key, m.Outgoing.state)
                .where(m.Outgoing.person_id == self.ids[name], m.Outgoing.kind == kind)
                .order_by(m.Outgoing.id)
            )
            return {key.split(":", 2)[2]: state for key, state in rows}

    def assessment(self, name: str) -> Assessment:
        """Where a person's review stands."""
        with self.database.transaction(read_only=True) as db:
            found = assessments.of(db, self.ids[name], self.cycle.id)
        assert found
        return found

    def put(self, name: str, **values: Any) -> None:
        """Set columns of a person's assessment, as a flow of the conversation would."""
        self.execute(sa.update(m.Assessment).where(m.Assessment.person_id == self.ids[name]).values(values))

    def submits(self, name: str) -> None:
        """They submit now: no reminder is due any more."""
        self.put(name, state=m.SUBMITTED, submitted_at=self.now, remind_at=None, active_at=self.now)

    def turn(self, db: Db, name: str, event: Event) -> Turn:
        """A turn of a person."""
        address = addresses.at(db, "fake", "", f"fake/{name}")
        assert address
        person = people.by_id(db, self.ids[name])
        cycle = current_cycle(db)
        return Turn(db, self.now, "test", event, address, person, cycle, "vi", group_of(db, [self.ids[name]], cycle))

    def taps(self, name: str, value: str, handle: Any, *more: Any) -> list[Message]:
        """What a flow answers to a tap of that person; ``more``: its further arguments."""
        with self.database.transaction() as db:
            turn = self.turn(db, name, Tapped(value))
            answers: list[Message] = handle(turn, *more)
            turn.group.write()
        return answers

    # -------------------------------------------------------------- what came of it

    def received(self, name: str) -> list[str]:
        """The texts a person got since the last time this was asked."""
        return [message.text for message in self.messages.pop(name, [])]

    def everybody(self, names: Iterable[str] = ("An", "Hoa", "Lan", "Tú")) -> dict[str, int]:
        """How many messages each got since the last time this was asked."""
        return {name: len(self.received(name)) for name in names}
