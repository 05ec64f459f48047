"""What is said at each place of a form: the header, a question, the review, the last confirmation."""

from handlers.answers import number, options, shown
from handlers.draft import Filling
from handlers.forms import Question
from handlers.messages import Choice, Message, Move
from handlers.readback import pages, shortened
from handlers.texts import say

_BEFORE = 300  # characters shown of what was answered before
_BRIEF = 160  # characters of a question's wording that was just read
_VALUE = 120  # characters shown of a field of the header
_NUMBERS = 12  # numbers of missing questions that are listed


def show(filling: Filling, *, brief: bool = False) -> Message:
    """What is said at the place where the person stands, and what may come next: the main move first.

    *brief*: the question is known already, something else is to be said about it.
    """
    if field := filling.field:
        return _field(filling, field)
    if question := filling.question:
        return _question(filling, question, brief or filling.anew or filling.clearing)
    match filling.at:
        case "header":
            return _header(filling)
        case "header/fix":
            return _which_field(filling)
        case "confirm":
            return _confirm(filling)
        case "submitted":
            return Message(say(filling.lang, "fill.submitted"))
        case _:
            return _review(filling)


def offered(filling: Filling) -> Message:
    """What may be chosen at the place where the person stands; at a question its words are not worked out."""
    if not filling.field and (question := filling.question):
        return Message("", _choices(filling, question), moves(filling, question))
    return show(filling)


def moves(filling: Filling, question: Question) -> tuple[Move, ...]:
    """The moves at a question: with the main move first, on a row of its own."""
    stored = filling.answers.get(question.id)
    if filling.clearing:
        names = ["keep", "clear", "back"]
    elif filling.anew:
        names = ["keep", "skip", "back"] if not question.required else ["keep", "back"]
    elif stored and question.kind == "text":
        names = ["next", "rewrite", "back"]
    elif stored:
        names = ["next", "back"] if question.required else ["next", "back", "skip"]
    else:
        names = ["later" if question.required else "skip", "back"]
    first = filling.number(question) == 1 and not filling.form.fields and not filling.from_review
    return tuple(_move(filling, name) for name in (*names, "review") if not (name == "back" and first))


def _move(filling: Filling, name: str) -> Move:
    """A move by its name. It carries the spot where it was made, so that tapped twice it does not go on twice."""
    if name == "keep":
        return Move(filling.tap(filling.spot), say(filling.lang, "fill.keep"))
    return Move(filling.tap(name, "" if name == "review" else filling.spot), say(filling.lang, f"fill.{name}"))


def _header(filling: Filling) -> Message:
    lang = filling.lang
    lines = [f"{f.label}: {_shown(filling, f) or say(lang, 'fill.empty')}" for f in filling.form.fields]
    heading = filling.form.section(filling.form.fields[0].id).heading
    lacking = next((field for field in filling.form.fields if field.required and not filling.value(field)), None)
    if lacking:
        main = Move(filling.tap(lacking.id), say(lang, "fill.give", label=lacking.label))
        said = say(lang, "fill.header_lacks", label=lacking.label)
    else:
        main = Move(filling.tap("right", filling.spot), say(lang, "fill.right"))
        said = say(lang, "fill.header")
    text = "\n".join([filling.form.title, "", heading, *lines, "", said])
    started = any(question.id in filling.answers for question in filling.asked)
    names = ["fix", "back"] if filling.from_review else ["fix", "review"] if started else ["fix"]
    return Message(text, moves=(main, *(_move(filling, name) for name in names)))


def _which_field(filling: Filling) -> Message:
    choices = tuple(Choice(filling.tap(field.id), field.label) for field in filling.form.fields)
    return Message(say(filling.lang, "fill.which_field"), choices, (_move(filling, "back"),))


def _field(filling: Filling, field: Question) -> Message:
    now = _shown(filling, field)
    parts = [field.label, say(filling.lang, "fill.now", answer=now) if now else "", field.hint, _how(filling, field)]
    names = ["back"] if field.required else ["skip", "back"]
    if filling.clearing:
        parts[2:], names = [say(filling.lang, "fill.clear_ask")], ["keep", "clear", "back"]
    return Message("\n\n".join(filter(None, parts)), moves=tuple(_move(filling, name) for name in names))


def _shown(filling: Filling, field: Question) -> str:
    return shortened(shown(field, filling.value(field), filling.lang), _VALUE)


def _question(filling: Filling, question: Question, brief: bool) -> Message:
    wording = [shortened(question.label, _BRIEF)] if brief else _wording(filling, question)
    parts = [_progress(filling, question), *wording, _before(filling, question), _how(filling, question)]
    return Message("\n\n".join(filter(None, parts)), _choices(filling, question), moves(filling, question))


def _progress(filling: Filling, question: Question) -> str:
    section = filling.form.section(question.id)
    progress = say(filling.lang, "fill.progress", number=filling.number(question), total=len(filling.asked))
    return f"{progress} · {section.number}" if section.number else progress


