"""Filling in a form: ``step(filling, event) -> (filling, message)``."""

import re
from dataclasses import replace

from handlers.answers import options, read, shown, too_long, worded
from handlers.draft import CONFIRM, FIX, HEADER, REVIEW, SUBMITTED, Filling
from handlers.forms import Problem, Question
from handlers.messages import Event, Message, Said, Sent, Tapped, heard, label, plain
from handlers.readback import shortened
from handlers.screens import moves, offered, show
from handlers.texts import say

__all__ = ["Filling", "show", "step"]

_NO_ANSWERS = {  # moves: typed where they are not on offer, they are no answer either
    "fill.next": "fill.nothing_yet",
    "fill.skip": "fill.cannot_skip",
    "fill.later": "fill.choose",
    "fill.back": "fill.choose",
    "fill.rewrite": "fill.nothing_yet",
    "fill.clear": "fill.choose",
    "review.submit": "fill.to_submit",
}
_NOT_WORDS = {"edited": "fill.edited", "voice": "fill.voice", "photo": "fill.photo", "sticker": "fill.sticker"}
_MOVE = 40  # characters: no move has a label as long
_ACK = 120  # characters of an answer that is repeated


def step(filling: Filling, event: Event) -> tuple[Filling, Message]:
    """One step of filling in a form, from what is known and what was just said.

    ``writes`` of the answer are the rows to add; its place says where the person stands now.
    """
    here = filling.settled()
    if here.writes:
        here = replace(here, writes=())
    match heard(offered(here), event) if isinstance(event, Said) else event:
        case _ if here.at == SUBMITTED:
            return here, show(here)
        case Sent(what):
            return _shown(here, say(here.lang, _NOT_WORDS.get(what, "fill.not_words")), brief=True)
        case Tapped(value):
            return _tapped(here, value)
        case Said(text) if not text.strip():
            return _shown(here)
        case Said(text):
            return _said(here, text)


def _shown(filling: Filling, note: str = "", *, brief: bool = False) -> tuple[Filling, Message]:
    there = filling.settled()
    return there, show(there, brief=brief).after(note)


def _tapped(here: Filling, value: str) -> tuple[Filling, Message]:
    """What a button does. One that was made elsewhere goes nowhere: double taps and old keyboards are harmless."""
    assessment, _, rest = value.partition(".")
    name, _, option = rest.partition("=")
    if assessment != str(here.assessment):
        return _shown(here)
    question = here.form.question(name)
    match name:
        case "review":
            return _shown(here.review(int(option) if re.fullmatch(r"[0-9]{1,3}", option) else 1))
        case "header" if here.form.fields:
            return _shown(here.go(HEADER, back_to_review=here.spot == REVIEW or here.from_review))
        case "confirm":
            return _shown(here.review() if here.missing else here.go(CONFIRM))
        case "submit":
            return _submitted(here, option)
        case _ if question and option:
            return _chosen(here, question, option)
        case _ if question:
            return _shown(here.jump(question))
        case _ if option == here.spot:
            return _moved(here, name)
        case _:
            return _shown(here)


def _moved(here: Filling, move: str) -> tuple[Filling, Message]:
    asked = here.question or here.field
    match move:
        case "right" if here.at == HEADER and all(here.value(f) for f in here.form.fields if f.required):
            after = here
            for field in here.form.fields:
                after = after.wrote(field, here.value(field))
            return _shown(after.onward())
        case "fix" if here.at == HEADER:
            return _shown(here.stay(FIX))
        case "skip" if asked and not asked.required and _holds(here, asked):
            return _shown(here.ask_to_clear(), brief=True)
        case "skip" | "clear" if asked and not asked.required and (move == "skip" or here.clearing):
            after = here.wrote(asked, "")
            return _shown(after.stay(HEADER) if here.field else after.onward())
        case "next" if here.question and here.answers.get(here.spot):
            return _shown(here.onward())
        case "later" if here.question:
            return _shown(here.onward())
        case "rewrite" if here.question and here.question.kind == "text":
            return _shown(here.restart())
        case "back":
            return _shown(here.back())
        case _:
            return _shown(here)


def _holds(here: Filling, asked: Question) -> bool:
    """Whether passing over would empty something."""
    return bool(here.value(asked) if here.field else here.answers.get(asked.id))


