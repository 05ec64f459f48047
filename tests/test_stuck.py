"""What is stuck is shown without a word of anybody's, and can be sent again, run again or dropped, once."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from bot import stuck
from bot.channels import Incoming
from bot.inbox import Inbox
from handlers.messages import Message, Said, Tapped
from handlers.turn import Turn
from storage import addresses, incoming, outbox
from storage import models as m
from storage import stuck as stored
from storage.database import Database
from tests.conftest import postgres_database
from tests.fakes import FakeClock
from tests.postgres import Postgres
from tests.season import World
from tests.seeded import seed

NOW = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)


def put(
    database: Database, key: str, state: str, *, kind: str = m.REPLY, body: str | None = "{}", hours: int = 2
) -> None:
    """A message to An that has been due for so many hours."""
    with database.transaction() as db:
        address = addresses.ensured(db, "telegram", "1", "71", NOW)
        due = NOW - timedelta(hours=hours)
        outbox.put(db, key=key, kind=kind, address_id=address.id, now=due, body=body, state=state)
        db.execute(sa.update(m.Outgoing).where(m.Outgoing.key == key).values(why="Bad Request"))


def states(database: Database) -> dict[str, str]:
    with database.transaction(read_only=True) as db:
        return {row.key: row.state for row in db.execute(sa.select(m.Outgoing.key, m.Outgoing.state))}


def lines(database: Database) -> list[str]:
    with database.transaction(read_only=True) as db:
        return stuck.outbox_lines(db, NOW, "en")


def test_the_list_says_what_does_not_get_out_for_how_long_and_why(database: Database) -> None:
    put(database, "receipt:1", m.REFUSED, kind=m.RECEIPT, hours=30)
    put(database, "reminder:1:2026-12-01", m.UNSURE, kind=m.REMINDER, hours=3)
    put(database, "reply:a:0", m.QUEUED)
    put(database, "reply:b:0", m.QUEUED, hours=0)
    put(database, "reply:c:0", m.SENT)
    assert lines(database) == [
        "receipt:1              receipt   telegram  refused  1d 6h  Bad Request",
        "reminder:1:2026-12-01  reminder  telegram  unsure   3h 0m  Bad Request",
        "reply:a:0              reply     telegram  queued   2h 0m  Bad Request",
    ]


def test_nothing_stuck_is_said_in_a_line(database: Database) -> None:
    assert lines(database) == ["Nothing is stuck."]


@pytest.mark.parametrize(
    ("state", "kind", "body", "said", "after"),
    [
        (m.REFUSED, m.RECEIPT, "{}", "k: will be sent again.", m.QUEUED),
        (m.QUEUED, m.REPLY, "{}", "k: will be sent again.", m.QUEUED),
        (m.REFUSED, m.DIGEST, None, "k: will be sent again.", m.QUEUED),
        (m.REFUSED, m.REPLY, None, "k: its words were emptied after 7 days; it cannot be sent again.", m.REFUSED),
        (m.UNSURE, m.REMINDER, "{}", "k: may have arrived; a reminder is never sent twice.", m.UNSURE),
        (m.CLAIMED, m.REPLY, "{}", "k: on its way just now; wait.", m.CLAIMED),
        (m.SENT, m.REPLY, "{}", "k: sent, withdrawn or expired; not sent again.", m.SENT),
    ],
)
def test_only_what_was_surely_not_sent_is_sent_again(
    sqlite: Database, state: str, kind: str, body: str | None, said: str, after: str
) -> None:
    put(sqlite, "k", state, kind=kind, body=body)
    with sqlite.transaction() as db:
        assert stuck.retry(db, "k", NOW, "en") == (said, after == m.QUEUED)
    assert states(sqlite) == {"k": after}


def test_all_refused_ones_that_still_have_words_are_sent_again(database: Database) -> None:
    put(database, "a", m.REFUSED)
    put(database, "b", m.REFUSED, body=None)
    put(database, "c", m.UNSURE, kind=m.REMINDER)
    with database.transaction() as db:
        assert stuck.retry(db, None, NOW, "en") == ("1 messages will be sent again.", True)
    assert states(database) == {"a": m.QUEUED, "b": m.REFUSED, "c": m.UNSURE}


def test_a_first_notice_that_was_refused_is_sent_again_although_it_has_no_words_yet(database: Database) -> None:
    world = World(database)
    world.opens()
    refused = sa.update(m.Outgoing).where(m.Outgoing.person_id == world.ids["An"])
    world.execute(refused.values(state=m.REFUSED))
    with database.transaction() as db:
        key = db.scalars(sa.select(m.Outgoing.key).where(m.Outgoing.state == m.REFUSED)).one()
        assert stored.retry(db, key, world.now) == "done"
    world.execute(refused.values(state=m.REFUSED))
    with database.transaction() as db:
        assert stored.retry_refused(db, world.now) == 1


def test_a_dropped_message_is_never_sent_and_the_dropping_is_on_record(database: Database) -> None:
    put(database, "a", m.REFUSED)
    with database.transaction() as db:
        assert stuck.drop(db, "a", NOW, "en") == ("a: dropped.", True)
        assert stuck.drop(db, "a", NOW, "en") == ("a: sent, withdrawn or expired already.", False)
        assert stuck.drop(db, "b", NOW, "en") == ("b: there is no message with this key.", False)
        assert list(db.scalars(sa.select(m.Audit.action))) == ["outbox.dropped"]
    assert states(database) == {"a": m.WITHDRAWN}


class Kept:
    """An inbox whose handler fails until it is mended, and then counts what it was asked."""

    def __init__(self, database: Database) -> None:
        self.database, self.broken, self.turns = database, True, 0
        self.inbox = Inbox(database, answer=self.answer, now=FakeClock(NOW), lang="en", deliveries={})

    def answer(self, turn: Turn) -> list[Message]:
        if self.broken:
            raise ValueError("Nguyễn Văn An đã viết gì đó")
        self.turns += 1
        return [Message("noted")]

    async def fails(self, key: str, event: Said | Tapped) -> None:
        await self.inbox.receive(Incoming(key, "telegram", "1", "71", event))

    def lines(self) -> list[str]:
        with self.database.transaction(read_only=True) as db:
            return stuck.inbox_lines(db, NOW + timedelta(hours=1), "en")


@pytest.fixture
def kept(database: Database) -> Kept:
    return Kept(database)


async def test_a_kept_turn_is_run_again_with_one_effect_and_its_reply_goes_through_the_outbox(kept: Kept) -> None:
    await kept.fails("telegram:1:5", Said("12 đề tài"))
    assert kept.lines() == ["telegram:1:5  1h 0m  ValueError  -"]
    kept.broken = False
    assert await stuck.replay(kept.inbox, kept.database, None, "en") == (["telegram:1:5: run again."], True)
    assert await stuck.replay(kept.inbox, kept.database, "telegram:1:5", "en") == (
        ["telegram:1:5: no turn is kept under this key."],
        False,
    )
    await kept.fails("telegram:1:5", Said("12 đề tài"))
    assert kept.turns == 1
    assert states(kept.database) == {"apology:telegram:1:5": m.QUEUED, "reply:telegram:1:5:0": m.QUEUED}
    assert kept.lines() == ["Nothing is stuck."]


async def test_a_turn_that_fails_again_stays_kept(kept: Kept) -> None:
    await kept.fails("telegram:1:5", Said("12 đề tài"))
    assert await stuck.replay(kept.inbox, kept.database, None, "en") == (
        ["telegram:1:5: failed again (ValueError), still kept."],
        False,
    )
    assert kept.lines() == ["telegram:1:5  1h 0m  ValueError  -"]


async def test_words_are_left_alone_where_their_writer_answered_since(
    kept: Kept,
) -> None:
    seed(kept.database)
    await kept.fails("telegram:1:5", Said("12 đề tài"))
    await kept.fails("telegram:1:6", Tapped("1.b2_1=good"))
    with kept.database.transaction() as db:
        db.execute(sa.update(m.Assessment).values(active_at=NOW + timedelta(minutes=5)))
    kept.broken = False
    assert await stuck.replay(kept.inbox, kept.database, None, "en") == (
        [
            "telegram:1:5: left alone, its writer has answered since; name the key to run it all the same.",
            "telegram:1:6: run again.",
        ],
        True,
    )
    assert kept.lines() == ["telegram:1:5  1h 0m  ValueError  answered since"]
    assert await stuck.replay(kept.inbox, kept.database, "telegram:1:5", "en") == (["telegram:1:5: run again."], True)


async def test_words_are_not_taken_for_those_of_whoever_holds_the_chat_now(kept: Kept) -> None:
    seed(kept.database)
    await kept.fails("telegram:1:5", Said("12 đề tài"))
    with kept.database.transaction() as db:
        db.execute(sa.update(m.Address).where(m.Address.chat == "71").values(person_id=2))
    kept.broken = False
    assert await stuck.replay(kept.inbox, kept.database, None, "en") == (
        ["telegram:1:5: failed again (NotTheirs), still kept."],
        False,
    )
    assert kept.turns == 0


async def test_a_kept_turn_is_run_again_after_a_redelivery_of_it_that_another_process_has_in_hand(
    postgres: Postgres,
) -> None:
    with closing(postgres_database(postgres)) as database:
        kept, key = Kept(database), "telegram:1:5"
        await kept.fails(key, Said("12 đề tài"))
        kept.broken = False
        with database.engine.connect() as other, other.begin():
            addresses.together(other, [("telegram", "1", "71")], NOW, wait=True)
            again = asyncio.create_task(stuck.replay(kept.inbox, database, key, "en"))
            await asyncio.sleep(0.3)
            assert await asyncio.to_thread(incoming.take_in, other, [key], NOW) == set()
        assert await again == ([f"{key}: run again."], True)
        assert kept.turns == 1


async def test_a_turn_that_was_given_up_is_not_run_again_even_where_it_is_redelivered(kept: Kept) -> None:
    await kept.fails("telegram:1:5", Said("12 đề tài"))
    with kept.database.transaction() as db:
        assert stuck.give_up(db, "telegram:1:5", NOW, "en") == ("telegram:1:5: given up.", True)
        assert stuck.give_up(db, "telegram:1:5", NOW, "en") == (
            "telegram:1:5: no turn is kept under this key.",
            False,
        )
    kept.broken = False
    await kept.fails("telegram:1:5", Said("12 đề tài"))
    assert kept.turns == 0
