"""A text that a messenger cut into pieces because it was too long is one text again; several messages stay several."""

from datetime import timedelta
from typing import Any

import pytest

from bot.channels import Incoming
from handlers import draft
from handlers.messages import Said, Tapped
from handlers.words import clean
from storage import assessments, people, person_data
from storage.assessments import Assessment
from storage.database import Database
from tests.world import AN, Member, World

WORDS = "Dự đủ các buổi sinh hoạt chi bộ, học tập nghị quyết và góp ý thẳng thắn. "


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def asked(world: World) -> Member:
    """An is asked the first question."""
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý", "Đúng")
    return an


def stored(world: World, question: str = "a1_1") -> str:
    """The answer as it is read."""
    with world.database.transaction(read_only=True) as db:
        person = people.by_code(db, AN)
        assert person is not None
        found: Assessment | None = assessments.of(db, person.id, 1)
        assert found is not None
        return assessments.answers(db, found.id)[question]


def cut(text: str, limit: int = 4096) -> list[str]:
    """As clients cut: at a line's end or else a space near the limit, which is dropped; else in a word."""
    pieces = []
    while len(text.encode("utf-16-le")) > 2 * limit:
        head = text.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore")
        end = next((at for sign in "\n " if (at := head.rfind(sign)) > len(head) - 300), len(head))
        pieces.append(text[:end].strip())
        text = text[end:].strip()
    return [*pieces, text]


@pytest.mark.parametrize(
    "text",
    [
        (WORDS * 80).strip(),
        (WORDS * 200).strip(),  # three pieces and more
        "a" * 9_000,
        "👍" * 3_000,  # two UTF-16 units each
        (WORDS * 50).strip() + "\n" + "\n".join(f"- Việc thứ {n}: đã làm xong, đúng hạn" for n in range(120)),
    ],
    ids=["two pieces", "four pieces", "no whitespace", "emoji", "a list"],
)
async def test_a_text_that_was_cut_is_stored_as_it_was_written(world: World, text: str) -> None:
    an = await asked(world)
    pieces = cut(text)
    assert len(pieces) > 1
    await an.says(*pieces)
    assert stored(world) == text


async def test_writing_anew_with_a_text_that_was_cut_replaces_the_answer(world: World) -> None:
    an = await asked(world)
    await an.says("Cũ")
    await an.taps("Viết lại")
    text = (WORDS * 80).strip()
    await an.says(*cut(text))
    assert stored(world) == text


async def test_from_the_review_too(world: World) -> None:
    an = await asked(world)
    await an.says("Cũ")
    await an.taps("Xem lại")
    await an.says("1")
    await an.taps("Viết lại")
    text = (WORDS * 80).strip()
    await an.says(*cut(text))
    assert stored(world) == text


async def test_several_messages_keep_their_paragraphs(world: World) -> None:
    an = await asked(world)
    full = (WORDS * 80)[:4090].strip()
    await an.says("Một", "Hai", full)
    world.clock.at += timedelta(seconds=61)
    await an.says("Viết sau")
    assert stored(world) == f"Một\n\nHai\n\n{full}\n\nViết sau"


async def test_a_message_after_a_button_is_one_of_its_own(world: World) -> None:
    an = await asked(world)
    full = (WORDS * 80)[:4090].strip()
    await an.says(full)
    await an.taps("Tiếp", "Quay lại")
    await an.says("Thêm")
    assert stored(world) == f"{full}\n\nThêm"


async def test_a_long_message_that_is_not_full_length_is_a_paragraph(world: World) -> None:
    an = await asked(world)
    long = (WORDS * 80)[:3000].strip()
    await an.says(long, "Hai")
    assert stored(world) == f"{long}\n\nHai"


async def test_the_web_page_cuts_nothing(world: World) -> None:
    await asked(world)
    full = (WORDS * 80)[:4090].strip()
    with world.database.transaction() as db:
        db.exec_driver_sql("UPDATE address SET channel = 'web'")
    for words in (full, "Hai"):
        await says_on_the_page(world, words)
    assert stored(world) == f"{full}\n\nHai"


async def says_on_the_page(world: World, words: str) -> None:
    """What the page posts."""
    await world.inbox.receive(Incoming(f"web:1:{words[:9]}", "web", "1", AN, Said(words)))


async def test_the_copy_of_the_own_data_shows_the_pieces_as_they_came(world: World) -> None:
    an = await asked(world)
    pieces = cut((WORDS * 80).strip())
    await an.says(*pieces)
    with world.database.transaction(read_only=True) as db:
        person = people.by_code(db, AN)
        assert person is not None
        rows: list[dict[str, Any]] = person_data.everything(db, person)["answers"]
    assert [row["answer"].strip() for row in rows if row["question"] == "a1_1"] == pieces


def test_what_says_that_a_row_goes_on_cannot_be_typed() -> None:
    assert draft.GOES_ON == assessments.GOES_ON
    assert clean(f"{draft.GOES_ON}chữ") == "chữ"


async def test_the_secretary_sees_the_question_where_a_cut_text_stopped(world: World) -> None:
    an = await asked(world)
    await an.taps("Để sau")
    await an.says(*cut((WORDS * 80).strip())[:1])
    binh = world.at_chat("KM-0043")
    await binh.does(Tapped("cell.open"))
    assert "(Câu 2/13)" in binh.inbox[-1]
