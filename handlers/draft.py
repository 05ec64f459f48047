"""A review being written: its answers so far, the place where the person stands, and what comes before and after."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import NamedTuple

from handlers.cycles import Level
from handlers.forms import Answers, Form, Question
from handlers.readback import pages

HEADER, FIX, REVIEW, CONFIRM, SUBMITTED = "header", "header/fix", "review", "confirm", "submitted"
_BACK_TO_REVIEW = "review>"
_ANEW = "/anew"
_CLEAR = "/clear"
_MARK = re.compile(r"/(?:anew|clear|[0-9]+)$")
_PARAGRAPH = "\n\n"
GOES_ON = "\x1f"  # before words that go on in the middle of a text: as `storage.assessments` reads it
_LOOKS_BACK = 400  # units before the limit in which a client looks for whitespace to cut at
_LIST = re.compile(r"(?:[-–—•*+·]|[0-9]{1,3}[.)]|[a-zđA-ZĐ][.)])\s")  # how a line of a list begins


class Write(NamedTuple):
    """One row to be added: *starts* False goes on with the answer before it."""

    question: str
    words: str
    starts: bool


@dataclass(frozen=True)  # without slots: what is asked is worked out once
class Filling:
    """Where one person stands in one form.

    Places: ``header``, ``header/fix`` (which field?), ``header/<field>``, ``<question>``, ``<question>/anew`` (the next
    words start the answer again), ``review/<page>``, ``confirm``, ``submitted``. With ``/clear`` after a question or
    a field, the person is asked whether its answer is to be emptied; with a number after a question, their last message
    was that long, so that the messenger may have cut it. With ``review>`` before it, a place leads back to the review.
    """

    assessment: int
    form: Form
    answers: Answers
    place: str
    revision: int  # one more with every step that changed an answer
    lang: str
    facts: Mapping[str, str]  # what the roster and the cycle know, by the kind of prefill
    levels: tuple[Level, ...]
    today: date
    writes: tuple[Write, ...] = ()  # what this step adds to the answers
    cuts_at: int = 0  # UTF-16 units of a message, above which the messenger cuts a text into several; 0: it never does
    at_once: bool = False  # the last thing they did was moments ago
    final: bool = False  # what is submitted now cannot be changed any more

    @cached_property
    def asked(self) -> list[Question]:
        """The questions that are asked one by one."""
        return self.form.asked(self.answers)

    @cached_property
    def missing(self) -> list[Question]:
        """What must still be answered, header included."""
        return self.form.missing(self.answers)

    @property
    def progress(self) -> tuple[int, int]:
        """How many questions are answered, of how many."""
        return sum(bool(self.answers.get(question.id)) for question in self.asked), len(self.asked)

    @cached_property
    def at(self) -> str:
        """The place without its way back."""
        return self.place.removeprefix(_BACK_TO_REVIEW)

    @property
    def from_review(self) -> bool:
        """Whether the person came from the review and is to be led back to it."""
        return self.place.startswith(_BACK_TO_REVIEW)

    @cached_property
    def spot(self) -> str:
        """What a button that was made at this place says where it was made."""
        first, _, second = self._bare.partition("/")
        return second if first == HEADER and second else first

    @cached_property
    def _bare(self) -> str:
        """The place without what is asked or awaited there."""
        return _MARK.sub("", self.at)

    @cached_property
    def question(self) -> Question | None:
        """The question that is asked at this place."""
        return next((q for q in self.asked if q.id == self._bare), None)

    @property
    def anew(self) -> bool:
        """Whether the next words start the answer again."""
        return self.at.endswith(_ANEW)

    @property
    def clearing(self) -> bool:
        """Whether the person is being asked if the answer is to be emptied."""
        return self.at.endswith(_CLEAR)

    @property
    def field(self) -> Question | None:
        """The field of the header that is being changed at this place."""
        first, _, second = self._bare.partition("/")
        return next((q for q in self.form.fields if first == HEADER and q.id == second), None)

    @property
    def page(self) -> int:
        """The page of the review, from 1."""
        first, _, second = self.at.partition("/")
        return int(second) if first == REVIEW and second.isascii() and second.isdigit() else 1

    def number(self, question: Question) -> int:
        """The number under which a question is asked; 0 for the header."""
        return next((n for n, asked in enumerate(self.asked, 1) if asked.id == question.id), 0)

    def value(self, field: Question) -> str:
        """What a field of the header holds: what was answered, else what the roster knows.

        An optional field may have been left empty on purpose; a required one that is empty was withdrawn.
        """
        known = self.facts.get(field.prefill, "")
        return self.answers.get(field.id) or known if field.required else self.answers.get(field.id, known)

    def go(self, place: str, *, back_to_review: bool = False) -> "Filling":
        """The same filling at another place."""
        there = replace(self, place=f"{_BACK_TO_REVIEW}{place}" if back_to_review else place)
        there.__dict__["asked"] = self.asked  # the answers are the same
        return there

    def stay(self, place: str) -> "Filling":
        """The same filling at another place of the same question or header, with the same way back."""
        return self.go(place, back_to_review=self.from_review)

    def jump(self, question: Question) -> "Filling":
        """To a question or a field of the header; from the review with the way back to it."""
        of_header = any(field.id == question.id for field in self.form.fields)
        place = f"{HEADER}/{question.id}" if of_header else question.id
        return self.go(place, back_to_review=self.from_review or self.spot in (REVIEW, CONFIRM))

    def restart(self) -> "Filling":
        """The same question, its answer to be written again with the next words."""
        return self.stay(f"{self.spot}{_ANEW}")

    def ask_to_clear(self) -> "Filling":
        """The same question or field; whether its answer is to be emptied is asked."""
        return self.stay(f"{self._bare}{_CLEAR}")

    def onward(self) -> "Filling":
        """What comes after this place: the next question, or the review."""
        if self.from_review:
            return self.back_in_review()
        ids = [question.id for question in self.asked]
        following = ids[ids.index(self.spot) + 1 :] if self.spot in ids else ids if self.spot == HEADER else []
        return self.go(following[0]) if following else self.review()

    def back(self) -> "Filling":
        """What came before this place."""
        if self.field or self.at == FIX:
            return self.stay(HEADER)
        if self.from_review or self.spot == CONFIRM:
            return self.back_in_review()
        ids = [question.id for question in self.asked]
        before = ids[: ids.index(self.spot)] if self.spot in ids else ids if self.spot == REVIEW else []
        return self.go(before[-1] if before else HEADER if self.form.fields else self.at)

    def back_in_review(self) -> "Filling":
        """The page of the review that shows the question of this place."""
        found = pages(self.form, self.answers, self.lang)
        return self.review(next((n for n, page in enumerate(found, 1) if self.spot in page.questions), 1))

    def review(self, page: int = 1) -> "Filling":
        """The review."""
        return self.go(f"{REVIEW}/{page}")

    def settled(self) -> "Filling":
        """The same filling at a place that exists: a question that is gone or never was leads to what is still open."""
        valid = (
            self.at == SUBMITTED
            or (self.at == CONFIRM and not self.missing)
            or self.spot == REVIEW
            or (self.at in (HEADER, FIX) and self.form.fields)
            or self.field
            or self.question
        )
        return self if valid else self.first_open()

    def first_open(self) -> "Filling":
        """The header until it is confirmed, then the first question without an answer, then the review."""
        if any(field.id not in self.answers or field in self.missing for field in self.form.fields):
            return self.go(HEADER)
        open_ones = [question for question in self.asked if question.id not in self.answers]
        return self.go(open_ones[0].id) if open_ones else self.review()

    def wrote(self, question: Question, words: str, *, starts: bool = True) -> "Filling":
        """With *words* as the answer to a question, or added to it where they do not start it again."""
        before = self.answers.get(question.id)
        if starts and before == words:
            return self
        joined, written = words, words
        if before and not starts:
            joint = self._joint(words)
            joined = f"{before}{joint if joint is not None else _PARAGRAPH}{words}"
            written = words if joint is None else f"{GOES_ON}{joint}{words}"
        return replace(
            self,
            answers={**self.answers, question.id: joined},
            writes=(*self.writes, Write(question.id, written, starts)),
            revision=self.revision + (0 if self.writes else 1),
        )

    def _joint(self, words: str) -> str | None:
        """What stood between the last message and *words* before the messenger cut the text; None: it cut nothing.

        Clients cut at whitespace and drop it, at a line's end if one is near; where there is none, at the limit.
        """
        mark = self.at.rpartition("/")[2]
        if not (self.at_once and self.question and mark.isdecimal()):
            return None
        if int(mark) == self.cuts_at:
            return ""
        return "\n" if _LIST.match(words) else " "

    def after_a_piece(self, question: Question, words: str) -> "Filling":
        """At the question, after *words*: a message so long that the messenger may have cut it is remembered."""
        place, least = question.id, self.cuts_at - _LOOKS_BACK
        if self.cuts_at and 2 * len(words) >= least:  # a character has two units at most
            units = len(words.encode("utf-16-le")) // 2
            place = f"{place}/{units}" if least <= units <= self.cuts_at else place
        return self if self.at == place else self.stay(place)

    @property
    def band(self) -> Level | None:
        """The level in whose band the score lies; None without a score or without bands."""
        score = self.form.score(self.answers)
        if score is None:
            return None
        reached = [level for level in self.levels if score >= level.from_score]
        return max(reached, key=lambda level: level.from_score, default=None)

    @property
    def level(self) -> Level | None:
        """The level the person chose for themselves, where the cycle knows it."""
        return next((level for level in self.levels if level.id == self.form.rating(self.answers)), None)

    def tap(self, name: str, option: object = "") -> str:
        """What a button carries: ``12.next=a1_1``."""
        return f"{self.assessment}.{name}={option}" if option != "" else f"{self.assessment}.{name}"