def _wording(filling: Filling, question: Question) -> list[str]:
    """The question in full; the heading of its section and what introduces it are said with the first question."""
    section = filling.form.section(question.id)
    first = next(q for q in filling.asked if filling.form.section(q.id).id == section.id).id == question.id
    return [
        section.heading if first and section.heading != question.label else "",
        section.intro if first else "",
        question.label,
        say(filling.lang, "fill.hint", hint=question.hint) if question.hint else "",
        say(filling.lang, "fill.example", example=question.example) if question.example else "",
        _score(filling) if question.rates else "",
    ]


def _choices(filling: Filling, question: Question) -> tuple[Choice, ...]:
    stored = filling.answers.get(question.id, "").split(",")
    return tuple(
        Choice(filling.tap(question.id, o.id), f"✓ {o.label}" if o.id in stored else o.label)
        for o in options(question, filling.lang)
    )


def _before(filling: Filling, question: Question) -> str:
    stored = filling.answers.get(question.id)
    if not stored:
        return say(filling.lang, "fill.passed_over") if stored == "" and not question.required else ""
    if filling.anew:
        return say(filling.lang, "fill.anew")
    answer = shown(question, stored, filling.lang)
    if question.kind == "text":
        length = number(len(stored), filling.lang)
        return say(filling.lang, "fill.written", answer=shortened(answer, _BEFORE), length=length)
    return say(filling.lang, "fill.now", answer=shortened(answer, _BEFORE))


def _how(filling: Filling, question: Question) -> str:
    """How to answer, where it is not plain to see."""
    lang, answered = filling.lang, bool(filling.answers.get(question.id))
    if filling.clearing:
        return say(lang, "fill.clear_ask")
    match question.kind:
        case "number" if question.minimum is not None and question.maximum is not None:
            low, high = number(question.minimum, lang), number(question.maximum, lang)
            return say(lang, "fill.how_number", minimum=low, maximum=high)
        case "text" if answered and not filling.anew:
            return say(lang, "fill.how_more")
        case "number":
            return say(lang, "fill.how_any_number")
        case "date" | "choices" | "line" | "text":
            return say(lang, f"fill.how_{question.kind}")
        case _:
            return ""


def _score(filling: Filling) -> str:
    score, band = filling.form.score(filling.answers), filling.band
    if score is None:
        return ""
    points = number(str(score), filling.lang)
    if band is None:
        return say(filling.lang, "fill.score", score=points)
    return say(filling.lang, "fill.score_in_band", score=points, level=band.label)


def _review(filling: Filling) -> Message:
    lang = filling.lang
    found = pages(filling.form, filling.answers, lang)
    page = min(max(filling.page, 1), len(found))
    missing = filling.missing
    head = say(lang, "review.page", page=page, pages=len(found)) if len(found) > 1 else say(lang, "review.one_page")
    parts = [head, _summary(filling, missing) if page == 1 else "", found[page - 1].text]
    if page == len(found):
        parts.append(say(lang, "review.how" if filling.form.fields else "review.how_without_header"))
    names = []
    if page < len(found):
        names.append(Move(filling.tap("review", page + 1), say(lang, "review.next_page")))
    if page > 1:
        names.append(Move(filling.tap("review", page - 1), say(lang, "review.previous_page")))
    return Message("\n\n".join(filter(None, parts)), moves=(_main(filling, missing), *names, _move(filling, "back")))


def _main(filling: Filling, missing: list[Question]) -> Move:
    if not missing:
        return Move(filling.tap("confirm"), say(filling.lang, "review.submit"))
    if number := filling.number(missing[0]):
        return Move(filling.tap(missing[0].id), say(filling.lang, "review.answer", number=number))
    return Move(filling.tap("header"), say(filling.lang, "review.header"))


def _summary(filling: Filling, missing: list[Question]) -> str:
    lang, asked = filling.lang, filling.asked
    answered = sum(bool(filling.answers.get(question.id)) for question in asked)
    done = say(lang, "review.done", answered=answered, total=len(asked))
    if passed := sum(filling.answers.get(question.id) == "" for question in asked):
        done = f"{done} {say(lang, 'review.passed', number=passed)}"
    numbers = [str(n) for n in map(filling.number, missing) if n]
    lacking = ", ".join(numbers[:_NUMBERS]) + (", …" if len(numbers) > _NUMBERS else "")
    lines = [done]
    if len(numbers) < len(missing):
        lines.append(say(lang, "review.header_open"))
    if lacking:
        lines.append(say(lang, "review.lacking", numbers=lacking))
    return "\n".join(lines) if missing else f"{done}\n{say(lang, 'review.complete')}"


def _confirm(filling: Filling) -> Message:
    lang = filling.lang
    rated = next((q for q in filling.asked if q.rates), None)
    level = shown(rated, filling.answers.get(rated.id, ""), lang) if rated else ""
    score = filling.form.score(filling.answers)
    lines = [
        say(lang, "review.confirm_score", score=number(str(score), lang)) if score is not None else "",
        say(lang, "review.confirm_level", level=level) if level else "",
    ]
    asked = say(lang, "review.confirm_final" if filling.final else "review.confirm")
    text = "\n\n".join(filter(None, [asked, "\n".join(filter(None, lines))]))
    yes = Move(filling.tap("submit", filling.revision), say(lang, "review.yes"))
    return Message(text, moves=(yes, _move(filling, "back")))
