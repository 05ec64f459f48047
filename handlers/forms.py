"""A questionnaire as data: sections, questions, what is asked of whom, and the frozen copy of it all."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

Kind = Literal["text", "line", "choice", "choices", "yes_no", "number", "sum", "date"]
# text: long, in as many messages as it takes; line: one message; sum: computed, shown, never asked.

Prefill = Literal["", "year", "name", "birth_date", "unit", "position", "party_position", "workplace"]

Answers = Mapping[str, str]
"""What is stored, by question id: words as typed; an option's id; ids joined by a comma; ``yes``/``no``;
a number with a point; a date as ISO 8601. An empty string: passed over on purpose."""

RESERVED = frozenset(
    {
        "header",
        "fix",
        "right",
        "next",
        "back",
        "later",
        "skip",
        "rewrite",
        "anew",
        "clear",
        "review",
        "confirm",
        "submit",
    }
    | {"submitted", "continue", "tonight", "tomorrow", "why"}
)
"""Words that taps and places use for themselves: no question may have one of them as its id."""


@dataclass(frozen=True, slots=True)
class Option:
    """One of the answers on offer. ``id`` is stored and never changes; ``label`` is what people read."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Condition:
    """The question is asked only where an earlier question was answered with one of these (option ids)."""

    question: str
    is_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that is asked."""

    id: str
    kind: Kind
    label: str  # the official wording, to the letter
    required: bool = True
    options: tuple[Option, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    decimals: int = 0  # digits allowed after the comma of a number
    sum_of: tuple[str, ...] = ()
    longest: int = 20_000  # characters
    hint: str = ""  # which facts help: what, how many, when
    example: str = ""  # an example of such facts, never a ready sentence
    carry_over: bool = False  # seeded from the last period
    prefill: Prefill = ""  # confirmed from the roster, not asked
    when: Condition | None = None
    rates: bool = False  # its option is the self-rating: compared with the band of the score
    scores: bool = False  # its (summed) number is the score

    def applies(self, answers: Answers) -> bool:
        """Whether its condition holds. The question it looks at must apply itself: ``Form.asked`` sees to that."""
        return self.when is None or any(
            option in self.when.is_in for option in answers.get(self.when.question, "").split(",")
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form under one heading."""

    id: str
    number: str  # "A.II"; "" for the header
    heading: str
    questions: tuple[Question, ...]
    intro: str = ""  # said once, before its first question
    filled_by: str = "member"  # others: thu_truong, chi_uy, dang_uy: printed, never asked


@dataclass(frozen=True)  # without slots: what is looked up at every step is found once
class Form:
    """A questionnaire. Its first section is the header where ``header`` names it."""

    id: str
    title: str
    lang: str
    sections: tuple[Section, ...]
    legal_basis: str = ""
    header: str = ""  # the id of the section shown on one screen to be confirmed
    for_leaders: bool = False  # a level's conditions for leaders are the ones to show

    @cached_property
    def fields(self) -> tuple[Question, ...]:
        """The questions of the header."""
        return next((section.questions for section in self.sections if section.id == self.header), ())

    def question(self, question_id: str) -> Question | None:
        """A question by its id, whoever fills it in."""
        return self._places[question_id][1] if question_id in self._places else None

    def section(self, question_id: str) -> Section:
        """The section of a question. Raises KeyError where there is none such."""
        return self._places[question_id][0]

    @cached_property
    def _places(self) -> dict[str, tuple[Section, Question]]:
        return {question.id: (section, question) for section in self.sections for question in section.questions}

    @cached_property
    def _of_members(self) -> tuple[Question, ...]:
        return tuple(q for section in self.sections if section.filled_by == "member" for q in section.questions)

    @cached_property
    def _has_conditions(self) -> bool:
        return any(question.when for question in self._of_members)

    @cached_property
    def _one_by_one(self) -> frozenset[str]:
        return frozenset(q.id for q in self._of_members if q.kind != "sum") - {field.id for field in self.fields}

    def applying(self, answers: Answers) -> list[Question]:
        """What the member fills in or is shown, header and sums included, without what does not apply to them."""
        if not self._has_conditions:
            return list(self._of_members)
        known: set[str] = set()
        found = []
        for question in self._of_members:
            if (question.when is None or question.when.question in known) and question.applies(answers):
                known.add(question.id)
                found.append(question)
        return found

    def asked(self, answers: Answers) -> list[Question]:
        """What is asked one by one, in this order: neither the header's fields nor sums."""
        return [question for question in self.applying(answers) if question.id in self._one_by_one]

    def missing(self, answers: Answers) -> list[Question]:
        """What must still be answered before the form can be submitted, header included."""
        return [q for q in self.applying(answers) if q.required and q.kind != "sum" and not answers.get(q.id)]

    def total(self, question: Question, answers: Answers) -> Decimal | None:
        """The sum that a question of kind ``sum`` shows; None until all its numbers are there."""
        parts = [answers.get(part, "") for part in question.sum_of]
        return sum((Decimal(part) for part in parts), Decimal(0)) if all(parts) else None

    def score(self, answers: Answers) -> Decimal | None:
        """The score the member gave themselves; None where there is none (yet)."""
        for question in self.applying(answers):
            if question.scores:
                value = answers.get(question.id)
                return self.total(question, answers) if question.kind == "sum" else Decimal(value) if value else None
        return None

    def rating(self, answers: Answers) -> str | None:
        """The option id of the self-rating; None where there is none (yet)."""
        return next((answers.get(q.id) or None for q in self.applying(answers) if q.rates), None)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an answer: a key of the texts with its values."""

    key: str
    values: Mapping[str, object]


def dumps(form: Form) -> str:
    """The form as JSON: what a cycle keeps as its own frozen copy."""
    return json.dumps(asdict(form), ensure_ascii=False, sort_keys=True)


def loads(body: str) -> Form:
    """What ``dumps`` wrote."""
    return made(json.loads(body))


def digest(body: str) -> str:
    """A short name for exactly this text of a form."""
    return sha256(body.encode()).hexdigest()[:16]


def made(data: Mapping[str, Any]) -> Form:
    """A form from plain data that was checked before: its keys are the names above."""
    return Form(**{**data, "sections": tuple(_section(section) for section in data["sections"])})


def _section(data: Mapping[str, Any]) -> Section:
    return Section(**{**data, "questions": tuple(_question(question) for question in data["questions"])})


def _question(data: Mapping[str, Any]) -> Question:
    whole = dict(data)
    whole["options"] = tuple(Option(**option) for option in data.get("options", ()))
    whole["sum_of"] = tuple(data.get("sum_of", ()))
    if when := data.get("when"):
        whole["when"] = Condition(when["question"], tuple(when["is_in"]))
    return Question(**whole)
