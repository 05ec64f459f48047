"""Guesses from a thousand chats open nothing: after a few hundred the way in is closed for an hour."""

import asyncio
from datetime import timedelta

import sqlalchemy as sa

from bot.channels import Incoming
from bot.inbox import Inbox
from handlers.messages import Said
from handlers.routes import route
from handlers.texts import say
from storage import models as m
from storage.attempts import IN_ALL
from storage.database import Database
from storage.invitations import ALPHABET
from tests.world import AN, World

CHATS, EACH = 1000, 2
BIRTH = "5/6/1975"  # An's: whoever guesses may know it


def a_code(number: int) -> str:
    """One of many codes that look right."""
    return "ABCDEF" + "".join(ALPHABET[number // 31**place % 31] for place in range(4))


async def test_guesses_from_a_thousand_chats_open_nothing(sqlite: Database) -> None:
    world = World(sqlite, opened=False)
    invited = world.invitation(AN)
    inbox = Inbox(sqlite, answer=route, now=world.clock, lang="vi", deliveries={})
    keys = iter(range(10**6))

    async def says(chat: int, words: str) -> None:
        await inbox.receive(Incoming(f"telegram:1:guess-{next(keys)}", "telegram", "1", f"{chat}", Said(words)))

    for number in range(EACH):
        await asyncio.gather(*(says(chat, a_code(chat * EACH + number)) for chat in range(CHATS)))
        with sqlite.transaction(read_only=True) as db:
            asked = [int(chat) for chat in db.scalars(sa.select(m.Address.chat).where(m.Address.place == "join/birth"))]
        await asyncio.gather(*(says(chat, BIRTH) for chat in asked))
    with sqlite.transaction(read_only=True) as db:
        assert db.scalars(sa.select(sa.func.count()).select_from(m.Attempt)).one() == IN_ALL
        assert db.scalars(sa.select(sa.func.count(m.Address.person_id))).one() == 0
    assert inbox.kept == 0

    an = world.stranger("An")
    await an.says(invited)
    assert an.inbox[-1] == say("vi", "join.too_often")
    world.clock.at += timedelta(hours=1)
    await an.says(invited, BIRTH)
    assert an.inbox[-1].startswith("Đã liên kết với đồng chí Nguyễn Văn Đông")
