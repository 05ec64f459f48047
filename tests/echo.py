"""A conversation small enough to test the web chat with: it knows one code, and repeats what it hears."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.channels import Incoming
from bot.channels.web import Web
from handlers.messages import Choice, Message, Move, Said, Tapped, dumps
from handlers.words import a_date
from storage import addresses, outbox
from storage import models as m
from storage.claims import Word
from storage.database import Database, Db, insert_new

BIRTH = date(1973, 7, 28)
LEVELS = ("Hoàn thành xuất sắc nhiệm vụ", "Hoàn thành tốt nhiệm vụ", "Hoàn thành nhiệm vụ", "Không hoàn thành nhiệm vụ")
MOVES = (
    Move("12.next", "Tiếp"),
    Move("12.back", "Quay lại"),
    Move("12.later", "Để sau"),
    Move("12.review", "Xem lại"),
)


def member(database: Database) -> int:
    """A person in a unit."""
    with database.transaction() as db:
        unit = db.execute(insert_new(db, m.Unit).returning(m.Unit.id), unit_row()).scalar_one()
        person = {"code": "KM-0043", "name": "Nguyễn Văn Kiên", "name_key": "nguyen van kien", "birth_date": BIRTH}
        return int(db.execute(insert_new(db, m.Person).returning(m.Person.id), person | {"unit_id": unit}).scalar_one())


def unit_row() -> dict[str, str]:
    """One cell."""
    return {"kind": "cell", "name": "Chi bộ 1", "key": "chi bo 1", "path": "1."}


@dataclass
class Echo:
    """``receive`` of the tests. ``broken``: nothing can be stored."""

    database: Database
    person: int
    at: datetime = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
    broken: bool = False
    heard: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        """The tests' time."""
        return self.at

    async def receive(self, incoming: Incoming) -> None:
        """Take it in once; what is said to it has the page's next number."""
        if self.broken:
            raise OSError("disk full")
        await self.database.write(lambda db: self.turn(db, incoming))

    def turn(self, db: Db, incoming: Incoming) -> None:
        """One turn."""
        address = addresses.ensured(db, incoming.channel, incoming.bot, incoming.chat, self.at)
        if not db.execute(insert_new(db, m.IncomingKey), {"key": incoming.key, "at": self.at}).rowcount:
            return
        match incoming.event:
            case Said(text) if address.person_id is None:
                self.say(db, address.id, incoming.key, Message(self.join(db, address, text)))
            case Said(text):
                self.heard.append(text)
                choices = tuple(Choice(f"12.level={n}", level) for n, level in enumerate(LEVELS))
                answer = Message(f"Đã ghi: {text}\n\nCâu 17/18 · IV\nTự xếp loại mức chất lượng", choices, MOVES[1:])
                self.say(db, address.id, incoming.key, answer)
            case Tapped(value):
                self.heard.append(value)
                self.say(db, address.id, incoming.key, Message("Câu 5/18 · A.II\nVề phẩm chất chính trị", (), MOVES))
            case _:
                pass

    def join(self, db: Db, address: addresses.Address, text: str) -> str:
        """The join flow, in short."""
        if text == "/start MOI1-2345":
            addresses.go(db, address.id, "join/birth")
            return "Đồng chí cho biết ngày sinh."
        if text.startswith("/start"):
            addresses.go(db, address.id, "join/birth", {"unknown": 1})
            return "Đồng chí cho biết ngày sinh."
        if address.memory or a_date(text) != BIRTH:
            return "Mã hoặc ngày sinh chưa đúng."
        addresses.bind(db, address.id, self.person, self.at)
        return "Chào đồng chí Kiên."

    def say(self, db: Db, address_id: int, key: str, message: Message) -> None:
        """A reply on the page."""
        address = addresses.by_id(db, address_id)
        assert address is not None
        db.execute(m.Address.__table__.update().where(m.Address.id == address_id).values(seq=address.seq + 1))
        outbox.put(
            db,
            key=f"{key}/0",
            kind=m.REPLY,
            address_id=address_id,
            now=self.at,
            body=dumps(message),
            state=m.SENT,
            seq=address.seq + 1,
        )

    def notice(self, chat: str, key: str, body: str | None, *, after: timedelta, expires: timedelta | None) -> None:
        """Queue a notice for a chat."""
        with self.database.transaction() as db:
            address = addresses.at(db, "web", "", chat)
            assert address is not None
            outbox.put(
                db,
                key=key,
                kind=m.REMINDER,
                address_id=address.id,
                now=self.at,
                body=body,
                due_at=self.at + after,
                expires_at=None if expires is None else self.at + expires,
            )


def web(echo: Echo, word: Word = lambda db, outgoing, now: None, public_url: str = "") -> Web:
    """The web chat over the echo."""
    return Web(
        database=echo.database,
        receive=echo.receive,
        now=echo.now,
        word=word,
        secret_key="a secret of the tests",
        zone=ZoneInfo("Asia/Ho_Chi_Minh"),
        public_url=public_url,
    )
