"""Joining and a roster import beside an answer of the same person, in two transactions of PostgreSQL at once."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot import roster
from bot.roster_preview import Preview
from handlers.messages import Said
from handlers.routes import route
from handlers.turn import Turn, current_cycle, group_of
from storage import addresses, assessments, people
from storage import models as m
from storage.addresses import Address
from storage.assessments import Step
from storage.database import Database, Db, Overtaken
from tests.conftest import postgres_database
from tests.joining import Chat, World
from tests.postgres import Postgres

LAN, BORN = "KM-0032", "8/6/1973"  # a member of the sample roster without any role


@pytest.fixture
def world(postgres: Postgres) -> Iterator[World]:
    """Lan has joined with a phone and has begun; a second invitation lies ready."""
    with closing(postgres_database(postgres)) as database:
        yield World(database)


def begun(world: World) -> Chat:
    """Lan at the first phone, in the middle of the first question."""
    world.open_cycle()
    phone = Chat(world)
    phone.joins(world.invite(LAN), BORN)
    phone.taps("consent.accept")
    phone.taps("fill.open")
    phone.says("Một")
    return phone


@contextmanager
def turn_of(world: World, phone: Chat) -> Iterator[tuple[Db, Address]]:
    """A transaction under the locks of a turn of Lan's; committed at the end of the block."""
    with world.database.transaction() as db:
        chat = (phone.channel, "", phone.chat)
        yield db, addresses.together(db, [chat], world.now, wait=True)[chat]


@contextmanager
def answering(world: World, phone: Chat, text: str) -> Iterator[None]:
    """Lan answers at the phone; committed at the end of the block."""
    with turn_of(world, phone) as (db, address):
        assert address.person_id is not None
        person, cycle = people.by_id(db, address.person_id), current_cycle(db)
        group = group_of(db, [address.person_id], cycle)
        assert route(Turn(db, world.now, f"answer:{text}", Said(text), address, person, cycle, "vi", group))
        group.write()
        yield


def waits_or_ends(other: "Future[Any]", database: Database) -> None:
    """Go on once the other transaction waits for a lock, or has ended."""
    waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    while not other.done():
        with database.transaction(read_only=True) as db:
            if db.scalar(waiting):
                return


def revision_and_answers(world: World) -> tuple[int | None, ...]:
    """Her revision, and the highest number among the answers: the same where nothing was overwritten."""
    highest = sa.select(sa.func.max(m.Answer.number)).where(m.Answer.assessment_id == m.Assessment.id)
    mine = sa.select(m.Assessment.revision, highest.scalar_subquery()).join(m.Person).where(m.Person.code == LAN)
    with world.database.transaction(read_only=True) as db:
        return tuple(db.execute(mine).one())


def test_a_second_device_that_joins_beside_an_answer_overwrites_nothing(world: World) -> None:
    phone, tablet = begun(world), Chat(world)
    tablet.says(world.invite(LAN))
    with ThreadPoolExecutor(1) as threads:
        with answering(world, phone, "Hai"):
            joins = threads.submit(tablet.says, BORN)
            waits_or_ends(joins, world.database)
        joins.result(10)

    assert revision_and_answers(world) == (2, 2)
    phone.says("Ba")
    tablet.says("Bốn")
    assert revision_and_answers(world) == (4, 4)


def imports(world: World, rows: str, folder: Path) -> Preview:
    """The roster's first columns and these rows, taken in."""
    file = folder / "roster.csv"
    file.write_text(f"unit_path,member_code,full_name,birth_date,form,role,phone\n{rows}", "utf-8")
    with world.database.transaction() as db:
        return roster.import_roster(db, roster.read(file, today=date(2026, 11, 24)), world.now)


def test_an_import_beside_a_submission_leaves_it_submitted(world: World, tmp_path: Path) -> None:
    phone = begun(world)
    cell = "Đảng bộ Khối mẫu/Đảng bộ cơ sở Sở A/Chi bộ 1"
    imports(world, f"{cell},{LAN},Từ Duy Nghĩa,1973-06-08,2B,member,0500000091\n", tmp_path)  # they keep their form
    with ThreadPoolExecutor(1) as threads:
        with turn_of(world, phone) as (db, address):
            assert address.person_id is not None
            mine = assessments.of(db, address.person_id, 1)
            assert mine is not None
            assessments.save(db, Step(mine, [], "submitted", m.SUBMITTED, None, world.now, address.id))
            other = f"{cell},KM-0110,Bùi Thị Thơ,1974-02-02,2A,member,0500000958\n"
            taken_in = threads.submit(imports, world, other, tmp_path)
            waits_or_ends(taken_in, world.database)
        assert taken_in.result(10).synced is not None

    lan = sa.select(m.Assessment.state, m.Assessment.place, m.Assessment.remind_at).join(m.Person)
    with world.database.transaction(read_only=True) as db:
        assert db.execute(lan.where(m.Person.code == LAN)).one() == (m.SUBMITTED, "submitted", None)


def test_a_step_from_an_older_revision_is_not_stored(database: Database) -> None:
    world = World(database)
    phone = begun(world)
    with database.transaction() as db:
        mine = assessments.by_id(
            db, db.execute(sa.select(m.Assessment.id).join(m.Person).where(m.Person.code == LAN)).scalar_one()
        )
    assert mine is not None
    phone.says("Hai")
    late = Step(mine, [("more", "cũ", True)], "more", m.IN_PROGRESS, None, world.now, phone.address.id)
    with pytest.raises(Overtaken), database.transaction() as db:
        assessments.save(db, late)
    assert revision_and_answers(world) == (2, 2)
