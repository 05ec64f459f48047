"""Two clocks at once, and a person who submits while a reminder is put or claimed: on PostgreSQL, in threads."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime

import pytest
import sqlalchemy as sa

from bot import jobs
from bot.wording import worded
from handlers.turn import current_cycle
from storage import claims, reminders
from storage import models as m
from storage.database import Database, Db
from storage.outbox import Outgoing
from tests.conftest import postgres_database
from tests.postgres import Postgres
from tests.season import SAIGON, World

MORNING = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
PEOPLE = 600


@pytest.fixture
def world(postgres: Postgres) -> Iterator[World]:
    """An open season with a few hundred people more, all of whom are due in the morning."""
    made = World(postgres_database(postgres))
    with made.database.transaction() as db:
        numbers = range(1000, 1000 + PEOPLE)
        plain = {"name": "N", "name_key": "n", "birth_date": date(1980, 1, 1), "unit_id": 3, "form": "2B"}
        db.execute(sa.insert(m.Person), [{"id": n, "code": f"X{n}"} | plain for n in numbers])
        chat = {"channel": "fake", "bot": "", "memory": {}, "last_seen": made.now}
        db.execute(sa.insert(m.Address), [{"chat": f"{n}", "person_id": n} | chat for n in numbers])
    made.opens()
    made.execute(sa.delete(m.Outgoing))
    yield made
    made.database.close()


def at_once(database: Database, *works: Callable[[], object]) -> None:
    """Run these side by side, each as soon as all are ready."""
    ready = threading.Barrier(len(works))

    def begun(work: Callable[[], object]) -> None:
        ready.wait(10)
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(begun, work) for work in works]:
            done.result()


def test_two_clocks_put_each_reminder_once(world: World) -> None:
    def remind() -> None:
        more = True
        while more:
            with world.database.transaction() as db:
                cycle = current_cycle(db)
                assert cycle
                more = jobs.remind(db, MORNING, cycle).more

    at_once(world.database, remind, remind)
    remind()  # what one had locked when the other looked
    with world.database.transaction(read_only=True) as db:
        put = db.scalars(sa.select(m.Outgoing.assessment_id).where(m.Outgoing.kind == m.REMINDER)).all()
        waiting = db.scalar(sa.select(sa.func.count()).where(m.Assessment.remind_at <= MORNING))
    assert (len(put), len(set(put)), waiting) == (PEOPLE + 8, PEOPLE + 8, 0)


def test_a_clock_never_gives_a_reminder_back_to_who_submits_meanwhile(world: World) -> None:
    with world.database.transaction() as clock:
        cycle = current_cycle(clock)
        assert cycle
        jobs.remind(clock, MORNING, cycle)  # has read everybody as owing, and holds their rows
        submitting = threading.Thread(target=world.submits, args=("An",))
        submitting.start()
        submitting.join(0.2)
        assert submitting.is_alive()  # waits, and writes last
    submitting.join(10)
    assert (world.assessment("An").state, world.assessment("An").remind_at) == (m.SUBMITTED, None)


def test_a_claim_waits_for_who_is_submitting_and_sees_it(world: World) -> None:
    world.now = MORNING
    world.execute(sa.update(m.Assessment).where(m.Assessment.person_id != world.ids["An"]).values(remind_at=None))
    world.jobs()
    world.execute(sa.delete(m.Outgoing).where(m.Outgoing.kind == m.DIGEST))
    claimed: list[object] = []

    def claim() -> None:
        with world.database.transaction() as db:
            claimed.append(claims.claim_notice(db, "test", ("fake", ""), MORNING, worded))

    with world.database.transaction() as turn:
        reminders.lock(turn, world.assessment("An").id)
        turn.execute(
            sa.update(m.Assessment)
            .where(m.Assessment.person_id == world.ids["An"])
            .values(state=m.SUBMITTED, remind_at=None)
        )
        claiming = threading.Thread(target=claim)
        claiming.start()
        claiming.join(0.2)
        assert claiming.is_alive()
    claiming.join(10)
    assert claimed == [None]


@pytest.mark.parametrize("when", ["before it is worded", "after it was worded"])
@pytest.mark.parametrize("kind", [m.REMINDER, m.NOTICE])
def test_a_notice_that_a_block_moves_while_it_is_claimed_waits_at_the_other_address(
    postgres: Postgres, kind: str, when: str
) -> None:
    world = World(postgres_database(postgres))
    world.opens()
    page = world.link("An", "web")
    if kind == m.REMINDER:
        world.tick()
        world.now = MORNING
        world.jobs()
    world.execute(sa.delete(m.Outgoing).where(sa.or_(m.Outgoing.person_id != world.ids["An"], m.Outgoing.kind != kind)))
    blocking = threading.Thread(target=world.block_by_event, args=("An",))

    def word(db: Db, outgoing: Outgoing, now: datetime) -> str | datetime | None:
        if when == "before it is worded":
            blocking.start()
            blocking.join(10)
        found = worded(db, outgoing, now)
        if when == "after it was worded":
            blocking.start()
            blocking.join(0.3)
        return found

    with world.database.transaction() as db:
        claims.claim_notice(db, "test", ("fake", ""), world.now, word)
    blocking.join(10)
    with world.database.transaction(read_only=True) as db:
        row = db.execute(sa.select(m.Outgoing.state, m.Outgoing.address_id, m.Outgoing.sender, m.Outgoing.body)).one()
        claimed_by = db.execute(sa.select(m.Outgoing.claimed_by)).scalar()
    if row.state == m.CLAIMED:  # the claim was first: the send fails, and moves it
        with world.database.transaction() as db:
            claims.unreachable(db, row.address_id, "blocked")
            row = db.execute(
                sa.select(m.Outgoing.state, m.Outgoing.address_id, m.Outgoing.sender, m.Outgoing.body)
            ).one()
    assert (row.state, row.address_id, row.sender) == (m.QUEUED, page, "web:"), claimed_by
    assert (world.assessment("An").reminded, world.assessment("An").reminded_at) == (0, None)
    world.database.close()
