"""What a claim, a mark and an upkeep change in the outbox, and what they leave alone."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from handlers.messages import Message, dumps, loads
from storage import addresses, claims, outbox
from storage import models as m
from storage.database import Database, Db
from storage.outbox import Outgoing
from tests.people import a_person
from tests.test_delivery import BOT, LONG, Post


async def test_the_next_run_goes_on_after_the_parts_that_were_sent(database: Database) -> None:
    post = Post(database, max_text=60)
    post.put(m.REPLY, "long", text=LONG)
    post.put(m.REPLY, "other", chat="bình")
    with database.transaction() as db:
        claims.claim_replies(db, "dying", BOT, post.clock())
        claims.part_sent(db, "long", "dying", 1)
        claims.part_sent(db, "other", "dead long since", 1)
        assert claims.take_over(db, "run-1", BOT, post.clock()) == 2
    await post.round()
    assert (post.said("an"), post.said("bình")) == (LONG.split()[1:], ["other"])


def test_what_is_claimed_and_not_in_hand_waits_again_and_nothing_else(database: Database) -> None:
    post = Post(database)
    post.put(m.REPLY, "lost", chat="an")
    post.put(m.REPLY, "in hand", chat="bình")
    post.put(m.REMINDER, "lost reminder", chat="an")
    with database.transaction() as db:
        claims.claim_replies(db, "run-1", BOT, post.clock())
        assert claims.claim_notice(db, "run-1", BOT, post.clock(), post.word) is not None
    post.put(m.REPLY, "of another run", chat="chi")
    with database.transaction() as db:
        claims.claim_replies(db, "run-2", BOT, post.clock())
        other = addresses.ensured(db, "fake", "2", "dung", post.clock())  # another bot, sent for by the same run
        outbox.put(
            db, key="of another bot", kind=m.REPLY, address_id=other.id, now=post.clock(), body=dumps(Message("!")),
            state=m.CLAIMED, claimed_by="run-1",
        )  # fmt: skip
    post.clock.forward(seconds=60)
    with database.transaction() as db:
        claims.put_back_lost(db, "run-1", BOT, {"in hand"}, post.clock())
    assert post.states() == {
        "lost": m.QUEUED,
        "in hand": m.CLAIMED,
        "lost reminder": m.QUEUED,
        "of another run": m.CLAIMED,
        "of another bot": m.CLAIMED,
    }
    lost = [post.row(key) for key in ("lost", "lost reminder")]
    assert [(row.claimed_by, row.due_at) for row in lost] == [(None, post.clock())] * 2
    assert lost[1].body is None  # it is worded anew


def test_a_clock_that_was_ahead_keeps_no_notice_waiting_and_what_is_planned_keeps_its_time(database: Database) -> None:
    post = Post(database)
    now = post.clock()
    soon, ahead, planned = now + timedelta(seconds=30), now + timedelta(hours=2), now + timedelta(days=1)
    rows: dict[str, tuple[str, datetime, datetime]] = {  # kind, made or put back, due
        "put back ahead": (m.NOTICE, ahead, ahead),
        "put back soon": (m.NOTICE, soon, soon),
        "made ahead": (m.DIGEST, ahead, ahead),
        "made ahead, planned": (m.NOTICE, ahead, planned),
        "made a little ahead, planned": (m.NOTICE, soon, planned),
        "planned": (m.NOTICE, now, planned),
        "due already": (m.NOTICE, ahead, now),
        "a reply": (m.REPLY, ahead, ahead),
    }
    for key, (kind, made, due) in rows.items():
        post.put(kind, key, due_at=due, text=key)
        with database.transaction() as db:
            db.execute(sa.update(m.Outgoing).where(m.Outgoing.key == key).values(created_at=made))
    with database.transaction() as db:
        assert claims.pull_in(db, ("fake", "2"), now) == 0
        assert claims.pull_in(db, BOT, now) == 2
    pulled = {"put back ahead": (now, now), "made ahead": (now, now)}
    assert {key: (post.row(key).created_at, post.row(key).due_at) for key in rows} == {
        key: (made, due) for key, (_, made, due) in rows.items()
    } | pulled


async def test_a_notice_that_is_to_be_asked_later_holds_up_no_other(database: Database) -> None:
    def word(db: Db, row: Outgoing, now: datetime) -> str | datetime:
        return morning if row.key == "for the morning" and now < morning else dumps(Message(row.key))

    post = Post(database, word=word)
    morning = post.clock() + timedelta(hours=9)
    post.put(m.DIGEST, "for the morning")
    post.put(m.DIGEST, "for now", chat="bình")
    await post.round()
    assert (post.said("an"), post.said("bình")) == ([], ["for now"])
    assert (post.row("for the morning").state, post.row("for the morning").due_at) == (m.QUEUED, morning)
    post.clock.forward(hours=9)
    await post.round()
    assert post.said("an") == ["for the morning"]


async def test_the_oldest_notice_goes_first(database: Database) -> None:
    post = Post(database)
    post.put(m.NOTICE, "due later", chat="an", due_at=post.clock() + timedelta(minutes=2))
    post.put(m.NOTICE, "due first", chat="bình", due_at=post.clock() + timedelta(minutes=1))
    post.put(m.NOTICE, "due with it", chat="chi", due_at=post.clock() + timedelta(minutes=1))
    post.clock.forward(minutes=5)
    await post.round()
    assert [text for _, text in post.channel.order] == ["due first", "due with it", "due later"]


def said_last(post: Post, address_id: int) -> str:
    """What that chat was sent last."""
    with post.database.transaction(read_only=True) as db:
        return loads(outbox.last_said(db, address_id) or "").text


def test_of_two_messages_of_one_turn_the_second_was_said_last_and_what_waits_was_not_said(database: Database) -> None:
    post = Post(database)
    post.put(m.REPLY, "1", "2", state=m.SENT)
    post.clock.forward(minutes=1)
    post.put(m.REPLY, "waits")
    post.put(m.REPLY, "somebody else's", chat="bình", state=m.SENT)
    assert said_last(post, post.row("1").address_id) == "2"


def test_on_a_page_the_highest_number_was_said_last_even_where_it_was_put_before_the_others(database: Database) -> None:
    post = Post(database)
    post.put(m.NOTICE, "given second", state=m.SENT, seq=2)
    with database.transaction() as db:  # a page has not shown it yet
        db.execute(sa.update(m.Outgoing).values(sent_at=None))
    post.clock.forward(minutes=1)
    post.put(m.REPLY, "answered first", state=m.SENT, seq=1)
    assert said_last(post, post.row("answered first").address_id) == "given second"


def test_what_waits_for_who_blocked_the_bot_never_goes_to_somebody_else(database: Database) -> None:
    post = Post(database)
    with database.transaction() as db:
        an, binh = a_person(db), a_person(db)
        for person, chat, channel, bot in ((binh, "bình", *BOT), (an, "an", *BOT), (binh, "page", "web", "")):
            addresses.bind(db, addresses.ensured(db, channel, bot, chat, post.clock()).id, person, post.clock())
    post.put(m.NOTICE, "an's")
    post.put(m.NOTICE, "bình's", chat="bình")
    with database.transaction() as db:
        claims.unreachable(db, post.row("an's").address_id, "blocked")
    assert post.states() == {"an's": m.WITHDRAWN, "bình's": m.QUEUED}


def test_only_what_waits_moves_to_the_other_address_and_it_begins_anew_there(database: Database) -> None:
    post = Post(database)
    with database.transaction() as db:
        person = a_person(db)
        here, there = (addresses.ensured(db, *bot, "an", post.clock()).id for bot in (BOT, ("zalo", "")))
        for address in (here, there):
            addresses.bind(db, address, person, post.clock())
    post.put(m.NOTICE, "sent", state=m.SENT)
    post.put(m.NOTICE, "under way", state=m.CLAIMED, claimed_by="run-1")
    post.put(m.NOTICE, "half sent")
    with database.transaction() as db:
        db.execute(sa.update(m.Outgoing).where(m.Outgoing.key == "half sent").values(parts_sent=1))
        claims.unreachable(db, here, "blocked", in_flight=False)
    assert {key: (row.state, row.address_id, row.parts_sent) for key in post.states() if (row := post.row(key))} == {
        "sent": (m.SENT, here, 0),
        "under way": (m.CLAIMED, here, 0),
        "half sent": (m.QUEUED, there, 0),
    }


def test_what_is_put_back_keeps_the_number_of_parts_that_were_sent(database: Database) -> None:
    post = Post(database, max_text=60)
    post.put(m.REPLY, "k", text=LONG)
    with database.transaction() as db:
        claims.claim_replies(db, "run-1", BOT, post.clock())
        claims.put_back(db, "k", "run-1", post.clock(), counted=False, parts_sent=1)
    assert post.row("k").parts_sent == 1


def test_cutting_off_a_chat_leaves_every_other_alone(database: Database) -> None:
    post = Post(database)
    post.put(m.REPLY, "an's")
    post.put(m.REPLY, "bình's", chat="bình")
    with database.transaction() as db:
        outbox.cut_off(db, post.row("an's").address_id, "somebody else's chat")
    assert post.states() == {"an's": m.WITHDRAWN, "bình's": m.QUEUED}
    assert (post.row("an's").body, loads(post.words("bình's")).text) == (None, "bình's")


def test_erasing_empties_what_was_said_to_one_person_and_nothing_else(database: Database) -> None:
    post = Post(database)
    with database.transaction() as db:
        an, binh = a_person(db), a_person(db)
        for person, chat in ((an, "an"), (binh, "bình")):
            addresses.bind(db, addresses.ensured(db, *BOT, chat, post.clock()).id, person, post.clock())
    post.put(m.REPLY, "said", state=m.SENT)
    post.put(m.REPLY, "still to be said")
    post.put(m.REPLY, "bình's", chat="bình", state=m.SENT)
    with database.transaction() as db:
        outbox.empty(db, an)
    assert [key for key in post.states() if post.row(key).body is None] == ["said"]
