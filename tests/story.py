"""A conversation that shows every lost, doubled or swapped turn, and all that the outside saw of it.

Each person tells a story; every piece is numbered as it is stored, and the reply says the number. Submitting closes
it with a copy of what was there at that moment.
"""

import asyncio
import json
import time
from collections import defaultdict
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.channels import Incoming
from bot.delivery import Delivery
from bot.inbox import Inbox
from handlers.messages import Event, Message, Said, Tapped, dumps
from handlers.turn import Turn
from storage import claims, outbox
from storage import models as m
from storage.database import Database, Db
from storage.outbox import Outgoing
from storage.sealing import opened, seal
from tests.fakes import FakeChannel, until
from tests.seeded import START, seed

BOT = ("telegram", "1")
AN, BINH, CHI = "71", "72", "73"  # the chats of persons 1, 2 and 3
PERSON = {AN: 1, BINH: 2, CHI: 3}
SUBMIT = Tapped("submit")


def tell(turn: Turn) -> list[Message]:
    """The handler: assessment *n* is person *n*'s."""
    assert turn.person is not None
    mine, db = turn.person.id, turn.db
    closed = db.execute(sa.select(m.Submission.receipt).where(m.Submission.assessment_id == mine)).scalar()
    match turn.event:
        case Said(text) if text.startswith("raise"):
            raise ZeroDivisionError
        case _ if closed:
            return [Message(f"closed {turn.key}")]
        case Tapped(_):
            copy = seal(db, json.dumps([text for _, text in told(db, mine)]), f"submission/{mine}/1")
            snapshot = {"assessment_id": mine, "number": 1, "at": turn.now, "late": False, "snapshot": copy}
            db.execute(sa.insert(m.Submission).values(receipt=turn.key, **snapshot))
            outbox.withdraw_reminders(db, mine, "submitted")
            return [Message(f"submitted {turn.key}")]
        case Said(text):
            number = len(told(db, mine)) + 1
            words = seal(db, text, f"answer/{mine}/story/{number}")
            row = {"assessment_id": mine, "question": "story", "number": number, "starts": True, "at": turn.now}
            db.execute(sa.insert(m.Answer).values(words=words, **row))
            return [Message(f"{number} {text}")] + [Message(f"{number} {text}, again")] * text.startswith("two")
    return []


def told(db: Db, person: int) -> list[tuple[int, str]]:
    """A person's story as it is stored."""
    rows = db.execute(
        sa.select(m.Answer.number, m.Answer.words).where(m.Answer.assessment_id == person).order_by(m.Answer.id)
    )
    return [(number, opened(db, words, f"answer/{person}/story/{number}")) for number, words in rows]


def word(db: Db, row: Outgoing, now: datetime) -> str | None:
    """Reminders are for those who have not submitted."""
    closed = sa.select(m.Submission.id).where(m.Submission.assessment_id == row.assessment_id)
    return None if row.kind == m.REMINDER and db.execute(closed).first() else dumps(Message(row.key))


class Process:
    """An inbox and, where it delivers, a delivery, as one process has them."""

    def __init__(self, story: "Story", run: str, delivers: bool = True) -> None:
        self.deliveries: dict[tuple[str, str], Delivery] = {}
        self.inbox = Inbox(story.database, answer=tell, now=story.now, lang="vi", deliveries=self.deliveries)
        if delivers:
            self.delivery = Delivery(story.database, story.channel, run=run, now=story.now, word=word, pace=100_000)
            self.delivery.pace.next_notice = 0.0
            self.deliveries[BOT] = self.delivery


class Story:
    """The world: a database, people, processes; what was sent in, what was confirmed, what arrived."""

    def __init__(self, database: Database, *, speed: float = 100) -> None:
        seed(database)
        self.database, self.speed, self.began = database, speed, time.monotonic()
        self.channel = FakeChannel(*BOT)
        self.sent_in: dict[str, tuple[str, Event]] = {}
        self.confirmed: list[str] = []
        self.crashes = 0  # how many more copies of one message may have arrived

    def now(self) -> datetime:
        """A clock that runs fast: nobody waits for a back-off."""
        return START + timedelta(seconds=self.speed * (time.monotonic() - self.began))

    async def comes(self, process: Process, chat: str, event: Event | str, key: str | None = None) -> bool:
        """One update of the platform's; whether it was confirmed."""
        event = Said(event) if isinstance(event, str) else event
        key = key or f"telegram:1:{len(self.sent_in)}"
        self.sent_in[key] = (chat, event)
        try:
            await process.inbox.receive(Incoming(key, *BOT, chat, event))
        except Exception:
            return False
        self.confirmed.append(key)
        return True

    async def insists(self, process: Process, chat: str, *events: Event | str) -> None:
        """The platform brings each until it is confirmed, one after another."""
        for event in events:
            key = f"telegram:1:{len(self.sent_in)}"
            while not await self.comes(process, chat, event, key):  # noqa: ASYNC110 - as a platform does
                await asyncio.sleep(0.001)

    def put(self, db: Db, kind: str, key: str, chat: str) -> None:
        """A notice of the clock's."""
        address = sa.select(m.Address.id).where(m.Address.channel == BOT[0], m.Address.chat == chat)
        outbox.put(
            db,
            key=key,
            kind=kind,
            address_id=db.execute(address).scalar_one(),
            now=self.now(),
            person_id=PERSON[chat],
            assessment_id=PERSON[chat],
        )

    async def quiet(self, within: float = 30) -> None:
        """Wait until nothing is queued or claimed any more."""
        await until(lambda: not self.states().keys() & {m.QUEUED, m.CLAIMED}, within)

    def states(self) -> dict[str, set[str]]:
        """The keys of the outbox by state."""
        found = defaultdict(set)
        with self.database.transaction(read_only=True) as db:
            for key, state in db.execute(sa.select(m.Outgoing.key, m.Outgoing.state)):
                found[state].add(key)
        return found

    def takes_over(self, process: Process) -> None:
        """This process holds the delivering lock from now on."""
        with self.database.transaction() as db:
            claims.take_over(db, process.delivery.id, BOT, self.now())
