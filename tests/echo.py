"""A conversation small enough to test the web chat with: it knows one code, and repeats what it hears."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from bot.channels import Incoming
from bot.channels.web import Web
from bot.documents import Documents
from bot.inbox import Inbox
from handlers.messages import Choice, Message, Move, Said, Tapped
from handlers.turn import Turn
from handlers.words import a_date
from storage import addresses, outbox
from storage import models as m
from storage.claims import Word
from storage.database import Database, Db
from storage.outbox import Outgoing
from tests.fakes import FakeClock

CODE, BIRTH, NAME = "MOI1-2345", date(1973, 7, 28), "Nguyễn Văn Kiên"
ASKED, WRONG, WELCOME = "Ngày sinh của đồng chí?", "Mã hoặc ngày sinh chưa đúng.", "Chào đồng chí Kiên."
LEVEL = "Câu 17/18 · IV\nTự xếp loại mức chất lượng"
LEVELS = ("Hoàn thành xuất sắc nhiệm vụ", "Hoàn thành tốt nhiệm vụ", "Hoàn thành nhiệm vụ", "Không hoàn thành nhiệm vụ")
NEXT = Move("12.next", "Tiếp")
OTHERS = (Move("12.back", "Quay lại"), Move("12.later", "Để sau"), Move("12.review", "Xem lại"))


def member(database: Database) -> int:
    """A person in a cell, by id."""
    with database.transaction() as db:
        unit = {"kind": "cell", "name": "Chi bộ 1", "key": "chi bo 1", "path": "1."}
        unit_id = db.execute(sa.insert(m.Unit).returning(m.Unit.id), unit).scalar_one()
        person = {"code": "KM-0043", "name": NAME, "name_key": "nguyen van kien", "birth_date": BIRTH}
        made = db.execute(sa.insert(m.Person).returning(m.Person.id), person | {"unit_id": unit_id})
        return made.scalar_one()


@dataclass
class Echo:
    """The inbox over a handler that repeats. ``broken``: nothing can be stored."""

    database: Database
    person: int
    clock: FakeClock = field(default_factory=FakeClock)
    broken: bool = False
    heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.database, answer=self.answer, now=self.clock, lang="vi", deliveries={})

    async def receive(self, incoming: Incoming) -> None:
        """As the inbox does."""
        if self.broken:
            raise OSError("disk full")
        await self.inbox.receive(incoming)

    def answer(self, turn: Turn) -> list[Message]:
        """What is said in one turn."""
        match turn.event:
            case Said(text) if turn.person is None:
                return [Message(self.join(turn, text))]
            case Said(text):
                self.heard.append(text)
                choices = tuple(Choice(f"12.level={n}", level) for n, level in enumerate(LEVELS))
                return [Message(f"Đã ghi: {text}"), Message(LEVEL, choices, OTHERS)]
            case Tapped(value):
                self.heard.append(value)
                return [Message(f"Đã chọn: {value}", (), (NEXT, *OTHERS))]
            case _:
                return []

    def join(self, turn: Turn, text: str) -> str:
        """The way in, in short: whether the code is right is said only with the birth date."""
        if text.startswith("/start "):
            addresses.go(turn.db, turn.address.id, "join/birth", {"known": text == f"/start {CODE}"})
            return ASKED
        if not turn.address.memory.get("known") or a_date(text) != BIRTH:
            return WRONG
        addresses.bind(turn.db, turn.address.id, self.person, turn.now)
        return WELCOME

    def notice(self, chat: str, key: str, body: str | None, *, expires: timedelta | None = None, **late: Any) -> None:
        """Queue a reminder for a chat, due now or *late*."""
        now = self.clock()
        with self.database.transaction() as db:
            address = addresses.at(db, "web", "", chat)
            assert address is not None
            outbox.put(
                db,
                key=key,
                kind=m.REMINDER,
                address_id=address.id,
                now=now,
                body=body,
                due_at=now + timedelta(**late),
                expires_at=None if expires is None else now + expires,
            )


def as_it_is(db: Db, outgoing: Outgoing, now: datetime) -> str | None:
    """A notice says the words it was put with; one without is not wanted."""
    return outgoing.body


def web(echo: Echo, word: Word = as_it_is, public_url: str = "") -> Web:
    """The web chat over the echo."""
    return Web(
        database=echo.database,
        receive=echo.receive,
        now=echo.clock,
        word=word,
        secret_key="a secret of the tests",
        zone=ZoneInfo("Asia/Ho_Chi_Minh"),
        documents=Documents(echo.database, echo.clock, "a secret of the tests", public_url, "vi"),
        public_url=public_url,
    )
