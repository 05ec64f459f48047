"""Forms: every mistake is told with its place, answers are read as people type them, and shown as they write them."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.answers import number, read, shown, worded
from handlers.form_files import forms_in, problems_in, read_form
from handlers.forms import Form, Problem, Question, digest, dumps, loads

FORMS = Path(__file__).parent.parent / "forms"
TODAY = date(2026, 11, 24)

GOOD = """
id = "short"
title = "A short form"
lang = "en"
header = "about"

[[sections]]
id = "about"
heading = "About you"
questions = [{ id = "name", kind = "line", label = "Name", prefill = "name" }]

[[sections]]
id = "one"
number = "1"
heading = "One"

[[sections.questions]]
id = "helped"
kind = "yes_no"
label = "Did anybody help you?"

[[sections.questions]]
id = "who"
kind = "text"
label = "Who?"
when = { question = "helped", is_in = ["yes"] }

[[sections.questions]]
id = "how_far"
kind = "number"
label = "How far, out of 10?"
maximum = 10
decimals = 1

[[sections.questions]]
id = "how_well"
kind = "number"
label = "How well, out of 10?"
maximum = 10
decimals = 1

[[sections.questions]]
id = "both"
kind = "sum"
label = "Both"
sum_of = ["how_far", "how_well"]
scores = true
"""


def form(text: str = GOOD) -> Form:
    """A form that must be right."""
    made = read_form(text, "short.toml", "en")
    assert isinstance(made, Form), made
    return made


def wrong(text: str) -> list[str]:
    """What is wrong with a form."""
    made = read_form(text, "short.toml", "en")
    assert isinstance(made, list)
    return made


def test_every_form_of_the_folder_loads() -> None:
    assert problems_in(FORMS, "vi") == []
    assert sorted(forms_in(FORMS, "vi")[0]) == [
        "mau_02_2019",
        "mau_2a_2025",
        "mau_2b_2025",
        "mau_2c_2025",
        "self_review_en",
    ]


def test_every_file_begins_with_what_may_be_edited() -> None:
    for file in FORMS.glob("*.toml"):
        top = file.read_text("utf-8").split("\n\n")[0].splitlines()
        assert [line[:1] for line in top] == ["#"] * len(top)
        assert any("kiemdiem check" in line for line in top)


def test_a_frozen_copy_is_the_form_again() -> None:
    for made in forms_in(FORMS, "vi")[0].values():
        assert loads(dumps(made)) == made
        assert digest(dumps(made)) == digest(dumps(loads(dumps(made))))


def test_the_english_form_uses_every_kind() -> None:
    made = forms_in(FORMS, "vi")[0]["self_review_en"]
    questions = [question for section in made.sections for question in section.questions]
    assert {question.kind for question in questions} == {
        "line", "text", "choice", "choices", "yes_no", "number", "sum", "date",
    }  # fmt: skip
    assert any(section.intro for section in made.sections)
    assert any(question.when for question in questions)


def test_a_line_is_shorter_than_a_text_unless_the_form_says_otherwise() -> None:
    made = form(GOOD.replace('kind = "text"', 'kind = "line"'))
    assert [q.longest for q in made.sections[1].questions if q.kind == "line"] == [300]


def test_several_mistakes_are_told_at_once_each_with_its_place() -> None:
    broken = (
        GOOD.replace('id = "who"', 'id = "Who?"')
        .replace('kind = "yes_no"', 'kind = "yesno"')
        .replace("maximum = 10\ndecimals = 1\n\n[[sections.questions]]\nid = \"how_well\"",
                 "minimum = 11\nmaximum = 10\ndecimal = 1\n\n[[sections.questions]]\nid = \"how_well\"")
    )  # fmt: skip
    assert wrong(broken) == [
        'short.toml, question helped (section one): "kind" cannot be "yesno". It may be: text, line, choice, choices, '
        "yes_no, number, sum, date.",
        'short.toml, question Who? (section one): the id "Who?" will not do. Use small letters, digits and '
        "underscores, a letter first, at most 24 characters.",
        'short.toml, question Who? (section one): when names "helped", which offers no options. Use it with choice, '
        "choices or yes_no.",
        'short.toml, question how_far (section one): there is no key "decimal". Did you mean: decimals?',
        'short.toml, question both (section one): sum_of names "how_far", which is no number asked before. Change the '
        "id in sum_of.",
    ]


def test_a_broken_file_is_told_with_its_line() -> None:
    assert wrong('id = "short"\ntitle = A form\n') == [
        "short.toml: cannot be read (Invalid value (at line 2, column 9)). Look at that line: a quote, an equals sign "
        "or a bracket missing?"
    ]


@pytest.mark.parametrize(
    ("was", "becomes", "sentence"),
    [
        ('title = "A short form"', "", 'top of the file: "title" is missing. Please add it.'),
        ('lang = "en"', 'lang = "fr"', 'top of the file: "lang" cannot be "fr". It may be: vi, en.'),
        ('title = "A short form"', 'title = ""', 'top of the file: "title" is empty. Please fill it in.'),
        ('title = "A short form"', "title = 3", 'top of the file: "title" must be text in quotes.'),
        ("maximum = 10", 'maximum = "10"', 'question how_far (section one): "maximum" must be a '
         "number, without quotes."),
        ("maximum = 10", "maximum = true", 'question how_far (section one): "maximum" must be a '
         "number, without quotes."),
        ("decimals = 1", "decimals = 9", "question how_far (section one): decimals is 0 to 4."),
        ("decimals = 1", "minimum = 11", "question how_far (section one): minimum (11) is more than maximum (10). "
         "Change one."),
        ('label = "Who?"', 'label = ""', 'question who (section one): "label" is empty. Please fill it in.'),
        ('label = "Who?"', 'label = "Who?"\nrequired = "no"',
         'question who (section one): "required" must be true or false, without quotes.'),
        ('label = "Who?"', 'label = "Who?"\nprefill = "name"',
         "question who (section one): prefill is for the header only. Remove it."),
        ('label = "Who?"', 'label = "Who?"\ndecimals = 1',
         'question who (section one): "decimals" is for the kinds number only. Remove it or change the kind.'),
        ('label = "Who?"', 'label = "Who?"\nlongest = 0', "question who (section one): longest is 1 to 20000."),
        ('label = "Who?"', f'label = "Who?"\nhint = "{"x" * 2400}"',
         "question who (section one): heading, intro, label, hint and example of this question have 2407 characters, "
         "and 2400 is the most. Shorten the hint or the example."),
        ('id = "who"', 'id = "helped"', 'question helped (section one): the id "helped" is used twice. Use each '
         "id once in a file."),
        ('id = "who"', 'id = "submit"', 'question submit (section one): the id "submit" is a word the bot uses itself. '
         "Choose another."),
        ('is_in = ["yes"]', 'is_in = ["ja"]', 'question who (section one): when: "ja" is no option of helped. It may '
         "be: yes, no."),
        ('question = "helped"', 'question = "both"', 'question who (section one): when names "both", which is no '
         "question before this one. Change the id, or move that question up."),
        ('sum_of = ["how_far", "how_well"]', 'sum_of = ["helped"]',
         'question both (section one): sum_of names "helped", which is no number asked before. Change the '
         "id in sum_of."),
        ('sum_of = ["how_far", "how_well"]', "", 'question both (section one): "sum_of" is missing. Please add it.'),
        ('label = "How far, out of 10?"', 'label = "How far, out of 10?"\nrequired = false',
         'question both (section one): sum_of names "how_far", which is optional or has a condition. What is '
         "summed must always be asked."),
        ('header = "about"', 'header = "one"', 'top of the file: header is "one", which is not the first section. '
         "Change header or move that section to the top."),
        ('kind = "line"', 'kind = "text"', "question name (section about): the header takes no text. Use line, "
         "number or date."),
        ('kind = "yes_no"', 'kind = "choice"\noptions = [{ id = "yes", label = "Yes" }]',
         "question helped (section one): options needs 2 to 20 options."),
        ('kind = "yes_no"', 'kind = "choice"\noptions = [{ id = "yes", label = "Yes" }, { id = "no", label = "yes!" }]',
         'question helped (section one), option 2: the label "yes!" is used by another option. Choose another.'),
        ('kind = "yes_no"', 'kind = "choice"\noptions = [{ id = "yes", label = "Yes" }, { id = "yes", label = "No" }]',
         'question helped (section one), option 2: the id "yes" is used twice. Use each id once in a file.'),
        ("scores = true", "scores = true\n[[sections]]\nid = \"two\"\nheading = \"Two\"\n[[sections.questions]]\n"
         'id = "again"\nkind = "number"\nlabel = "Again"\nscores = true',
         'top of the file: "scores" marks one question only, but stands in: both, again.'),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_what_to_do(was: str, becomes: str, sentence: str) -> None:
    assert was in GOOD
    assert f"short.toml, {sentence}" in wrong(GOOD.replace(was, becomes, 1))


@given(st.data())
def test_no_file_however_broken_raises(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    values = ["1", "true", '""', '"x"', "[]", "{}", "[1]", "{ id = 3 }", "-1", '["yes"]', "[{}]", "1.5", "1979-05-27"]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        key = lines[at].partition(" = ")[0]
        lines[at] = f"{key} = {data.draw(st.sampled_from(values))}" if " = " in lines[at] else data.draw(st.text())
    made = read_form("\n".join(lines), "short.toml", "vi")
    assert isinstance(made, Form) or made


def test_two_files_with_one_id_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    (tmp_path / "b.toml").write_text(GOOD)
    assert problems_in(tmp_path, "en") == ['b.toml: the id "short" is used in another file. Choose another.']


def test_a_folder_without_forms_is_a_problem(tmp_path: Path) -> None:
    assert problems_in(tmp_path, "en") == [f"{tmp_path}: no form there (no .toml file)."]


def test_a_condition_decides_what_is_asked() -> None:
    assert [q.id for q in form().asked({"helped": "no"})] == ["helped", "how_far", "how_well"]
    assert [q.id for q in form().asked({"helped": "yes"})] == ["helped", "who", "how_far", "how_well"]


def test_a_sum_is_there_when_all_its_numbers_are() -> None:
    assert form().score({"how_far": "7.5"}) is None
    assert str(form().score({"how_far": "7.5", "how_well": "2"})) == "9.5"


def asked(kind: str, **more: object) -> Question:
    """A question to be read."""
    return replace(Question("q", "text", "?"), kind=kind, **more)  # type: ignore[arg-type]


POINTS = asked("number", minimum=0, maximum=30, decimals=2)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("28", "28"),
        ("28,5", "28.5"),
        ("28.50", "28.5"),
        (" 28 điểm ", "28"),
        ("28/30", "28"),
        ("28,5/30 điểm", "28.5"),
        ("0", "0"),
        ("-0", "0"),
        ("030", "30"),
        ("30", "30"),
    ],
)
def test_a_number_is_read_as_people_type_it(typed: str, stored: str) -> None:
    assert read(POINTS, typed, TODAY) == stored


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("hai mươi", "problem.number"),
        ("28/70", "problem.number"),
        ("2 8", "problem.number"),
        ("٢٨", "problem.number"),
        ("31", "problem.between"),
        ("-1", "problem.between"),
        ("28,555", "problem.decimals"),
        ("1.000", "problem.decimals"),
        ("9" * 5000, "problem.number"),
        ("   ", "problem.empty"),
    ],
)
def test_a_number_that_is_none_is_a_problem(typed: str, problem: str) -> None:
    found = read(POINTS, typed, TODAY)
    assert isinstance(found, Problem)
    assert found.key == problem


def test_a_problem_speaks_in_the_words_of_the_form() -> None:
    found = read(POINTS, "31", TODAY)
    assert isinstance(found, Problem)
    assert worded(found, "vi") == "Số phải từ 0 đến 30. Mời đồng chí nhập lại."
    too_long = read(asked("line", longest=20_000), "x" * 20_001, TODAY)
    assert isinstance(too_long, Problem)
    assert worded(too_long, "vi").startswith(
        "Phần vừa gửi chưa được ghi: cả câu sẽ dài 20.001 ký tự, nhiều nhất là 20.000."
    )


@pytest.mark.parametrize("typed", ["5/11/1979", "05-11-1979", "5.11.1979", " 5 11 1979 ", "05 / 11 / 1979"])
def test_a_date_is_read_with_any_separator(typed: str) -> None:
    assert read(asked("date"), typed, TODAY) == "1979-11-05"


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("30/2/1979", "problem.date"),
        ("1979", "problem.date"),
        ("5/11/0079", "problem.date"),
        ("25/11/2026", "problem.future"),
    ],
)
def test_a_day_that_is_none_or_not_come_yet_is_a_problem(typed: str, problem: str) -> None:
    found = read(asked("date"), typed, TODAY)
    assert isinstance(found, Problem)
    assert found.key == problem


OPTIONS = form(
    GOOD.replace(
        'kind = "yes_no"',
        'kind = "choices"\noptions = [{ id = "tot", label = "Tốt" }, { id = "both", label = "Lẻ, chẵn" }, '
        '{ id = "kem", label = "Kém" }]',
    ).replace('is_in = ["yes"]', 'is_in = ["tot"]')
).sections[1].questions[0]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("1", "tot"),
        ("3,1", "tot,kem"),
        ("1 và 3", "tot,kem"),
        ("1;2;3", "tot,both,kem"),
        ("tot", "tot"),
        ("TỐT, kém", "tot,kem"),
        ("le, chan", "both"),
        ("Lẻ, chẵn; Kém", "both,kem"),
        ("Kém\nTốt", "tot,kem"),
    ],
)
def test_several_choices_are_read_by_number_or_label(typed: str, stored: str) -> None:
    assert read(OPTIONS, typed, TODAY) == stored


@pytest.mark.parametrize("typed", ["4", "0", "1,4", "x", ",", "Tốt và hơn thế"])
def test_choices_that_are_not_on_offer_are_a_problem(typed: str) -> None:
    assert read(OPTIONS, typed, TODAY) == Problem("problem.choices", {"count": 3})


@pytest.mark.parametrize(
    ("typed", "stored"), [("Có", "yes"), ("co", "yes"), ("YES", "yes"), ("1", "yes"), ("không", "no"), ("no.", "no")]
)
def test_yes_and_no_are_read_in_both_languages(typed: str, stored: str) -> None:
    assert read(asked("yes_no"), typed, TODAY) == stored


def test_words_are_kept_as_typed() -> None:
    assert read(asked("line"), "  hai  dấu cách ", TODAY) == "  hai  dấu cách "


def test_answers_are_shown_as_the_language_writes_them() -> None:
    assert shown(POINTS, "28.5", "vi") == "28,5"
    assert shown(POINTS, "28.5", "en") == "28.5"
    assert shown(asked("date"), "1979-11-05", "vi") == "05/11/1979"
    assert shown(asked("date"), "1979-11-05", "en") == "05 November 1979"
    assert shown(asked("yes_no"), "no", "vi") == "Không"
    assert shown(OPTIONS, "tot,both", "vi") == "Tốt; Lẻ, chẵn"
    assert shown(POINTS, "", "vi") == ""
    assert number(9662, "vi") == "9.662"


@given(st.text(max_size=60), st.sampled_from(["number", "date", "yes_no", "choice", "choices", "line", "text"]))
def test_whatever_is_typed_is_an_answer_or_a_problem(text: str, kind: str) -> None:
    question = replace(OPTIONS, kind=kind, maximum=30.0, decimals=1)  # type: ignore[arg-type]
    answer = read(question, text, TODAY)
    if isinstance(answer, Problem):
        assert worded(answer, "vi")
    else:
        assert shown(question, answer, "vi")
