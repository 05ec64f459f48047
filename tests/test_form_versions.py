"""A form that is changed in a running season disturbs no draft: who has begun stays on the version they began with."""

import dataclasses
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from handlers import forms
from handlers.forms import Form, Section
from handlers.turn import current_cycle
from storage import enrolments
from storage import models as m
from storage.database import Database
from tests.attack import Season, answer
from tests.world import AN, Member, all_forms


def without(form: Form, question: str) -> Form:
    def left(section: Section) -> Section:
        return dataclasses.replace(section, questions=tuple(q for q in section.questions if q.id != question))

    return dataclasses.replace(form, sections=tuple(map(left, form.sections)))


def reordered(form: Form) -> Form:
    first, *others = form.sections
    return dataclasses.replace(form, sections=(first, *reversed(others)))


@pytest.mark.parametrize("change", [lambda form: without(form, "a1_1"), reordered], ids=["removed", "reordered"])
async def test_a_draft_keeps_its_version_and_a_newcomer_gets_the_new_one(
    sqlite: Database, change: Callable[[Form], Form]
) -> None:
    season = Season(sqlite)
    an = Member(season, AN, AN)
    before = await answer(an, f"{season.assessments[AN]}.review")
    with sqlite.transaction() as db:
        old = db.execute(sa.select(m.CycleForm).where(m.CycleForm.key == "2B")).one()
        body = forms.dumps(change(all_forms()[old.form_id]))
        row = {"cycle_id": old.cycle_id, "key": "2B", "form_id": old.form_id, "version": 2, "body": body}
        new = db.execute(sa.insert(m.CycleForm).values(**row, digest="edited").returning(m.CycleForm.id)).scalar_one()
        gone = sa.select(m.Person.id).where(m.Person.code == "KM-0100")
        db.execute(sa.delete(m.Assessment).where(m.Assessment.person_id.in_(gone)))
        cycle = current_cycle(db)
        assert cycle is not None
        assert enrolments.add_missing(db, cycle.id, None, None) == 1
        has = sa.select(m.Person.code, m.Assessment.form_id).join(m.Assessment, m.Assessment.person_id == m.Person.id)
        given = {row.code: row.form_id for row in db.execute(has)}
    assert await answer(an, f"{season.assessments[AN]}.review") == before
    assert (given[AN], given["KM-0100"]) == (old.id, new)
