"""One turn, one transaction: what is confirmed is stored, once; what fails is kept and stops nobody."""

import asyncio

import pytest
import sqlalchemy as sa

from bot.channels import Incoming
from bot.delivery import Delivery
from bot.inbox import Inbox, Waiting, as_json, from_json
from bot.inbox import _one_each as one_each
from handlers.messages import Message, Said, Sent, Tapped
from handlers.turn import Turn
from storage import addresses, incoming, outbox
from storage import models as m
from storage.database import Database
from tests.fakes import FakeChannel, FakeClock
from tests.people import a_person


class Desk:
    """An inbox with a fake channel, and a handler that counts what a chat said in its memory."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock, self.channel = database, FakeClock(), FakeChannel()
        self.delivery = Delivery(
            database, self.channel, run="run-1", now=self.clock, word=lambda db, row, now: None, pace=1000
        )
        self.inbox = Inbox(
            database,
            answer=self.answer,
            now=self.clock,
            lang="vi",
            deliveries={("fake", "1"): self.delivery},
        )
        self.turns = 0
        self.number = 0

    def answer(self, turn: Turn) -> list[Message]:
        self.turns += 1
        match turn.event:
            case Said("raise"):
                raise ValueError("người dân nói gì đó")
            case Said("nothing"):
                return []
            case Said("two"):
                return [Message("1/2"), Message("2/2")]
        count = turn.address.memory.get("count", 0) + 1
        addresses.go(turn.db, turn.address.id, "", {"count": count})
        return [Message(f"{count}")]

    def incoming(self, chat: str, text: str, key: str | None = None) -> Incoming:
        self.number += 1
        return Incoming(key or f"fake:1:{self.number}", "fake", "1", chat, Said(text))

    async def says(self, chat: str, *texts: str) -> None:
        await asyncio.gather(*(self.inbox.receive(self.incoming(chat, text)) for text in texts))
        await self.delivery.drain()

    def states(self) -> list[str]:
        with self.database.transaction(read_only=True) as db:
            return list(db.scalars(sa.select(m.Outgoing.state).order_by(m.Outgoing.id)))

    def said(self, chat: str) -> list[str]:
        return [message.text for message in self.channel.inbox[chat]]


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


async def test_an_answer_is_stored_then_answered_and_marked_as_sent(desk: Desk) -> None:
    await desk.says("an", "xin chào")
    assert desk.said("an") == ["1"]
    assert desk.states() == [m.SENT]


async def test_a_redelivered_update_has_no_effect_and_no_second_reply(desk: Desk) -> None:
    came = desk.incoming("an", "xin chào", key="fake:1:77")
    await asyncio.gather(*(desk.inbox.receive(came) for _ in range(3)))
    await desk.inbox.receive(came)
    await desk.delivery.drain()
    assert desk.turns == 1
    assert desk.said("an") == ["1"]


async def test_many_messages_of_one_chat_are_taken_one_after_another(desk: Desk) -> None:
    running = asyncio.create_task(desk.delivery.run())
    await asyncio.gather(*(desk.inbox.receive(desk.incoming("an", "a")) for _ in range(20)))
    await desk.channel.has("an", 20)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert desk.said("an") == [str(n) for n in range(1, 21)]


async def test_two_messages_of_one_turn_go_out_in_order(desk: Desk) -> None:
    await desk.says("an", "two")
    assert desk.said("an") == ["1/2", "2/2"]


async def test_a_turn_that_raises_is_kept_apologised_for_and_stops_nobody(desk: Desk) -> None:
    await asyncio.gather(
        desk.inbox.receive(desk.incoming("an", "a")),
        desk.inbox.receive(desk.incoming("binh", "raise", key="fake:1:bad")),
        desk.inbox.receive(desk.incoming("chi", "a")),
    )
    await desk.delivery.deliver_replies()
    await desk.delivery.drain()
    assert desk.said("an") == ["1"]
    assert desk.said("chi") == ["1"]
    assert len(desk.said("binh")) == 1
    with desk.database.transaction(read_only=True) as db:
        (kept,) = incoming.kept(db)
    assert (kept.key, kept.failed) == ("fake:1:bad", "ValueError")
    assert from_json(kept.payload)[0].event == Said("raise")

    await desk.says("binh", "a")
    assert desk.said("binh")[1:] == ["1"]


async def test_a_full_disk_in_the_second_of_three_turns_confirms_nothing_that_is_not_stored(sqlite: Database) -> None:
    desk = Desk(sqlite)
    await desk.says("an", "a")
    with sqlite.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.rollback()

    @sa.event.listens_for(sqlite.engine, "begin")
    def no_room(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")

    long = "x" * 3000
    results = await asyncio.gather(
        *(desk.inbox.receive(desk.incoming(chat, long, key=f"fake:1:{chat}" + "k" * 3000)) for chat in ("b", "c", "d")),
        return_exceptions=True,
    )
    sa.event.remove(sqlite.engine, "begin", no_room)
    with sqlite.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
        connection.rollback()
    confirmed = {chat for chat, result in zip(("b", "c", "d"), results, strict=True) if result is None}
    with sqlite.transaction(read_only=True) as db:
        stored = set(db.scalars(sa.select(m.IncomingKey.key)))
    assert {key.removeprefix("fake:1:")[0] for key in stored if key.endswith("k")} == confirmed
    assert len(confirmed) < 3

    await asyncio.gather(*(desk.inbox.receive(desk.incoming(chat, "again")) for chat in ("b", "c", "d")))


async def test_a_web_address_is_answered_on_its_page(desk: Desk) -> None:
    for number in range(2):
        await desk.inbox.receive(Incoming(f"web:w:{number}", "web", "", "w", Said("two")))
    with desk.database.transaction(read_only=True) as db:
        columns = m.Outgoing.seq, m.Outgoing.state, m.Outgoing.sent_at
        rows = db.execute(sa.select(*columns).order_by(m.Outgoing.id)).all()
    assert [tuple(row) for row in rows] == [(number, m.SENT, desk.clock()) for number in (1, 2, 3, 4)]


async def test_a_turn_of_the_web_that_raises_is_apologised_for_on_its_page(desk: Desk) -> None:
    await desk.inbox.receive(Incoming("web:w:1", "web", "", "w", Said("raise")))
    columns = m.Outgoing.key, m.Outgoing.state, m.Outgoing.seq, m.Outgoing.sent_at
    with desk.database.transaction(read_only=True) as db:
        assert tuple(db.execute(sa.select(*columns)).one()) == ("apology:web:w:1", m.SENT, 1, desk.clock())


async def test_what_was_sent_is_marked_even_where_the_turn_that_came_next_raised(desk: Desk) -> None:
    await desk.inbox.receive(desk.incoming("an", "a"))
    await asyncio.gather(*desk.delivery.under_way)  # sent, and not marked yet
    await desk.inbox.receive(desk.incoming("bình", "raise"))
    await desk.delivery.drain()
    assert desk.states() == [m.SENT, m.QUEUED]


async def test_a_reply_on_its_way_is_not_taken_for_a_lost_one(desk: Desk) -> None:
    desk.channel.holds["an"] = asyncio.Event()
    await desk.inbox.receive(desk.incoming("an", "a"))
    await desk.channel.is_called("an")
    desk.delivery.lost = True  # a commit of another turn failed, or so it seemed
    assert not await desk.delivery.deliver_replies()
    desk.channel.holds.pop("an").set()
    await desk.delivery.drain()
    assert (desk.said("an"), desk.states()) == (["1"], [m.SENT])


async def test_of_a_persons_turns_one_is_in_a_transaction_and_those_of_nobody_yet_all_are(desk: Desk) -> None:
    with desk.database.transaction() as db:
        person = a_person(db)
        for chat, whose in (("phone", person), ("tablet", person), ("new", None), ("newer", None)):
            address = addresses.ensured(db, "fake", "1", chat, desk.clock())
            if whose is not None:
                addresses.bind(db, address.id, whose, desk.clock())
    chats = ("phone", "tablet", "new", "held by another process", "newer")
    group = [Waiting(desk.incoming(chat, "a", key=chat), asyncio.Future()) for chat in chats]
    again = Waiting(desk.incoming("newer", "a", key="new"), asyncio.Future())  # the same update once more
    with desk.database.transaction() as db:
        at = {each.chat: found for each in group if (found := addresses.at(db, *each.chat))}
    assert list(one_each([*group, again], at)) == ["phone", "new", "newer"]


async def test_an_address_that_is_nobodys_here_is_left_to_whoever_delivers_it(desk: Desk) -> None:
    await desk.inbox.receive(Incoming("fake:2:1", "fake", "2", "an", Said("a")))
    columns = m.Outgoing.state, m.Outgoing.attempts, m.Outgoing.parts_sent, m.Outgoing.sent_at
    with desk.database.transaction(read_only=True) as db:
        assert tuple(db.execute(sa.select(*columns)).one()) == (m.QUEUED, 0, 0, None)


async def test_a_cancelled_request_does_not_stop_the_inbox(desk: Desk) -> None:
    task = asyncio.create_task(desk.inbox.receive(desk.incoming("an", "a")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await desk.inbox.drain()
    await desk.says("an", "a")
    assert desk.said("an") == ["1", "2"]


@pytest.mark.parametrize("event", [Said("chào"), Tapped("12.a=b"), Sent("photo")])
def test_a_kept_event_is_what_came_in(event: Said | Tapped | Sent) -> None:
    came = Incoming("k", "fake", "1", "an", event)
    assert from_json(as_json(came, 7)) == (came, 7)


def test_a_message_is_never_in_the_outbox_twice(database: Database) -> None:
    clock = FakeClock()
    with database.transaction() as db:
        address = addresses.ensured(db, "fake", "1", "an", clock())
        put = [outbox.put(db, key="k", kind=m.NOTICE, address_id=address.id, now=clock()) for _ in range(2)]
    assert put == [True, False]
