"""An answer read from what was typed, and shown again as people write it."""

import re
from datetime import date
from decimal import Decimal

from handlers.forms import Option, Problem, Question
from handlers.messages import LONGEST, label, plain
from handlers.texts import say
from handlers.words import a_date

_NUMBER = re.compile(r"([+-]?\d{1,15})(?:[.,](\d{1,15}))?\s*(?:/\s*(\d+))?\s*(?:điểm|đ|points?|pts?)?\.?", re.ASCII)
_NUMBERS = re.compile(r"(?:[0-9\s,;.+&]|và|va|and)+", re.IGNORECASE)
_YES, _NO = {"co", "c", "roi", "yes", "y"}, {"khong", "k", "ko", "chua", "no", "n"}
_EARLIEST = 1900
_VIETNAMESE = str.maketrans(",.", ".,")


def options(question: Question, lang: str) -> tuple[Option, ...]:
    """The answers on offer; yes and no for a question of kind ``yes_no``."""
    if question.kind == "yes_no":
        return (Option("yes", say(lang, "fill.yes")), Option("no", say(lang, "fill.no")))
    return question.options


def read(question: Question, text: str, today: date) -> str | Problem:
    """What is stored for the typed *text*, or what is wrong with it. A date lies between 1900 and *today*."""
    if not text.strip():
        return Problem("problem.empty", {})
    match question.kind:
        case "number":
            return _number(question, text)
        case "date":
            return _date(text, today)
        case "yes_no":
            return _yes_no(text)
        case "choice":
            return _one(question, text) or Problem("problem.choice", {"count": len(question.options)})
        case "choices":
            return _several(question, text)
        case _:
            return too_long(question, len(text)) or text


def too_long(question: Question, length: int) -> Problem | None:
    """The problem of an answer of *length* characters, if that is more than the question takes."""
    if length <= question.longest:
        return None
    return Problem("problem.too_long", {"longest": question.longest, "length": length})


def worded(problem: Problem, lang: str) -> str:
    """The problem in plain words, its numbers written as the language writes them."""
    return say(lang, problem.key, **{name: number(value, lang) for name, value in problem.values.items()})


def shown(question: Question, stored: str, lang: str) -> str:
    """A stored answer as people read it: labels, 28,5 and 05/11/1979 in Vietnamese. Empty stays empty."""
    if not stored:
        return ""
    match question.kind:
        case "choice" | "choices" | "yes_no":
            labels = {option.id: option.label for option in options(question, lang)}
            return "; ".join(labels.get(part, part) for part in stored.split(","))
        case "number" | "sum":
            return number(stored, lang)
        case "date":
            return (
                f"{date.fromisoformat(stored):%d/%m/%Y}" if lang == "vi" else f"{date.fromisoformat(stored):%d %B %Y}"
            )
        case _:
            return stored


def number(value: object, lang: str) -> str:
    """A number as the language writes it: 28,5 and 20.000 in Vietnamese. A string is one with a decimal point."""
    written = f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
    return written.translate(_VIETNAMESE) if lang == "vi" else written


def _number(question: Question, text: str) -> str | Problem:
    found = _NUMBER.fullmatch(text.strip().casefold().replace("−", "-"))
    low, high = question.minimum, question.maximum
    if not found or (found[3] and (high is None or Decimal(found[3]) != Decimal(high))):
        return Problem("problem.number", {})
    fraction = (found[2] or "").rstrip("0") if len(found[2] or "") != 3 else found[2]  # 1.000 may mean a thousand
    if len(fraction) > question.decimals:
        key = "problem.decimals" if question.decimals else "problem.whole"
        return Problem(key, {"decimals": question.decimals})
    value = Decimal(f"{found[1]}.{fraction}" if fraction else found[1])
    if (low is not None and value < Decimal(low)) or (high is not None and value > Decimal(high)):
        key = "problem.between" if None not in (low, high) else "problem.at_most" if low is None else "problem.at_least"
        return Problem(key, {"minimum": low, "maximum": high})
    return f"{value.normalize():f}" if value else "0"


def _date(text: str, today: date) -> str | Problem:
    day = a_date(text)
    if day is None or day.year < _EARLIEST:
        return Problem("problem.date", {})
    return day.isoformat() if day <= today else Problem("problem.future", {})


def _yes_no(text: str) -> str | Problem:
    words = plain(text)
    return "yes" if words in _YES | {"1"} else "no" if words in _NO | {"2"} else Problem("problem.yes_no", {})


def _one(question: Question, text: str) -> str | None:
    words = plain(text)
    if re.fullmatch(r"[0-9]{1,3}", words):
        return question.options[int(words) - 1].id if 1 <= int(words) <= len(question.options) else None
    return next((option.id for option in question.options if label(option.label) == words), None)


def _several(question: Question, text: str) -> str | Problem:
    """Numbers or labels one after another: ``1,3``, ``1 và 3``, a label, labels with a comma or a semicolon between."""
    if len(text) > LONGEST * len(question.options):  # a thousand characters a label
        ways: list[list[str]] = []
    elif _NUMBERS.fullmatch(text):
        ways = [re.findall(r"[0-9]+", text)]
    else:
        ways = [[text], re.split(r"[;\n]", text), re.split(r"[;,\n]", text)]  # a label may hold a comma itself
    for parts in ways:
        chosen = [_one(question, part) for part in parts if part.strip()]
        if chosen and None not in chosen:
            return ",".join(option.id for option in question.options if option.id in chosen)
    return Problem("problem.choices", {"count": len(question.options)})
