"""A questionnaire as data: sections and questions, loaded, checked, and its answers read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "line", "choice", "choices", "yes_no", "number", "sum", "date"]
# text: long, in as many messages as it takes; line: one message; sum: computed, shown, never asked.

Prefill = Literal["", "year", "name", "birth_date", "unit", "position", "party_position", "workplace"]


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


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form under one heading."""

    id: str
    number: str  # "A.II"; "" for the header
    heading: str
    questions: tuple[Question, ...]
    intro: str = ""  # said once, before its first question
    filled_by: str = "member"  # others: thu_truong, chi_uy, dang_uy: printed, never asked


@dataclass(frozen=True, slots=True)
class Form:
    """A questionnaire. Its first section is the header where ``header`` names it."""

    id: str
    title: str
    lang: str
    sections: tuple[Section, ...]
    legal_basis: str = ""
    header: str = ""  # the id of the section shown on one screen to be confirmed


Answers = Mapping[str, str]
"""What is stored, by question id: words as typed; an option's id; ids joined by a comma; ``yes``/``no``;
a number with a point; a date as ISO 8601. An empty string: passed over on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an answer: a key of the texts with its values."""

    key: str
    values: Mapping[str, object]
