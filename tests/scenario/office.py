"""The office: its roster, its season, its deadline, its switch."""

import csv
from dataclasses import replace
from datetime import timedelta

from bot import pause, roster, season
from handlers.cycles import Slot
from handlers.turn import current_cycle
from storage import addresses, consents, people
from tests.scenario.model import ZONE, Changes, Life, day_of
from tests.scenario.world import CLOSES, DUE, HOUR, MINUTE, OPENS, SLOTS, World
from tests.season import FORM
from tests.world import demo_cycle

CELL = "Đảng bộ Khối mẫu/Đảng bộ cơ sở Sở A/Chi bộ {}"
NAMES = ("Bình", "Em", "Dung", "An", "Hoa", "Lan", "Tú", "Mai", "Sơn", "Cúc", "Đào", "Kiên", "Chi", "Vân")
ROLES = {"Bình": "secretary", "Em": "deputy", "Dung": "officer", "Chi": "secretary"}
REASONS = ("miễn công tác và sinh hoạt đảng", "chuyển sinh hoạt đảng", "từ trần")
COLUMNS = ("unit_path", "member_code", "full_name", "birth_date", "form", "role", "admitted_on", "exempt_reason")


class Office(World):
    """What an office does in a season."""

    def begin(self) -> None:
        """The office imports its roster, and almost everybody is linked and has agreed."""
        self.import_roster()
        for number, name in enumerate(NAMES):
            chat = str(1000 + number)
            life = Life(name, "1" if number < 8 else "2", ROLES.get(name, ""))
            self.history.lives[name] = life
            if name == "Vân":
                continue  # never linked
            for each in (chat, *([str(2000 + number)] if name in ("An", "Cúc") else ())):
                self.link(life, each)
            self.chats[name] = chat
        rules = self.history.rules.now
        cycle = replace(
            demo_cycle(), opens=OPENS, due=DUE, closes=CLOSES, forms=(("2B", FORM.id),), at_most=rules.at_most,
            week=rules.weekdays, slots=tuple(Slot(days, at) for days, at in SLOTS),
        )  # fmt: skip
        with self.database.transaction() as db:
            season.open_cycle(db, cycle, {FORM.id: FORM}, self.time.wall())
            for life in self.history.lives.values():
                if life.open and life.name != "Tú":  # he has not read it yet
                    person = people.by_code(db, code_of(life.name))
                    assert person is not None
                    found = current_cycle(db)
                    address = addresses.at(db, "telegram", str(self.api.id), next(iter(life.open)))
                    assert found is not None and address is not None
                    consents.record(
                        db, person.id, found.id, cycle.consent.version, given=True, address_id=address.id,
                        now=self.time.wall(),
                    )  # fmt: skip

    def link(self, life: Life, chat: str) -> None:
        """A chat of theirs."""
        self.api.user(int(chat))
        life.open[chat], life.closed_for[chat] = Changes(True), Changes(False)
        with self.database.transaction() as db:
            person = people.by_code(db, code_of(life.name))
            assert person is not None
            address = addresses.ensured(db, "telegram", str(self.api.id), chat, self.time.wall())
            addresses.bind(db, address.id, person.id, self.time.wall())

    def import_roster(self) -> None:
        """The roster as it is now, with who is exempt."""
        file = self.folder / "roster.csv"
        columns = (
            "unit_path",
            "member_code",
            "full_name",
            "birth_date",
            "form",
            "role",
            "admitted_on",
            "exempt_reason",
        )
        with file.open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out)
            table.writerow(columns)
            for number, name in enumerate(NAMES):
                cell, role = CELL.format(1 if number < 8 else 2), ROLES.get(name, "member")
                reason = self.exempt.get(name, "")
                table.writerow((cell, code_of(name), full(name), "1980-06-15", "2B", role, "2005-01-01", reason))
        found = roster.read(file, today=day_of(self.time.wall()))
        assert found.rejected == 0, found.findings
        with self.database.transaction() as db:
            roster.import_roster(db, found, self.time.wall())

    async def exempts(self, life: Life) -> None:
        """The roster exempts somebody, and perhaps takes it back."""
        if life.owes.now is not True:
            return
        # Who has left the cell leads it no more, and is no reader: here only members leave.
        self.exempt[life.name] = REASONS[0] if life.role else self.random.choice(REASONS)
        self.import_roster()
        life.done(self.time.true, "exempt")
        if self.random.random() < 0.5:
            back = self.time.true + self.random.choice((HOUR, 30 * HOUR, 100 * HOUR))
            self.later(back, f"{life.name} is not exempt after all", self.of(self.resumes, life))

    async def resumes(self, life: Life) -> None:
        """Not exempt after all."""
        del self.exempt[life.name]
        self.import_roster()
        life.owes.put(self.time.true, True)

    async def pause(self) -> None:
        """An operator stops what nobody asked for, and lets it go on."""
        self.history.paused.put(self.time.true, True)
        with self.database.transaction() as db:
            pause.pause(db, self.time.wall(), "vi")
        wait = self.random.choice((10 * MINUTE, 2 * HOUR, 30 * HOUR))
        self.later(self.time.true + wait, "it goes on", self.resume)

    async def resume(self) -> None:
        """It goes on."""
        with self.database.transaction() as db:
            pause.resume(db, self.time.wall(), "vi")
        self.history.paused.put(self.time.true, False)

    async def move(self) -> None:
        """The office gives another deadline."""
        days = timedelta(days=self.random.choice((-1, 1, 2)))
        rules = self.history.rules.now
        if rules.due != DUE or self.time.true > DUE - timedelta(days=3):
            return
        moved = replace(rules, due=rules.due + days, closes=rules.closes + days)
        self.note(f"the deadline is moved to {moved.due.astimezone(ZONE):%d/%m}")
        with self.database.transaction() as db:
            cycle = current_cycle(db)
            assert cycle is not None
            season.move_deadline(db, cycle, moved.due, moved.closes, self.time.wall())
        self.history.rules.put(self.time.true, moved)


def code_of(name: str) -> str:
    """The member code."""
    return f"KM-{NAMES.index(name) + 1:04}"


def full(name: str) -> str:
    """The name in the roster."""
    return f"Trần Thị {name}"
