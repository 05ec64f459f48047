"""Turns, reminding and sending read no whole table: what they cost does not grow with the number of members."""

import asyncio
import itertools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from bot.channels import Incoming
from bot.inbox import GROUP
from handlers.messages import Event, Said, Sent, Tapped
from storage.database import Database
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
    ran: dict[str, Any] = {}

    def runs(_db: object, _cursor: object, statement: str, parameters: Any, _context: object, many: bool) -> None:
        ran[statement] = parameters[0] if many and isinstance(parameters[0], tuple) else parameters

    found: dict[str, list[str]] = {}
    event.listen(database.engine, "before_cursor_execute", runs)
    yield found
    event.remove(database.engine, "before_cursor_execute", runs)
    assert database.file is not None
    with closing(sqlite3.connect(database.file)) as db:
        for statement, parameters in ran.items():
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
    Tapped("mine.read"),
    Tapped("mine.withdraw_yes"),
    Said("/menu"),
    Sent("photo"),
]


async def test_no_turn_reads_a_table_from_end_to_end_however_many_come_at_once(world: World, chats: list[str]) -> None:
    born = next(member.birth_date for member in sample().members if member.code == AN)
    new, invitation = world.stranger("a new phone"), world.invitation(AN)
    with whole_tables(world.database) as found:
        for what in TURNS:
            await at_once(world, chats, what)
        await new.says("/start", invitation, "1/1/1901", f"{born:%d/%m/%Y}")
        await Member(world, AN, AN).taps("Không phải tôi")
        for tap in ("cell.show", "cell.nudge", "cell.nudge_yes"):
            await at_once(world, [BINH], Tapped(tap))
        await at_once(world, [DUNG], Tapped("committee.show"))
    assert found == {}


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
