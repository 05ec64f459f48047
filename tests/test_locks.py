"""One person's turns are one at a time, whichever process takes them; other people do not wait."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channels import Incoming
from bot.inbox import Inbox
from handlers.messages import Message, Said
from handlers.turn import Turn
from storage import addresses, claims, incoming, job_runs, notes, outbox
from storage import database as storage_database
from storage import models as m
from storage.database import Database
from tests.checkers import all_is_well
from tests.conftest import postgres_database, sqlite_database
from tests.postgres import Postgres
from tests.seeded import START
from tests.story import AN, BINH, BOT, CHI, PERSON, SUBMIT, Process, Story, told

EVERYBODY = (AN, BINH, CHI)


@asynccontextmanager
async def delivering(process: Process) -> AsyncIterator[None]:
    running = asyncio.create_task(process.delivery.run())
    yield
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def play(story: Story, first: Process, *turns: "asyncio._CoroutineLike[bool]") -> list[bool]:
    """Run these turns at once, and let everything be delivered."""
    async with delivering(first):
        results = await asyncio.gather(*turns)
        first.delivery.wake()
        await story.quiet()
    return results


@pytest.fixture
def two(postgres: Postgres) -> Iterator[tuple[Story, Process, Process]]:
    """Two processes on one PostgreSQL; the first one delivers."""
    story = Story(postgres_database(postgres))
    yield story, Process(story, "first"), Process(story, "second", delivers=False)
    story.database.close()


def failed(story: Story) -> list[str]:
    with story.database.transaction(read_only=True) as db:
        return [f"{each.key} {each.failed}" for each in incoming.kept(db)]


async def test_the_same_update_at_two_processes_has_one_effect_and_one_reply(
    two: tuple[Story, Process, Process],
) -> None:
    story, first, second = two
    turns = [
        story.comes(process, EVERYBODY[n % 3], f"piece {n}", key=f"telegram:1:{n}")
        for n in range(50)
        for process in (first, second)
    ]
    assert await play(story, first, *turns) == [True] * 100
    assert (failed(story), all_is_well(story)) == ([], [])
    assert len(story.channel.order) == 50


async def test_two_answers_of_one_person_at_two_processes_come_one_after_the_other(
    two: tuple[Story, Process, Process],
) -> None:
    story, first, second = two
    turns = [
        story.comes(process, EVERYBODY[n % 3], f"{name} {n}")
        for n in range(50)
        for name, process in (("a", first), ("b", second))
    ]
    assert await play(story, first, *turns) == [True] * 100
    assert (failed(story), all_is_well(story)) == ([], [])
    assert len(story.channel.order) == 100


async def test_submitting_twice_and_answering_at_the_same_time_is_one_submission_of_that_moment(
    two: tuple[Story, Process, Process],
) -> None:
    story, first, second = two
    turns = []
    for chat in EVERYBODY:
        turns += [story.comes(first, chat, f"before {chat}"), story.comes(second, chat, SUBMIT)]
        turns += [story.comes(first, chat, SUBMIT), story.comes(second, chat, f"beside {chat}")]
    assert await play(story, first, *turns) == [True] * 12
    assert (failed(story), all_is_well(story)) == ([], [])
    with story.database.transaction(read_only=True) as db:
        assert db.execute(sa.select(sa.func.count()).select_from(m.Submission)).scalar_one() == 3


async def test_a_person_with_two_addresses_has_one_conversation(database: Database) -> None:
    story = Story(database)
    with database.transaction() as db:
        addresses.bind(db, addresses.ensured(db, *BOT, "second phone", START).id, PERSON[AN], START)
    first, second = Process(story, "first"), Process(story, "second", delivers=False)
    PERSON["second phone"] = PERSON[AN]
    try:
        turns = [
            story.comes(process, chat, f"{chat} {n}")
            for n in range(10)
            for chat, process in ((AN, first), ("second phone", first if database.is_sqlite else second))
        ]
        await play(story, first, *turns)
    finally:
        del PERSON["second phone"]
    with database.transaction(read_only=True) as db:
        mine = told(db, PERSON[AN])
    assert [number for number, _ in mine] == list(range(1, 21))
    assert {text for _, text in mine} == {f"{chat} {n}" for n in range(10) for chat in (AN, "second phone")}


async def test_turns_that_lock_each_other_crosswise_are_run_again(postgres: Postgres) -> None:
    story = Story(postgres_database(postgres))
    tries = 0
    both_began = threading.Barrier(2)

    def crosswise(turn: Turn) -> list[Message]:
        nonlocal tries
        tries += 1
        assert turn.person is not None
        turn.db.exec_driver_sql("SET LOCAL deadlock_timeout = '20ms'")
        if tries <= 2:
            both_began.wait(5)
        other = PERSON[BINH] if turn.person.id == PERSON[AN] else PERSON[AN]
        turn.db.execute(sa.select(m.Person.id).where(m.Person.id == other).with_for_update(key_share=True))
        return [Message("xong")]

    inboxes = [Inbox(story.database, answer=crosswise, now=story.now, lang="vi", deliveries={}) for _ in range(2)]
    await asyncio.gather(
        *(
            inbox.receive(Incoming(f"telegram:1:{chat}", *BOT, chat, Said("x")))
            for inbox, chat in zip(inboxes, (AN, BINH), strict=True)
        )
    )
    assert tries == 3
    assert len(story.states()[m.QUEUED]) == 2
    story.database.close()


@contextmanager
def locked(database: Database, person: int) -> Iterator[Callable[[], None]]:
    """Somebody else holds this person's row; what is yielded lets it go."""
    with database.engine.connect() as other:
        row = sa.select(m.Person.id).where(m.Person.id == person).with_for_update(key_share=True)
        other.execute(row)
        yield other.rollback


