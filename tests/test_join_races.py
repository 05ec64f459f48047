"""Joining under pressure: at the same moment from many chats, and with anything a client may send."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.texts import say
from storage import models as m
from storage.database import Database
from tests.joining import AN, BINH, BIRTHS, Chat, World


def all_at_once(chats: list[Chat], words: str) -> list[str]:
    """Every chat says *words* in a thread of its own at the same moment."""
    start = Barrier(len(chats))

    def says(chat: Chat) -> str:
        start.wait(10)
        return chat.says(words)

    with ThreadPoolExecutor(len(chats)) as threads:
        return list(threads.map(says, chats))


def test_of_many_chats_with_the_same_code_exactly_one_is_bound(database: Database) -> None:
    world = World(database)
    code, chats = world.invite(AN), [Chat(world) for _ in range(5)]
    for chat in chats:
        chat.says(code)
    all_at_once(chats, BIRTHS[AN])

    assert sorted([chat.person or "" for chat in chats]) == ["", "", "", "", AN]
    assert [action for (action,) in world.rows(m.Audit.action)].count("address.bound") == 1


def test_guesses_at_the_same_moment_are_counted_exactly(database: Database) -> None:
    world = World(database)
    code, chats = world.invite(AN), [Chat(world) for _ in range(8)]
    for chat in chats:
        chat.says(code)
    answers = all_at_once(chats, "1/1/1950")

    assert answers.count(say("vi", "join.too_often")) == 3
    assert len(world.rows(m.Attempt.code_hash)) == 5


EVENTS = st.lists(
    st.sampled_from(
        ["/start", "code of An", "code of Binh", "birth of An", "birth of Binh", "1/1/1950", "xin chào", "giữ nguyên"]
    )
    | st.sampled_from(
        ["consent.accept", "consent.decline", "consent.show", "join.stay", "join.not_me=1", "join.x", "join."]
    )
    | st.text(max_size=64).map("join.{}".format)
    | st.text(max_size=64),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
def test_whatever_is_sent_nobody_is_bound_without_code_and_birth_date(sqlite: Database, events: list[str]) -> None:
    world = World(sqlite)
    world.open_cycle() if not world.rows(m.Cycle.id) else None
    chat, codes = Chat(world), {"code of An": world.invite(AN), "code of Binh": world.invite(BINH)}
    births = {"birth of An": BIRTHS[AN], "birth of Binh": BIRTHS[BINH]}
    said: set[str] = set()
    for event in events:
        before = chat.person
        if event.startswith(("join.", "consent.")):
            chat.taps(event)
        else:
            chat.says(codes.get(event) or births.get(event) or event)
        said.add(event)
        assert chat.last.text
        if chat.person != before:
            who = {AN: "An", BINH: "Binh", None: ""}[chat.person]
            assert {f"code of {who}", f"birth of {who}"} <= said
            assert event == f"birth of {who}"
            assert before is None or "birth of An" in said or "birth of Binh" in said
