"""What reaches no flow of its own: groups, blocking, sending things that are not words."""

from handlers.texts import say
from storage.database import Database
from tests.world import AN, World


async def test_a_group_is_told_once_that_this_is_private(sqlite: Database) -> None:
    group = World(sqlite).stranger("-100")
    for _ in range(3):
        await group.sends("group")
    assert group.inbox == [say("vi", "problem.private_only")]


async def test_blocking_closes_the_address_and_writing_again_opens_it(sqlite: Database) -> None:
    world = World(sqlite)
    an = world.at_chat(AN)
    await an.sends("blocked")
    assert (an.inbox, world.closed(AN)) == ([], "blocked")
    await an.says("/menu")
    assert (len(an.inbox), world.closed(AN)) == (1, None)


async def test_something_that_is_not_words_is_answered_with_where_one_is(sqlite: Database) -> None:
    an = World(sqlite).at_chat(AN)
    await an.says("/menu")
    await an.sends("sticker")
    assert an.inbox[-1].startswith(say("vi", "menu.not_understood"))
    assert an.labels == ["Bắt đầu viết bản kiểm điểm", "Trợ giúp"]


async def test_an_unknown_command_loses_nothing(sqlite: Database) -> None:
    an = World(sqlite).at_chat(AN)
    await an.says("/batdau")
    assert an.inbox[-1].startswith(say("vi", "menu.unknown_command"))
