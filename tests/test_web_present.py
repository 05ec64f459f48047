"""A page that is opened shows where its person stands, from what is stored. Nothing is written for it."""

from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
import sqlalchemy as sa

from bot.channels.web import application
from bot.present import present_at
from handlers import fill
from handlers.messages import Message, Said
from storage import addresses, assessments
from storage import models as m
from storage.database import Database
from tests.echo import WELCOME, Echo, web
from tests.season import World
from tests.surfing import HERE, Browser

QUESTION = "Câu 1/3 · A\n\nTự đánh giá\n\nƯu điểm"


def writing(database: Database, *said: str) -> World:
    """An, who agreed and stands at the first question, having *said* these words."""
    world = World(database)
    world.opens()
    consent = {"person_id": world.ids["An"], "cycle_id": 1, "version": "1", "given": True, "at": world.now}
    with database.transaction() as db:
        db.execute(sa.insert(m.Consent).values(consent | {"address_id": 1}))
        addresses.go(db, 1, "fill")
    for text in said:
        with database.transaction() as db:
            turn = world.turn(db, "An", Said(text))
            fill.handle(turn)
            turn.group.write()
    return world


def present(world: World, last: str | None) -> Message | None:
    """What An's page shows when it is opened, in a transaction that may only read."""
    with world.database.transaction(read_only=True) as db:
        address = addresses.at(db, "fake", "", "fake/An")
        assert address
        return present_at(db, address, world.now, last, "vi")


def test_in_a_new_tab_the_stored_words_stand_under_their_question(database: Database) -> None:
    world = writing(database, "Gương mẫu, chịu khó.")
    before = world.assessment("An")
    shown = present(world, "Đã ghi.")
    assert shown is not None
    assert [part in shown.text for part in (QUESTION, "Gương mẫu, chịu khó.")] == [True, True]
    assert [move.label for move in shown.moves] == ["Tiếp", "Viết lại", "Xem lại"]
    assert world.assessment("An") == before
    with database.transaction(read_only=True) as db:
        assert assessments.answers(db, before.id) == {"strengths": "Gương mẫu, chịu khó."}


def test_what_was_said_last_is_not_repeated(database: Database) -> None:
    world = writing(database)
    shown = present(world, None)
    assert shown is not None
    assert present(world, shown.text) is None


def test_who_stands_in_no_form_is_shown_the_menu_only_where_nothing_is_left(database: Database) -> None:
    world = writing(database, "Gương mẫu.")
    with database.transaction() as db:
        addresses.go(db, 1, "menu")
    assert present(world, "Chào đồng chí") is None
    shown = present(world, None)
    assert shown is not None
    assert [choice.value for choice in shown.choices] == ["fill.open", "mine.open", "menu.help"]


def test_who_took_consent_back_is_not_shown_a_question(database: Database) -> None:
    world = writing(database, "Gương mẫu.")
    world.execute(sa.update(m.Consent).values(given=False))
    assert present(world, "Đã ghi.") is None


@pytest.mark.parametrize("place", ["fill", "cell", "committee", "menu"])
def test_whose_season_is_over_is_shown_so_instead_of_what_was_offered_before(database: Database, place: str) -> None:
    world = writing(database, "Gương mẫu.")
    with database.transaction() as db:
        addresses.go(db, 1, place)
    world.now = world.cycle.closes + timedelta(days=2)
    shown = present(world, "Chào đồng chí An. Còn 2 ngày nữa.")
    assert shown is not None
    assert shown.text.splitlines()[-1] == (
        "Kỳ kiểm điểm đã đóng lúc 17:00 ngày 18/12/2026. Đồng chí chưa nộp bản kiểm điểm; nếu cần nộp, đề nghị đồng "
        "chí liên hệ bí thư chi bộ."
    )
    assert [choice.value for choice in shown.choices] == ["mine.open", "menu.help"]
    assert present(world, shown.text) is None
    assert present(world, "Chi bộ 1\nĐã nộp 0/6. Kỳ kiểm điểm đã đóng lúc 17:00 ngày 18/12/2026.") is None


def test_who_is_writing_when_the_season_closes_is_shown_the_question(database: Database) -> None:
    world = writing(database, "Gương mẫu.")
    world.put("An", active_at=world.cycle.closes - timedelta(minutes=1))
    world.now = world.cycle.closes + timedelta(minutes=10)
    shown = present(world, "Đã ghi.")
    assert shown is not None
    assert QUESTION in shown.text


async def test_the_page_is_given_it_below_its_history_and_opens_without_it_too(echo: Echo) -> None:
    browser = Browser(echo)
    chat = await browser.joins()
    asked: list[str | None] = []

    def stands(db: object, address: object, now: object, last: str | None) -> Message | None:
        asked.append(last)
        if len(asked) > 1:
            raise KeyError("a data key is missing")
        return Message("Câu 1")

    transport = httpx2.ASGITransport(application(replace(web(echo), present=stands)))
    there = httpx2.AsyncClient(transport=transport, base_url=HERE, cookies=browser.http.cookies)
    found = '<script id="stands" type="application/json">'
    pages = [(await there.get(chat)).text.partition(found)[2].partition("<")[0] for _ in range(2)]
    assert (pages, asked) == (['{"text": "Câu 1"}', "null"], [WELCOME, WELCOME])
