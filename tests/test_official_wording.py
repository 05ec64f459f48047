"""The official forms keep their wording to the letter: compared with its source once, it is held from then on."""

from hashlib import sha256
from pathlib import Path

import pytest

from handlers.form_files import forms_in
from handlers.forms import Form

FORMS = Path(__file__).parent.parent / "forms"

WORDING = {
    "mau_2a_2025": "40a74d7fa04ae7e8",
    "mau_2b_2025": "9808f5c5e335653b",
    "mau_2c_2025": "8f46524bfe8316fe",
    "mau_02_2019": "b04d3a22fc3c0544",
}


def wording(form: Form) -> str:
    """A digest of all that is the form's own words, in their order, with the ids that answers hang on."""
    lines = [form.id, form.title, form.legal_basis]
    for section in form.sections:
        lines += [section.id, section.number, section.heading, section.filled_by]
        for question in section.questions:
            lines += [question.id, question.label, *question.sum_of]
            lines += [f"{option.id} {option.label}" for option in question.options]
            lines.append(f"{question.required} {question.carry_over} {question.minimum} {question.maximum}")
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


@pytest.mark.parametrize("form_id", WORDING)
def test_the_official_wording_is_kept_to_the_letter(form_id: str) -> None:
    forms, wrong = forms_in(FORMS, "vi")
    assert wrong == []
    assert wording(forms[form_id]) == WORDING[form_id]


def test_the_levels_have_the_same_ids_in_every_official_form() -> None:
    forms, _ = forms_in(FORMS, "vi")
    rated = [q for form_id in WORDING for s in forms[form_id].sections for q in s.questions if q.rates]
    assert {tuple(option.id for option in question.options) for question in rated} == {
        ("excellent", "good", "completed", "not_completed")
    }
    assert len(rated) == len(WORDING)