async def test_while_one_persons_row_is_held_the_others_are_answered(two: tuple[Story, Process, Process]) -> None:
    story, first, _ = two
    async with delivering(first):
        with locked(story.database, PERSON[AN]) as let_go:
            waits = asyncio.create_task(story.comes(first, AN, "a"))
            assert all(await asyncio.gather(story.comes(first, BINH, "b"), story.comes(first, CHI, "c")))
            await story.channel.has(BINH, 1)
            assert not waits.done()
            let_go()
        assert await waits
        await story.quiet()
    assert all_is_well(story) == []


@pytest.mark.parametrize(
    "keeps",
    [
        lambda db, n: notes.write(db, "telegram_username", f"bot {n}"),
        lambda db, n: job_runs.record(db, "remind", START, expected=n, put_out=n),
    ],
    ids=["note", "job run"],
)
def test_two_processes_that_start_at_once_keep_the_same_thing_and_neither_fails(
    postgres: Postgres, keeps: Callable[[sa.Connection, int], None]
) -> None:
    with closing(postgres_database(postgres)) as database, ThreadPoolExecutor(1) as other:
        with database.transaction() as db:
            keeps(db, 1)

            def second() -> None:
                with database.transaction() as db:
                    keeps(db, 2)

            waits = other.submit(second)
            with pytest.raises(TimeoutError):  # for the first one, which has not committed
                waits.result(0.2)
        waits.result(5)
        with database.transaction(read_only=True) as db:
            assert (notes.read(db, "telegram_username"), job_runs.newest(db)) in [
                ("bot 2", {}),
                (None, {"remind": (START, 2, 2)}),
            ]


# ------------------------------------------------------------------ SQLite and other processes


@contextmanager
def writing(database: Database) -> Iterator[Callable[[], None]]:
    """Another process is in the middle of writing; what is yielded lets it end."""
    other = Database(database.url.render_as_string())
    with other.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        yield connection.rollback
    other.close()


async def test_while_another_process_writes_a_turn_waits(sqlite: Database) -> None:
    story = Story(sqlite)
    process = Process(story, "first")
    with writing(sqlite) as ends:
        waits = asyncio.create_task(story.comes(process, AN, "a"))
        await asyncio.sleep(0.2)
        assert not waits.done()
        ends()
    assert await waits


async def test_a_database_that_stays_locked_confirms_nothing_and_the_update_is_taken_when_it_comes_again(
    monkeypatch: pytest.MonkeyPatch, sqlite: Database
) -> None:
    pragmas = [*storage_database.PRAGMAS, "busy_timeout=50"]
    monkeypatch.setattr(storage_database, "PRAGMAS", pragmas)
    story = Story(Database(sqlite.url.render_as_string()))
    process = Process(story, "first")
    async with delivering(process):
        with writing(sqlite):
            assert not await story.comes(process, AN, "a", key="telegram:1:1")
        assert await story.comes(process, AN, "a", key="telegram:1:1")
        await story.quiet()
    assert (failed(story), all_is_well(story)) == ([], [])
    assert story.channel.order == [(AN, "1 a")]
    story.database.close()


# ------------------------------------------------------------------ repeats and clocks


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    updates=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=30),
)
async def test_any_order_of_updates_with_any_repeats_leaves_each_effect_once(
    updates: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory, sqlite_template: bytes
) -> None:
    """Update *n* is person n % 3's; those with the same pause come together."""
    story = Story(sqlite_database(tmp_path_factory.mktemp("repeats"), sqlite_template))
    process = Process(story, "first")
    async with delivering(process):
        for pause in sorted({pause for _, pause in updates}):
            together = [number for number, at in updates if at == pause]
            await asyncio.gather(
                *(story.comes(process, EVERYBODY[n % 3], f"piece {n}", key=f"telegram:1:{n}") for n in together)
            )
        process.delivery.wake()
        await story.quiet()
    assert (failed(story), all_is_well(story)) == ([], [])
    assert len(story.channel.order) == len({number for number, _ in updates})
    story.database.close()


def test_four_clocks_that_race_put_each_reminder_once(database: Database) -> None:
    story = Story(database)
    slots = [f"{slot}" for slot in range(20)]
    clocks = [Database(database.url.render_as_string(hide_password=False)) for _ in range(4)]
    begin = threading.Barrier(len(clocks))
    put: list[bool] = []

    def clock(mine: Database) -> None:
        begin.wait(5)
        for slot in slots:
            with mine.transaction() as db:
                address = db.execute(sa.select(m.Address.id).limit(1)).scalar_one()
                for person in range(50):
                    key = f"reminder:{person}:{slot}"
                    put.append(outbox.put(db, key=key, kind=m.REMINDER, address_id=address, now=START))

    threads = [threading.Thread(target=clock, args=[mine]) for mine in clocks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine in clocks:
        mine.close()
    assert (len(put), sum(put), len(story.states()[m.QUEUED])) == (4000, 1000, 1000)


async def test_two_that_claim_at_once_never_get_the_same_row(database: Database) -> None:
    story = Story(database)
    with database.transaction() as db:
        for number in range(60):
            story.put(db, m.DIGEST, f"digest:{number}", EVERYBODY[number % 3])

    def claim(run: str) -> list[str]:
        found = []
        with database.transaction() as db:
            while row := claims.claim_notice(db, run, BOT, story.now(), lambda db, row, now: "{}"):
                found.append(row.key)
                if len(found) % 10 == 0:
                    break
        return found

    rounds = [await asyncio.gather(*(asyncio.to_thread(claim, f"run-{n}") for n in range(4))) for _ in range(6)]
    keys = [key for round_ in rounds for found in round_ for key in found]
    assert sorted(keys) == sorted({f"digest:{number}" for number in range(60)})
