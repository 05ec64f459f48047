"""People whose turns share a transaction: each has their own answer, and many cost no more statements than few."""

import asyncio
import itertools
import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from bot.channels import Incoming
from handlers.messages import Said, Tapped
from handlers.turn import current_cycle, group_of
from storage import assessments, consents
from storage import models as m
from storage.database import Database
from tests.attack import ROLES, SUBMITTED, Season
from tests.statements import Ran, every_statement

WRITERS = [role.code for role in ROLES.values() if role.consented and role.code not in SUBMITTED]
NOT_YET = ROLES["bound but not consented"].code
_numbers = itertools.count(1)


@pytest.fixture
def season(database: Database) -> Season:
    made = Season(database)
    with database.transaction() as db:
        mine = [made.assessments[code] for code in WRITERS]
        db.execute(sa.update(m.Assessment).where(m.Assessment.id.in_(mine)).values(place="a1_1/anew"))
        db.execute(sa.update(m.Address).values(place="fill"))
        db.execute(sa.update(m.Address).where(m.Address.chat == NOT_YET).values(place="consent"))
    return made


@pytest.fixture
def statements(database: Database) -> Iterator[Ran]:
    with every_statement(database) as ran:
        yield ran


async def together(season: Season, said: dict[str, Said | Tapped]) -> None:
    await asyncio.gather(
        *(
            season.inbox.receive(Incoming(f"group:{next(_numbers)}", "telegram", "1", code, what))
            for code, what in said.items()
        )
    )
    await season.delivery.drain()


def of_the_form(statements: Ran) -> int:
    """How many read or wrote what each step of a form needs."""
    return sum(bool(re.search(r"(FROM|INTO|UPDATE) (consent|assessment|answer)\b", text)) for text, _ in statements)


async def test_each_of_many_who_answer_at_once_keeps_their_own_words(season: Season) -> None:
    await together(season, {code: Said(f"lời của {code}") for code in WRITERS})
    await together(season, {code: Said(f"thêm của {code}") for code in WRITERS})
    with season.database.transaction(read_only=True) as db:
        found = {code: assessments.answers(db, season.assessments[code])["a1_1"] for code in WRITERS}
    assert found == {code: f"lời của {code}\n\nthêm của {code}" for code in WRITERS}


async def test_many_cost_no_more_statements_than_two(season: Season, statements: Ran) -> None:
    await together(season, {code: Said("một") for code in WRITERS[:2]})
    two = of_the_form(statements)
    statements.clear()
    await together(season, {code: Said("hai") for code in WRITERS})
    assert len(WRITERS) > 4
    assert of_the_form(statements) == two == 5  # read: consent, assessment, answers; written: answer, assessment


async def test_a_consent_that_is_given_among_the_answers_of_others_leads_on(season: Season) -> None:
    await together(
        season,
        {WRITERS[0]: Said("trước"), NOT_YET: Tapped("consent.accept"), WRITERS[1]: Said("sau")},
    )
    with season.database.transaction(read_only=True) as db:
        cycle, person = current_cycle(db), season.assessments[NOT_YET]
        assert cycle is not None
        who = db.execute(sa.select(m.Assessment.person_id).where(m.Assessment.id == person)).scalar_one()
        assert consents.newest(db, who, cycle.id, cycle.consent.version) is True
        last = season.addresses[NOT_YET]
        assert db.execute(sa.select(m.Address.place).where(m.Address.id == last)).scalar_one() == "fill"


async def test_one_who_reopens_and_one_who_keeps_are_each_shown_what_is_theirs(season: Season) -> None:
    """What a turn changes, it reads anew: nothing of what was read for the group before."""
    done = SUBMITTED[0]
    row = sa.select(m.Assessment.state, m.Assessment.place).where(m.Assessment.id == season.assessments[done])
    await together(season, {done: Tapped("mine.reopen"), WRITERS[0]: Said("một")})
    with season.database.transaction(read_only=True) as db:
        assert tuple(db.execute(row).one()) == (m.SUBMITTED, "review/1")
    await together(season, {done: Tapped("mine.keep"), WRITERS[0]: Said("hai")})
    with season.database.transaction(read_only=True) as db:
        assert tuple(db.execute(row).one()) == (m.SUBMITTED, "submitted")
        assert "hai" in assessments.answers(db, season.assessments[WRITERS[0]])["a1_1"]


async def test_who_changes_a_reopened_review_costs_no_statement_more(season: Season, statements: Ran) -> None:
    await together(season, {SUBMITTED[0]: Tapped("mine.reopen")})
    await together(season, {SUBMITTED[0]: Tapped("fill.open")})
    statements.clear()
    await together(season, {SUBMITTED[0]: Tapped("fill.open"), WRITERS[0]: Said("một")})
    assert of_the_form(statements) == 5


def test_who_asks_again_is_told_what_was_saved_meanwhile(season: Season) -> None:
    """Somebody answers in one chat and joins from another one in the same transaction."""
    with season.database.transaction() as db:
        cycle, number = current_cycle(db), season.assessments[WRITERS[0]]
        person = db.execute(sa.select(m.Assessment.person_id).where(m.Assessment.id == number)).scalar_one()
        group = group_of(db, [person], cycle)
        first = group.assessment(person)
        assert first is not None
        group.save(
            assessments.Step(first, [("a1_2", "mới", True)], "a1_3", m.IN_PROGRESS, None, season.clock(), None),
        )
        again = group.assessment(person)
        assert again is not None
        assert (again.revision, again.place) == (first.revision + 1, "a1_3")
        assert group.answers(again)["a1_2"] == "mới"
