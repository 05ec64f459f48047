"""Words that are too long are refused by their length: nobody waits while they are compared with anything."""

import time
from datetime import date

import pytest

from handlers.answers import read
from handlers.forms import Kind, Option, Problem, Question
from handlers.messages import Choice, Event, Message, Said, Tapped, heard, plain
from handlers.turn import Turn
from storage import addresses
from storage.database import Database
from storage.invitations import code_in
from tests.world import AN, World

LONG = "Đồng chí Nguyễn Thị Hoà, tổ 3; " * 30_000  # 0.9 MB
SOON = 0.02  # seconds of processor time


def spent(began: float) -> float:
    return time.thread_time() - began


def test_what_is_longer_than_any_label_equals_none() -> None:
    began = time.thread_time()
    assert plain(LONG) == Said(LONG).plain == ""
    assert code_in(LONG) is None
    assert heard(Message("", (Choice("a", "Có"),)), Said(LONG)) == Said(LONG)
    assert spent(began) < SOON


@pytest.mark.parametrize("kind", ["number", "date", "yes_no", "choice", "choices"])
@pytest.mark.parametrize("text", [LONG, "1," * 450_000, "a;" * 450_000], ids=["words", "numbers", "parts"])
def test_no_question_takes_it_apart(kind: Kind, text: str) -> None:
    question = Question("q", kind, "?", options=(Option("a", "Có"), Option("b", "Không")))
    began = time.thread_time()
    assert isinstance(read(question, text, date(2025, 12, 1)), Problem)
    assert spent(began) < SOON


@pytest.mark.parametrize("event", [Said(LONG), Said("/start " + LONG), Tapped(LONG), Tapped("fill." + LONG)])
async def test_a_turn_holds_up_the_database_no_longer_for_it(sqlite: Database, event: Event) -> None:
    """In every place of the conversation. (Of the cleaning at the door nobody but the writer takes notice.)"""
    world = World(sqlite)
    an, answer, took = world.at_chat(AN), world.inbox.answer, []

    def timed(turn: Turn) -> list[Message]:
        began = time.thread_time()
        try:
            return answer(turn)
        finally:
            took.append(spent(began))

    await an.does(Tapped("fill.open"))
    await an.does(Tapped("consent.accept"))
    world.inbox.answer = timed
    for place in ("", "menu", "cell", "fill", "mine", "join", "join/birth", "join/leave"):
        with sqlite.transaction() as db:
            address = addresses.at(db, "telegram", "1", AN)
            assert address is not None
            addresses.go(db, address.id, place)
        await an.does(event)
    assert [seconds for seconds in took if seconds > SOON] == []
