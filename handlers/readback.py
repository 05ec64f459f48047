"""The whole review read back, in pages that fit a phone."""

from collections.abc import Iterator
from dataclasses import dataclass

from handlers.answers import shown
from handlers.forms import Answers, Form, Question
from handlers.texts import say

PAGE = 1_250  # characters of a page without what is said above it
_LABEL = 90  # characters of a question's wording: it is known by its number here


@dataclass(frozen=True, slots=True)
class Page:
    """A page, with the ids of the questions whose answers it shows."""

    text: str
    questions: frozenset[str]


def pages(form: Form, answers: Answers, lang: str) -> list[Page]:
    """Every answer in full, in the order of the form; a long one goes on over several pages."""
    found: list[Page] = []
    text, held = "", set[str]()
    for ids, block in _blocks(form, answers, lang):
        if text and len(text) + len(block) + 2 > PAGE:
            found.append(Page(text, frozenset(held)))
            text, held = "", set()
        text = f"{text}\n\n{block}" if text else block
        held |= ids
    return [*found, Page(text, frozenset(held))]


def shortened(text: str, longest: int) -> str:
    """The beginning of a text on one line, with an ellipsis where it goes on."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def _blocks(form: Form, answers: Answers, lang: str) -> Iterator[tuple[set[str], str]]:
    applying = form.applying(answers)
    numbers = {question.id: number for number, question in enumerate(form.asked(answers), 1)}
    for section in form.sections:
        questions = [question for question in section.questions if question in applying]
        heading = f"■ {section.number}. {section.heading}" if section.number else f"■ {section.heading}"
        if questions and section.id == form.header:
            lines = [f"{question.label}: {_field(question, answers, lang)}" for question in questions]
            ids = {question.id for question in questions}
            yield from ((ids, piece) for piece in _pieces("\n".join([heading, *lines])))
            continue
        for question in questions:
            number, label = numbers.get(question.id), shortened(question.label, _LABEL)
            above = say(lang, "review.question", number=number, label=label) if number else label
            block = f"{above}\n{_answer(form, question, answers, lang)}"
            first, *others = _pieces(f"{heading}\n{block}" if question == questions[0] else block)
            yield {question.id}, first
            for piece in others:
                yield {question.id}, f"{say(lang, 'review.goes_on', number=number)}\n{piece}"


def _field(question: Question, answers: Answers, lang: str) -> str:
    empty = "review.missing" if question.required else "fill.empty"
    return shown(question, answers.get(question.id, ""), lang) or say(lang, empty)


def _answer(form: Form, question: Question, answers: Answers, lang: str) -> str:
    if question.kind == "sum":
        total = form.total(question, answers)
        return say(lang, "review.no_sum") if total is None else shown(question, str(total), lang)
    if answer := answers.get(question.id):
        return shown(question, answer, lang)
    if question.required or question.id not in answers:
        return say(lang, "review.missing" if question.required else "review.not_yet")
    return say(lang, "review.passed_over")


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces that fit a page, cut where a line or a word ends if one ends in reach."""
    while len(text) > PAGE - 100:
        cut = max(text.rfind("\n", 800, PAGE - 100), text.rfind(" ", 800, PAGE - 100))
        cut = cut if cut > 0 else PAGE - 100
        yield text[:cut]
        text = text[cut:].lstrip(" \n") if text[cut] in " \n" else text[cut:]
    if text:
        yield text
