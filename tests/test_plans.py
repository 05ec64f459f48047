"""Turns, reminding and sending read no whole table: what they cost does not grow with the number of members."""

import asyncio
import itertools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest

from bot.channels import Incoming
from bot.inbox import GROUP
from handlers.messages import Event, Said, Sent, Tapped, rows
from handlers.texts import say, texts
from storage.database import Database
from tests.statements import every_statement
from tests.world import AN, BINH, DUNG, Member, World, sample

GROW = {
    "person", "role", "address", "invitation", "assessment", "answer", "submission", "consent", "outgoing", "incoming",
    "audit", "older",
}  # fmt: skip
_numbers = itertools.count(1)


@contextmanager
def whole_tables(database: Database) -> Iterator[dict[str, list[str]]]:
    """Of each statement that runs meanwhile, how SQLite reads the tables that grow with the members, where it reads
    one from end to end."""

    found: dict[str, list[str]] = {}
    with every_statement(database) as ran:
        yield found
    assert database.file is not None
    with closing(sqlite3.connect(database.file)) as db:
        for statement, parameters in dict(ran).items():
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            if whole := [step for step in plan if (scan := re.match(r"SCAN (\w+)", step)) and scan[1] in GROW]:
                found[statement] = whole


async def at_once(world: World, chats: list[str], what: Event) -> None:
    """One event from each of these chats, in the groups that the inbox makes."""
    await asyncio.gather(
        *(world.inbox.receive(Incoming(f"plans:{next(_numbers)}", "telegram", "1", chat, what)) for chat in chats)
    )
    await world.settle()


@pytest.fixture
def world(sqlite: Database) -> World:
    return World(sqlite)


@pytest.fixture
def chats(world: World) -> list[str]:
    codes = [member.code for member in sample().members][:GROUP]
    for code in codes:
        world.at_chat(code)
    return codes


TURNS: list[Event] = [
    Said("/start"),
    Tapped("fill.open"),
    Tapped("consent.accept"),
    Said("đúng"),
    Said("một câu trả lời"),
    Said("tối nay"),
    Tapped("mine.open"),
    Said("/menu"),
    Sent("photo"),
]
TYPED = {"nhắn câu trả lời": "Dự 11/12 buổi.", "số từ 0 đến 30": "27", "số từ 0 đến 70": "64"}
RECEIPT = texts("vi")["fill.receipt"].partition("{")[0]


async def submits(member: Member) -> None:
    """Go on by the first button, or type what is asked for, until the receipt."""
    await member.does(Tapped("fill.open"))
    while not (said := member.messages[-1]).text.startswith(RECEIPT):
        typed = next((words for asked, words in TYPED.items() if asked in said.text), None)
        await (member.says(typed) if typed else member.does(Tapped(rows(said)[0][0].value)))


async def test_no_turn_reads_a_table_from_end_to_end_however_many_come_at_once(world: World, chats: list[str]) -> None:
    born = next(member.birth_date for member in sample().members if member.code == AN)
    an, binh = Member(world, AN, AN), Member(world, BINH, BINH)
    new, invitation = world.stranger("a new phone"), world.invitation(AN)
    with whole_tables(world.database) as found:
        for what in TURNS:
            await at_once(world, chats, what)
        await new.says("/start", invitation, "1/1/1901", f"{born:%d/%m/%Y}")
        await an.taps("Không phải tôi", "Đúng, ngắt thiết bị đó")
        await an.does(Tapped("mine.withdraw"))
        await an.taps(say("vi", "mine.withdraw_yes"))
        await submits(an)
        for tap in ("mine.open", "mine.read", "mine.reopen", "mine.keep"):
            await an.does(Tapped(tap))
        await binh.does(Tapped("cell.show"))
        await binh.taps(say("vi", "secretary.nudge"), say("vi", "secretary.send"))
        await Member(world, DUNG, DUNG).does(Tapped("committee.show"))
    assert found == {}
    assert say("vi", "secretary.nudged", number=18) in binh.inbox[-1]


async def test_waiting_replies_are_found_by_their_index(world: World, chats: list[str]) -> None:
    with every_statement(world.database) as ran:
        await at_once(world, chats[:2], Said("/start"))
        await world.settle()
    file = world.database.file
    assert file is not None
    with closing(sqlite3.connect(file)) as db:
        plans = {
            statement: [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in dict(ran).items()
            if "kind IN ('reply', 'receipt')" in statement and "due_at" in statement and statement.startswith("SELECT")
        }
    assert len(plans) >= 1
    for plan in plans.values():
        assert plan[0] == "SEARCH outgoing USING INDEX ix_outgoing_replies (sender=?)"


async def test_reminding_and_sending_read_no_table_from_end_to_end(world: World, chats: list[str]) -> None:
    """The jobs that do are not of every minute: a digest's once a day, closing once a season, tidying once an hour."""
    for day in range(21):
        world.clock.at = world.cycle.opens + timedelta(days=day)
        await world.jobs.tick("digest")
        with whole_tables(world.database) as found:
            await world.jobs.tick("remind")
            await world.settle()
        assert found == {}
    assert len(world.channel.order) > 3 * len(chats)