def _submitted(here: Filling, revision: str) -> tuple[Filling, Message]:
    """Submitting is confirmed for what was read back: after a change the review is shown again."""
    if here.missing:
        return _shown(here.review())
    if revision != str(here.revision):
        return _shown(here.review(), say(here.lang, "review.changed"))
    return _shown(here.go(SUBMITTED))


def _chosen(here: Filling, question: Question, option: str) -> tuple[Filling, Message]:
    """An option was tapped. The button of another question changes that question, if it still applies."""
    if not here.number(question) or option not in {known.id for known in options(question, here.lang)}:
        return _shown(here)
    if question.kind == "choices":
        chosen = set(filter(None, here.answers.get(question.id, "").split(","))) ^ {option}
        after = here.wrote(question, ",".join(known.id for known in question.options if known.id in chosen))
        return _shown(after, "" if after.question == question else _noted(here, after, question), brief=True)
    after = here.wrote(question, option)
    if here.question == question:
        return _shown(after.onward(), _noted(here, after, question))
    return _shown(after, _noted(here, after, question) if after.writes else "", brief=True)


def _said(here: Filling, text: str) -> tuple[Filling, Message]:
    if field := here.field:
        answer = read(field, text, here.today)
        if isinstance(answer, Problem):
            return _shown(here, worded(answer, here.lang), brief=True)
        return _shown(here.wrote(field, answer).stay(HEADER))
    if question := here.question:
        return _answered(here, question, text)
    if here.spot == REVIEW and plain(text) == label(say(here.lang, "review.submit")):
        return _shown(here.review())  # it is not on offer: the first page says what is missing
    found = re.fullmatch(r"(?:cau|question|so|no)?\s*([0-9]{1,3})", plain(text))
    if found and here.spot == REVIEW:
        return _jumped(here, int(found[1]))
    return _shown(here, say(here.lang, "review.not_a_number" if here.spot == REVIEW else "fill.choose"))


def _jumped(here: Filling, number: int) -> tuple[Filling, Message]:
    asked = here.asked
    if 1 <= number <= len(asked):
        return _shown(here.jump(asked[number - 1]))
    if number == 0 and here.form.fields:
        return _shown(here.go(HEADER, back_to_review=True))
    return _shown(here, say(here.lang, "review.no_such", total=len(asked)))


def _answered(here: Filling, question: Question, text: str) -> tuple[Filling, Message]:
    words = plain(text) if len(text) < _MOVE else ""
    for move, note in _NO_ANSWERS.items():
        if words == label(say(here.lang, move)):
            return _shown(here, say(here.lang, note), brief=True)
    if question.kind == "text":
        return _piece(here, question, text)
    answer = read(question, text, here.today)
    if isinstance(answer, Problem):
        return _shown(here, worded(answer, here.lang), brief=True)
    after = here.wrote(question, answer)
    return _shown(after.onward(), _noted(here, after, question))


def _piece(here: Filling, question: Question, text: str) -> tuple[Filling, Message]:
    """One message of a long answer: it stays open until the person goes on."""
    before = here.answers.get(question.id)
    starts = here.anew or not before
    after = here.wrote(question, text, starts=starts).after_a_piece(question, text)
    if problem := too_long(question, len(after.answers[question.id])):
        return _shown(here, worded(problem, here.lang), brief=True)
    return after, Message(say(here.lang, "fill.noted"), moves=moves(after, question))


def _noted(before: Filling, after: Filling, question: Question) -> str:
    """That an answer is stored; with a level its conditions, and once where the score lies in another band."""
    lang = after.lang
    answer = shortened(shown(question, after.answers.get(question.id, ""), lang), _ACK) or say(lang, "fill.empty")
    if before.question == question:
        lines = [say(lang, "fill.stored", answer=answer)]
    else:
        lines = [say(lang, "fill.stored_elsewhere", number=after.number(question), answer=answer)]
    level, band = after.level, after.band
    if question.rates and level:
        conditions = level.leader_conditions if after.form.for_leaders else ()
        if listed := conditions or level.conditions:
            lines += [say(lang, "fill.conditions", level=level.label), *(f"• {condition}" for condition in listed)]
    if level and band and band != level and (before.level, before.band) != (level, band):
        lines.append(say(lang, "fill.other_band", band=band.label, level=level.label))
    return "\n".join(lines)
