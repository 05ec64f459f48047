"""Who sees whom changes at once: a member moves, a secretary is replaced, a page is open meanwhile."""

from dataclasses import replace
from datetime import date, timedelta

import httpx2
import pytest
import sqlalchemy as sa

from bot.channels import TryLater
from bot.channels.web import application
from bot.channels.web.talk import checksum
from handlers.texts import say
from storage import models as m
from storage import people, roles
from storage.database import Database
from tests.attack import A1, A2, SUBMITTED, Season, answer, secret
from tests.echo import Echo, web
from tests.surfing import HERE
from tests.world import AN, BINH, CHI, Member


@pytest.fixture
def season(sqlite: Database) -> Season:
    return Season(sqlite)


async def seen(season: Season, code: str) -> tuple[set[str], str]:
    """Whom the secretary sees by name, and the line with the counts."""
    told = await answer(Member(season, code, code), "cell.open")
    return season.named_in(told), told[0].text.splitlines()[1].partition(" (")[0]


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("KM-0032", ("Đã nộp 2/20", "Đã nộp 1/17"), ("Đã nộp 2/19", "Đã nộp 1/18")),  # has not begun
        (AN, ("Đã nộp 2/20", "Đã nộp 1/17"), ("Đã nộp 2/19", "Đã nộp 1/18")),  # has a draft
        (SUBMITTED[0], ("Đã nộp 2/20", "Đã nộp 1/17"), ("Đã nộp 1/19", "Đã nộp 2/18")),  # has submitted
    ],
)
async def test_who_moves_is_seen_and_counted_by_the_new_cell_alone(
    season: Season, code: str, before: tuple[str, str], after: tuple[str, str]
) -> None:
    (old, old_count), (new, new_count) = await seen(season, BINH), await seen(season, CHI)
    assert (code in old, code in new, old_count, new_count) == (code not in SUBMITTED, False, *before)
    with season.database.transaction() as db:
        season.moves(db, code, "Chi bộ 2")
    (old, old_count), (new, new_count) = await seen(season, BINH), await seen(season, CHI)
    assert (code in old, code in new, old_count, new_count) == (False, code not in SUBMITTED, *after)


async def test_who_moves_keeps_the_one_review_with_its_answers(season: Season) -> None:
    with season.database.transaction() as db:
        season.moves(db, AN, "Chi bộ 2")
    told = await answer(Member(season, AN, AN), f"{season.assessments[AN]}.review")
    assert season.read_in(told) == {AN}


async def test_of_a_draft_that_is_erased_no_word_is_left(season: Season) -> None:
    an = Member(season, AN, AN)
    assert season.read_in(await answer(an, f"{season.assessments[AN]}.review")) == {AN}
    await answer(an, "consent.show")
    await answer(an, "consent.decline")
    await an.taps("Đúng, xóa bản nháp")
    with season.database.transaction(read_only=True) as db:
        kept = [*db.scalars(sa.select(m.Answer.words)), *db.scalars(sa.select(m.Outgoing.body))]
    assert [words for words in kept if words and secret(AN).encode() in words] == []


async def test_the_new_secretary_sees_what_the_old_one_no_longer_does(season: Season) -> None:
    with season.database.transaction() as db:
        old, new = people.by_code(db, BINH), people.by_code(db, AN)
        assert old and new
        roles.revoke(db, old.id, "secretary", season.units[A1])
        roles.grant(db, new.id, "secretary", season.units[A1])
    refused = await answer(Member(season, BINH, BINH), f"cell.show={season.units[A1]}")
    assert season.named_in(refused) == {BINH}
    assert (await seen(season, AN))[0] >= {BINH, AN}


async def test_a_digest_that_could_not_be_sent_is_not_sent_to_who_is_secretary_no_more(season: Season) -> None:
    season.channel.fails[BINH].append(TryLater(timedelta(minutes=5), sent=False))
    before = len(season.channel.inbox[BINH])
    await season.moves_to(date(2026, 11, 26), "17:00")
    with season.database.transaction() as db:
        binh = people.by_code(db, BINH)
        assert binh is not None
        roles.revoke(db, binh.id, "secretary", season.units[A1])
    await season.moves_to(date(2026, 11, 26), "17:30")
    assert season.named_in(season.channel.inbox[BINH][before:]) == set()
    assert season.named_in(season.channel.inbox["KM-0046"]) > {BINH, "KM-0046"}  # the deputy's went out


async def test_a_role_that_is_taken_away_is_gone_at_the_next_request_of_an_open_page(season: Season) -> None:
    page = replace(web(Echo(season.database, 0)), receive=season.inbox.receive, now=season.clock)
    browser = httpx2.AsyncClient(transport=httpx2.ASGITransport(application(page)), base_url=HERE)
    with season.database.transaction(read_only=True) as db:
        chi = people.by_code(db, CHI)
    assert chi is not None
    born = {"day": chi.birth_date.day, "month": chi.birth_date.month, "year": chi.birth_date.year}
    chat = (await browser.post(f"/chat/{season.invitation(CHI)}", data=born)).headers["location"]

    async def told(number: int) -> str:
        body = {"key": f"0000000{number}.{checksum('cell.open'):08x}", "value": "cell.open", "after": 0}
        return str((await browser.post(f"{chat}tap", json=body)).json()["messages"][-1]["text"])

    assert (await told(1)).startswith("Chi bộ 2 · ")
    with season.database.transaction() as db:
        roles.revoke(db, chi.id, "secretary", season.units[A2])
    assert (await told(2)).startswith(say("vi", "problem.not_yours"))
    await browser.aclose()
