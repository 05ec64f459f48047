"""What becomes of a message, kind by kind, for each way in which sending it can fail."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from bot import delivery
from bot.channels import Refused, Stopped, TryLater, Unreachable
from bot.delivery import Delivery
from bot.sending import JustSaid, written
from handlers.messages import Document, Message, dumps, loads
from storage import addresses, claims, outbox
from storage import models as m
from storage.database import Database, Db
from storage.outbox import Outgoing
from storage.sealing import opened, seal
from tests.fakes import FakeChannel, FakeClock, Taken
from tests.people import a_person

REPLIES = (m.REPLY, m.RECEIPT)
AGAIN = (m.REPLY, m.RECEIPT, m.DIGEST, m.NOTICE)  # sent at least once
ONCE = m.REMINDER  # at most once
KINDS = (*AGAIN, ONCE)
BOT = ("fake", "1")
NOW_LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)


class Post:
    """An outbox with a channel, delivered by hand, one round at a time."""

    def __init__(self, database: Database, *, word: claims.Word | None = None, max_text: int = 4096) -> None:
        self.database, self.clock = database, FakeClock()
        self.channel = FakeChannel(max_text=max_text)
        self.word = word or (lambda db, row, now: row.body or dumps(Message(row.key)))
        self.delivery = self.another("run-1")

    def another(self, run: str, may_send: Callable[[], bool] = lambda: True) -> Delivery:
        """A delivery of another run, on the same channel."""
        return Delivery(
            self.database, self.channel, run=run, now=self.clock, word=self.word, pace=100_000, may_send=may_send
        )

    def put(self, kind: str, *keys: str, chat: str = "an", text: str | None = None, **more: Any) -> None:
        """Rows for one chat; reminders and digests are worded when they are claimed, like those of the clock."""
        with self.database.transaction() as db:
            self.put_in(db, kind, *keys, chat=chat, text=text, **more)

    def put_in(self, db: Db, kind: str, *keys: str, chat: str = "an", text: str | None = None, **more: Any) -> None:
        address = addresses.ensured(db, *BOT, chat, self.clock())
        for key in keys:
            body = None if kind in (m.REMINDER, m.DIGEST) and text is None else dumps(Message(text or key))
            outbox.put(
                db,
                key=key,
                kind=kind,
                address_id=address.id,
                person_id=address.person_id,
                now=self.clock(),
                body=body,
                **more,
            )

    async def round(self, delivery: Delivery | None = None) -> None:
        """Deliver all that is due."""
        delivery = delivery or self.delivery
        while True:
            replies, notice = await delivery.deliver_replies(), await delivery.deliver_notice()
            await delivery.drain()
            if not replies and not notice:
                return

    def row(self, key: str) -> Any:
        with self.database.transaction(read_only=True) as db:
            return db.execute(sa.select(m.Outgoing.__table__).where(m.Outgoing.key == key)).one()

    def words(self, key: str) -> str:
        with self.database.transaction(read_only=True) as db:
            return opened(db, self.row(key).body, f"outgoing/{key}")

    def states(self) -> dict[str, str]:
        with self.database.transaction(read_only=True) as db:
            return {row.key: row.state for row in db.execute(sa.select(m.Outgoing.key, m.Outgoing.state))}

    def said(self, chat: str = "an") -> list[str]:
        return [message.text for message in self.channel.inbox[chat]]


@pytest.fixture
def post(sqlite: Database) -> Post:
    return Post(sqlite)


# ------------------------------------------------------------------ the table of failures, kind by kind


@pytest.mark.parametrize("kind", KINDS)
async def test_what_goes_well_is_sent_once_and_marked(post: Post, kind: str) -> None:
    post.put(kind, "k")
    await post.round()
    await post.round()
    assert post.said() == ["k"]
    assert (post.row("k").state, post.row("k").sent_at) == (m.SENT, post.clock())


@pytest.mark.parametrize("kind", KINDS)
async def test_after_a_429_the_row_waits_as_long_as_the_platform_says_and_no_attempt_is_counted(
    post: Post, kind: str
) -> None:
    post.put(kind, "k")
    post.channel.fails["an"].append(TryLater(timedelta(seconds=5), flood=True))
    await post.round()
    row = post.row("k")
    assert (row.state, row.due_at, row.attempts) == (m.QUEUED, post.clock() + timedelta(seconds=5), 0)
    assert post.said() == []


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_surely_not_sent_is_tried_again_soon(post: Post, kind: str) -> None:
    post.put(kind, "k")
    post.channel.fails["an"].append(TryLater())
    await post.round()
    assert post.row("k").state == m.QUEUED
    post.clock.forward(seconds=1)
    await post.round()
    assert (post.said(), post.row("k").state) == (["k"], m.SENT)


@pytest.mark.parametrize("kind", AGAIN)
@pytest.mark.parametrize("taken", [True, False])
async def test_what_may_have_been_sent_is_sent_again(post: Post, kind: str, taken: bool) -> None:
    post.put(kind, "k")
    post.channel.fails["an"].append(Taken(TryLater(sent=None)) if taken else TryLater(sent=None))
    await post.round()
    assert post.row("k").state == m.QUEUED
    post.clock.forward(seconds=1)
    await post.round()
    assert (post.said(), post.row("k").state) == (["k"] * (2 if taken else 1), m.SENT)


@pytest.mark.parametrize("taken", [True, False])
async def test_a_reminder_that_may_have_been_sent_is_closed_as_unsure(post: Post, taken: bool) -> None:
    post.put(ONCE, "k")
    post.channel.fails["an"].append(Taken(TryLater(sent=None)) if taken else TryLater(sent=None))
    await post.round()
    post.clock.forward(days=1)
    await post.round()
    assert (post.said(), post.row("k").state) == (["k"] if taken else [], m.UNSURE)
    assert post.channel.tries["an"] == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_who_blocked_the_bot_is_closed_and_what_waits_for_them_is_withdrawn(post: Post, kind: str) -> None:
    post.put(kind, "k")
    post.put(m.REMINDER, "later", due_at=post.clock() + timedelta(days=1))
    post.put(kind, "other", chat="binh")
    post.channel.fails["an"].append(Unreachable("bot was blocked by the user"))
    await post.round()
    assert post.states() == {"k": m.WITHDRAWN, "later": m.WITHDRAWN, "other": m.SENT}
    with post.database.transaction() as db:
        address = addresses.at(db, *BOT, "an")
        assert address is not None and address.closed == "bot was blocked by the user"
    assert post.channel.tries["an"] == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("error", "why"), [(Refused("Can't parse entities"), "Can't parse entities"), (ValueError("words"), "ValueError")]
)
async def test_what_is_refused_is_kept_and_called_exactly_once(
    post: Post, kind: str, error: Exception, why: str
) -> None:
    post.put(kind, "k")
    post.channel.fails["an"].append(error)
    await post.round()
    post.clock.forward(days=1)
    await post.round()
    row = post.row("k")
    words = None if kind == m.REMINDER else loads(post.words("k")).text  # a reminder is worded anew where it is retried
    assert (row.state, row.why, row.body and words) == (m.REFUSED, why, words)
    assert post.channel.tries["an"] == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_when_the_channel_stops_every_row_stays(post: Post, kind: str) -> None:
    post.put(kind, "k", "l")
    post.channel.fails["an"].append(Stopped("Telegram refuses the token"))
    await post.round()
    post.clock.forward(days=1)
    await post.round()
    assert post.states() == {"k": m.QUEUED, "l": m.QUEUED}
    assert (post.delivery.stopped, post.channel.tries["an"]) == ("Telegram refuses the token", 1)


async def test_failing_again_and_again_waits_1_2_4_and_at_most_60_seconds(post: Post) -> None:
    post.put(m.REPLY, "k")
    waits = []
    for _ in range(9):
        post.channel.fails["an"].append(TryLater(sent=None))
        await post.round()
        wait = post.row("k").due_at - post.clock()
        waits.append(wait.total_seconds())
        post.clock.at += wait
    for wait, longest in zip(waits, (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=True):
        assert longest / 2 <= wait <= longest


@pytest.mark.parametrize(
    ("error", "state"),
    [(Refused("no"), m.REFUSED), (Unreachable("blocked"), m.WITHDRAWN), (TryLater(sent=None), m.UNSURE)],
)
async def test_what_became_of_a_row_is_stored_however_often_that_fails(
    post: Post, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str
) -> None:
    monkeypatch.setattr(delivery, "LOOK", 0.01)
    post.put(m.REMINDER, "k")
    post.channel.fails["an"].append(error)
    post.channel.holds["an"] = asyncio.Event()
    assert await post.delivery.deliver_notice()
    await post.channel.is_called("an")
    fails = iter([True, True, True])

    def gone(connection: sa.Connection) -> None:
        if next(fails, False):
            raise sa.exc.OperationalError("BEGIN", {}, Exception("disk I/O error"))

    sa.event.listen(post.database.engine, "begin", gone)
    post.channel.holds.pop("an").set()
    await post.delivery.drain()
    sa.event.remove(post.database.engine, "begin", gone)
    assert (post.row("k").state, post.delivery.in_hand, next(fails, None)) == (state, set(), None)


# ------------------------------------------------------------------ order


@pytest.mark.parametrize("next_run", [False, True])
async def test_a_wall_clock_set_back_keeps_no_reply_waiting(post: Post, next_run: bool) -> None:
    """Neither one that was to be tried again, nor a fresh one; the same run or the next one."""
    post.channel.fails["an"].append(TryLater())
    post.put(m.REPLY, "again")
    await post.round()
    post.put(m.RECEIPT, "fresh", chat="bình")
    post.clock.forward(hours=-2)
    await post.round(post.another("run-2") if next_run else None)
    assert sorted(key for _, key in post.channel.order) == ["again", "fresh"]


async def test_a_wall_clock_set_back_keeps_no_notice_waiting_after_a_start(post: Post) -> None:
    post.channel.fails["an"].append(TryLater())
    post.put(m.NOTICE, "again")
    await post.round()
    post.put(m.DIGEST, "fresh", chat="bình")
    post.put(m.NOTICE, "planned", chat="chi", due_at=post.clock() + timedelta(days=3))
    post.clock.forward(hours=-2)
    with post.database.transaction() as db:
        assert claims.pull_in(db, BOT, post.clock()) == 2
    await post.round(post.another("run-2"))
    assert sorted(key for _, key in post.channel.order) == ["again", "fresh"]


async def test_a_wall_clock_set_back_keeps_no_notice_waiting_that_a_429_put_back(post: Post) -> None:
    """Its failure is not counted, and it was made before the clock was set back to."""
    post.put(m.DIGEST, "k")
    post.clock.forward(hours=3)
    post.channel.fails["an"].append(TryLater(timedelta(seconds=50), flood=True))
    await post.round()
    post.clock.forward(hours=-2)
    with post.database.transaction() as db:
        assert claims.pull_in(db, BOT, post.clock()) == 1


async def test_what_is_put_for_later_stays_there_when_the_clock_is_set_right(post: Post) -> None:
    post.put(m.NOTICE, "planned", due_at=post.clock() + timedelta(days=3))
    post.clock.forward(minutes=-2)
    with post.database.transaction() as db:
        assert claims.pull_in(db, BOT, post.clock()) == 0


async def test_what_the_wording_put_off_stays_there_however_often_it_was_tried_before(sqlite: Database) -> None:
    morning = FakeClock()() + timedelta(hours=9)
    post = Post(sqlite, word=lambda db, row, now: morning)
    post.put(m.DIGEST, "k")
    with sqlite.transaction() as db:
        db.execute(sa.update(m.Outgoing).values(attempts=3))
    await post.round()
    assert post.row("k").due_at == morning
    post.clock.forward(minutes=1)
    with sqlite.transaction() as db:
        assert claims.pull_in(db, BOT, post.clock()) == 0


async def test_nothing_is_put_back_for_more_than_a_minute_and_a_flooded_chat_is_not_called_sooner(post: Post) -> None:
    post.channel.fails["an"].append(TryLater(timedelta(hours=1), flood=True))
    post.put(m.REPLY, "a")
    await post.round()
    assert post.row("a").due_at - post.clock() == timedelta(minutes=1)
    post.clock.forward(minutes=2)
    await post.delivery.deliver_replies()
    await post.delivery.drain()
    assert (post.channel.tries["an"], post.row("a").attempts) == (1, 0)


async def test_while_nothing_can_be_stored_one_row_is_tried_again_and_not_each(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LOOK", 0.05)
    post, tries = Post(sqlite), 0

    def full(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        nonlocal tries
        if statement.startswith("UPDATE outgoing SET state='refused'") or "refused" in str(rest[0]):
            tries += 1
            raise sa.exc.OperationalError("", {}, Exception("disk full"))

    for number in range(40):
        post.channel.fails[f"chat {number}"].append(Refused("Bad Request"))
        post.put(m.REPLY, f"reply {number}", chat=f"chat {number}")
    await post.delivery.deliver_replies()
    event.listen(sqlite.engine, "before_cursor_execute", full)
    await asyncio.sleep(0.5)
    event.remove(sqlite.engine, "before_cursor_execute", full)
    await post.delivery.drain()
    assert {post.row(f"reply {number}").state for number in range(40)} == {m.REFUSED}
    assert 40 <= tries <= 60  # each once, then one of them every 0.05 s


async def test_there_is_one_timer_whatever_wants_to_be_woken(post: Post) -> None:
    loop = asyncio.get_running_loop()
    timers = list[Any]()
    for seconds in (30, 60, 1, 2, 40, 1, 0.5):
        post.delivery._wake_after(seconds)
        timers.append(post.delivery.timer)
    pending = {id(timer) for timer in timers if not timer.cancelled()}
    assert pending == {id(timers[-1])}
    assert timers[-1].when() <= loop.time() + 0.5
    timers[-1].cancel()


async def test_replies_of_one_chat_keep_their_order_while_others_flow(post: Post) -> None:
    post.channel.fails["an"].extend([None, TryLater(timedelta(seconds=5), flood=True)])
    post.put(m.REPLY, "1", "2", "3", "4")
    post.put(m.REPLY, "a", "b", chat="binh")
    await post.round()
    assert (post.said("an"), post.said("binh")) == (["1"], ["a", "b"])
    post.clock.forward(seconds=4)
    await post.round()
    assert post.channel.tries["an"] == 2
    post.clock.forward(seconds=1)
    post.delivery.pace.chats.clear()  # its five seconds are real ones
    await post.round()
    assert post.said("an") == ["1", "2", "3", "4"]


async def test_a_flooded_chat_is_not_called_again_before_its_time_not_even_for_a_new_reply(post: Post) -> None:
    post.channel.fails["an"].append(TryLater(timedelta(seconds=50), flood=True))
    post.put(m.REPLY, "1")
    await post.round()
    post.clock.forward(seconds=50)  # the wall clock jumps; the platform's seconds do not
    await post.round()
    assert post.channel.tries["an"] == 1
    assert 0 < (post.row("1").due_at - post.clock()).total_seconds() <= 50


async def test_a_429_on_a_notice_halts_all_notices_and_no_reply(post: Post) -> None:
    post.channel.fails["an"].append(TryLater(timedelta(seconds=30), flood=True))
    post.put(m.REMINDER, "reminder")
    await post.round()
    assert 29 < post.delivery.pace.notice_waits() <= 30
    post.put(m.REPLY, "reply")
    await post.round()
    assert post.said() == ["reply"]


async def test_a_notice_to_a_flooded_chat_waits_alone(post: Post) -> None:
    post.channel.fails["an"].append(TryLater(timedelta(seconds=30), flood=True))
    post.put(m.REPLY, "reply")
    post.put(m.REMINDER, "reminder")
    post.put(m.REMINDER, "other", chat="binh")
    await post.round()
    assert post.states() == {"reply": m.QUEUED, "reminder": m.QUEUED, "other": m.SENT}


async def test_when_the_first_of_a_turns_replies_fails_the_others_follow_it_later_in_order(post: Post) -> None:
    post.channel.fails["an"].append(TryLater(sent=None))
    post.put(m.REPLY, "1", "2", "3")
    with post.database.transaction() as db:
        rows = [claims.claim_replies(db, "run-1", BOT, post.clock())[0][0]]
        db.execute(sa.update(m.Outgoing).values(state=m.CLAIMED, claimed_by="run-1"))
        rows = [outbox.read(db, row) for row in db.execute(_all_rows())]
    post.delivery.send(rows)
    await post.delivery.drain()
    assert post.states() == {"1": m.QUEUED, "2": m.QUEUED, "3": m.QUEUED}
    post.clock.forward(seconds=1)
    await post.round()
    assert post.said() == ["1", "2", "3"]


def _all_rows() -> Any:
    return sa.select(*outbox.COLUMNS).join(m.Address, m.Address.id == m.Outgoing.address_id).order_by(m.Outgoing.id)


async def test_what_waits_behind_an_earlier_reply_is_sent_as_soon_as_that_is_marked(sqlite: Database) -> None:
    post = Post(sqlite)
    running = asyncio.create_task(post.delivery.run())
    began = asyncio.get_running_loop().time()
    post.put(m.REPLY, *(f"{n}" for n in range(10)))
    post.delivery.wake()
    await post.channel.has("an", 10)
    assert asyncio.get_running_loop().time() - began < 5  # one a look would take nine seconds
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert post.said() == [f"{n}" for n in range(10)]


# ------------------------------------------------------------------ long messages


LONG = "a" * 50 + " " + "b" * 50 + " " + "c" * 50


async def test_a_long_message_goes_on_at_the_part_that_failed(sqlite: Database) -> None:
    post = Post(sqlite, max_text=60)
    post.put(m.REPLY, "k", text=LONG)
    post.channel.fails["an"].extend([None, TryLater(sent=None)])
    await post.round()
    assert post.row("k").parts_sent == 1
    post.clock.forward(seconds=1)
    await post.round()
    assert post.said() == LONG.split()


@pytest.mark.parametrize("kind", AGAIN)
async def test_after_a_crash_between_two_parts_only_the_others_follow(sqlite: Database, kind: str) -> None:
    post = Post(sqlite, max_text=60)
    post.put(kind, "k", text=LONG)
    post.channel.fails["an"].extend([None, TryLater(sent=None)])
    dying = post.another("dying", may_send=lambda: not post.said())  # it stops before the second part
    await (dying.deliver_replies() if kind in REPLIES else dying.deliver_notice())
    await asyncio.gather(*dying.under_way)
    with sqlite.transaction() as db:
        db.execute(sa.update(m.Outgoing).values(state=m.CLAIMED, claimed_by="dying"))  # as if killed right there
        claims.take_over(db, "run-1", BOT, post.clock())
    post.channel.fails["an"].clear()
    await post.round()
    assert post.said() == LONG.split()


# ------------------------------------------------------------------ wording and wanting


async def test_of_800_digests_the_one_that_cannot_be_worded_is_refused_and_799_arrive(sqlite: Database) -> None:
    def word(db: Db, row: Outgoing, now: Any) -> str:
        if row.key == "digest:400":
            raise ZeroDivisionError("a broken cell")
        return dumps(Message(row.key))

    post = Post(sqlite, word=word)
    with sqlite.transaction() as db:
        for number in range(800):
            post.put_in(db, m.DIGEST, f"digest:{number}", chat=f"{number}")
    while await post.delivery.deliver_notice():
        pass
    await post.delivery.drain()
    assert len(post.channel.order) == 799
    assert [key for key, state in post.states().items() if state != m.SENT] == ["digest:400"]
    assert (post.row("digest:400").state, post.row("digest:400").why) == (m.REFUSED, "ZeroDivisionError")


async def test_what_is_not_wanted_any_more_when_it_is_claimed_is_withdrawn(sqlite: Database) -> None:
    post = Post(sqlite, word=lambda db, row, now: None if row.key == "submitted" else dumps(Message("Nhắc")))
    post.put(m.REMINDER, "submitted", "owes")
    await post.round()
    assert post.states() == {"submitted": m.WITHDRAWN, "owes": m.SENT}
    assert post.said() == ["Nhắc"]


async def test_what_has_expired_is_not_sent(post: Post) -> None:
    post.put(m.REMINDER, "today", expires_at=post.clock() + timedelta(hours=1))
    post.put(m.REMINDER, "tomorrow", expires_at=post.clock() + timedelta(hours=30))
    post.clock.forward(hours=2)
    await post.round()
    assert post.states() == {"today": m.EXPIRED, "tomorrow": m.SENT}


async def test_a_retry_says_the_same_words_even_if_they_would_be_others_now(sqlite: Database) -> None:
    count = iter(range(10))
    post = Post(sqlite, word=lambda db, row, now: dumps(Message(f"{next(count)}/15 đã nộp")))
    post.put(m.DIGEST, "k")
    post.channel.fails["an"].append(Taken(TryLater(sent=None)))
    await post.round()
    post.clock.forward(seconds=1)
    await post.round()
    assert post.said() == ["0/15 đã nộp", "0/15 đã nộp"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [b"", b"\0{", b"\1sealed with a key that is lost", b"\0\xff"])
async def test_words_that_cannot_be_opened_are_refused_and_stop_nobody(post: Post, kind: str, body: bytes) -> None:
    post.put(kind, "broken", "next")
    with post.database.transaction() as db:
        db.execute(sa.update(m.Outgoing).where(m.Outgoing.key == "broken").values(body=body))
    await post.round()
    assert post.states() == {"broken": m.REFUSED, "next": m.SENT}


# ------------------------------------------------------------------ who may send


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_process_that_died_had_claimed_is_sent_again_but_a_reminder_is_not(
    database: Database, kind: str
) -> None:
    post = Post(database)
    post.put(kind, "k")
    with database.transaction() as db:
        body = seal(db, dumps(Message("k")), "outgoing/k")
        db.execute(sa.update(m.Outgoing).values(state=m.CLAIMED, claimed_by="dead", body=body))
    await post.round()
    assert post.row("k").state == m.CLAIMED
    with database.transaction() as db:
        claims.take_over(db, "run-1", BOT, post.clock())
    await post.round()
    expected = ([], m.UNSURE) if kind == ONCE else (["k"], m.SENT)
    assert (post.said(), post.row("k").state) == expected


async def test_what_a_dead_leader_committed_after_the_take_over_is_taken_within_a_minute(database: Database) -> None:
    post = Post(database)
    post.put(m.REPLY, "late", "next")
    with database.transaction() as db:
        body = seal(db, dumps(Message("late")), "outgoing/late")
        late = sa.update(m.Outgoing).where(m.Outgoing.key == "late")
        db.execute(late.values(state=m.CLAIMED, claimed_by="dead", body=body))
    await post.round()
    assert post.said() == []  # the next one waits behind it
    post.delivery.took_over -= delivery.TAKE_OVER
    await post.round()
    assert post.said() == ["late", "next"]


async def test_a_reminder_that_was_surely_not_sent_waits_without_words_and_is_worded_anew(database: Database) -> None:
    count = iter(range(10))
    post = Post(database, word=lambda db, row, now: dumps(Message(f"{next(count)}")))
    post.put(m.REMINDER, "k")
    post.channel.fails["an"].append(TryLater(timedelta(seconds=5), sent=False, flood=True))
    await post.round()
    assert (post.row("k").state, post.row("k").body) == (m.QUEUED, None)
    post.clock.forward(seconds=5)
    post.delivery.pace.next_notice = 0
    post.delivery.pace.chats.clear()
    await post.round()
    assert post.said() == ["1"]


async def test_nobody_takes_over_what_another_bot_has_claimed(database: Database) -> None:
    post = Post(database)
    post.put(m.REPLY, "k")
    with database.transaction() as db:
        db.execute(sa.update(m.Outgoing).values(state=m.CLAIMED, claimed_by="another"))
        assert claims.take_over(db, "run-1", ("fake", "2"), post.clock()) == 0
    assert post.row("k").state == m.CLAIMED


async def test_a_mark_under_an_old_claim_changes_nothing(database: Database) -> None:
    post = Post(database)
    post.channel.holds["an"] = asyncio.Event()
    post.put(m.REPLY, "k")
    assert await post.delivery.deliver_replies()
    with database.transaction() as db:
        claims.take_over(db, "run-2", BOT, post.clock())
    later = post.another("run-2")
    with database.transaction() as db:
        claims.claim_replies(db, "run-2", BOT, post.clock())
    post.channel.holds.pop("an").set()
    await post.delivery.drain()
    assert (post.row("k").state, post.row("k").claimed_by) == (m.CLAIMED, "run-2")
    with database.transaction() as db:
        claims.take_over(db, "run-3", BOT, post.clock())
    await post.round(later)
    assert post.row("k").state == m.SENT


LATE: dict[str, Callable[[Db, datetime], object]] = {
    "sent": lambda db, now: claims.mark_sent(db, ["k"], "run-1", now),
    "a part sent": lambda db, now: claims.part_sent(db, "k", "run-1", 1),
    "refused": lambda db, now: claims.finish(db, "k", "run-1", m.REFUSED, "late"),
    "to be tried again": lambda db, now: claims.put_back(db, "k", "run-1", now, counted=True, parts_sent=1),
    "not to be worded": lambda db, now: claims.refuse(db, "k", "late"),
    "lost": lambda db, now: claims.put_back_lost(db, "run-1", BOT, set(), now),
    "unreachable": lambda db, now: claims.unreachable(db, 1, "late"),
}


@pytest.mark.parametrize("late", LATE)
def test_what_was_withdrawn_while_it_was_on_its_way_stays_withdrawn_whatever_became_of_it(
    database: Database, late: str
) -> None:
    post = Post(database)
    post.put(m.REPLY, "k")
    with database.transaction() as db:
        (row,), _ = claims.claim_replies(db, "run-1", BOT, post.clock())
        outbox.cut_off(db, row.address_id, "somebody else's chat")
    before = post.row("k")
    with database.transaction() as db:
        LATE[late](db, post.clock() + timedelta(seconds=1))
    assert (before.state, post.row("k")) == (m.WITHDRAWN, before)


@pytest.mark.parametrize("kind", KINDS)
async def test_who_may_not_send_any_more_sends_nothing_of_what_it_has_in_hand(post: Post, kind: str) -> None:
    leads = True
    delivery = post.another("run-1", lambda: leads)
    post.put(kind, "k")
    await (delivery.deliver_replies() if kind in REPLIES else delivery.deliver_notice())
    leads = False  # before the task that sends it has begun
    await delivery.drain()
    await post.round(delivery)
    assert (post.said(), post.row("k").state) == ([], m.QUEUED)


async def test_two_that_deliver_at_once_send_each_row_once(database: Database) -> None:
    post = Post(database)
    for number in range(40):
        post.put(m.REMINDER if number % 2 else m.REPLY, f"{number}", chat=f"{number}")
    await asyncio.gather(*(post.round(post.another(f"run-{n}")) for n in range(4)))
    assert sorted(post.channel.order) == sorted((f"{n}", f"{n}") for n in range(40))
    assert set(post.states().values()) == {m.SENT}


async def test_ending_finishes_what_is_in_hand_and_claims_nothing_more(post: Post) -> None:
    post.channel.holds["an"] = asyncio.Event()
    post.put(m.REPLY, "1", "2")
    running = asyncio.create_task(post.delivery.run())
    await post.channel.is_called("an")
    running.cancel()
    await asyncio.sleep(0)
    post.channel.holds.pop("an").set()
    await asyncio.gather(running, return_exceptions=True)
    assert post.states() == {"1": m.SENT, "2": m.QUEUED}


# ------------------------------------------------------------------ people with several addresses


@pytest.fixture
def two_addresses(post: Post) -> Post:
    """An has Telegram (here: fake) and the web."""
    with post.database.transaction() as db:
        person = a_person(db)
        for channel, bot, chat in (("fake", "1", "an"), ("web", "", "w-an")):
            addresses.bind(db, addresses.ensured(db, channel, bot, chat, post.clock()).id, person, post.clock())
    return post


@pytest.mark.parametrize("kind", [m.REMINDER, m.DIGEST, m.NOTICE])
async def test_a_notice_for_who_blocked_the_bot_goes_to_their_other_address(two_addresses: Post, kind: str) -> None:
    post = two_addresses
    post.put(kind, "k")
    post.channel.fails["an"].append(Unreachable("blocked"))
    await post.round()
    with post.database.transaction() as db:
        web = addresses.at(db, "web", "", "w-an")
        assert web is not None
    row = post.row("k")
    assert (row.state, row.address_id, row.sender, row.claimed_by) == (m.QUEUED, web.id, "web:", None)


async def test_a_reply_does_not_follow_to_another_address(two_addresses: Post) -> None:
    two_addresses.put(m.REPLY, "k")
    two_addresses.channel.fails["an"].append(Unreachable("blocked"))
    await two_addresses.round()
    assert two_addresses.row("k").state == m.WITHDRAWN


@pytest.mark.parametrize("kind", [m.REMINDER, m.DIGEST, m.NOTICE])
async def test_of_several_other_addresses_the_one_that_rings_and_was_used_last_gets_the_notice(
    post: Post, kind: str
) -> None:
    chats = (("fake", "an", 0), ("zalo", "old", 1), ("zalo", "new", 2), ("web", "page", 3), ("zalo", "closed", 4))
    ids = {}
    with post.database.transaction() as db:
        person = a_person(db)
        for channel, chat, hours in chats:
            seen = post.clock() + timedelta(hours=hours)
            ids[chat] = addresses.ensured(db, channel, "1" if channel == "fake" else "", chat, seen).id
            addresses.bind(db, ids[chat], person, seen)
        claims.unreachable(db, ids["closed"], "blocked")
    post.put(kind, "k")
    post.channel.fails["an"].append(Unreachable("blocked"))
    await post.round()
    assert (post.row("k").address_id, post.row("k").sender) == (ids["new"], "zalo:")


def test_words_under_a_file_are_no_longer_than_a_caption_and_the_file_comes_with_the_last_of_them() -> None:
    channel = FakeChannel()
    channel.files = True
    words = "\n\n".join(f"{n} " + "x" * 500 for n in range(5))
    message = Message(words, document=Document("review.docx", 1))
    now = FakeClock()()
    row = JustSaid(0, "k", m.REPLY, 1, "fake", "1", "an", 1, None, None, now, None, 0, 0, "{}", None, message)
    found = written(channel, row)
    assert [len(part.text) for part in found] == [1006, 1006, 502]
    assert [part.document for part in found] == [None, None, Document("review.docx", 1)]
    assert "\n\n".join(part.text for part in found) == words
