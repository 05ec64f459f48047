"""At which question of how many a review stands, from its place alone: no answer is read for it."""

from handlers.forms import Form
from handlers.notices import Stage


def stage(form: Form, place: str) -> Stage:
    """The number of the question at *place* and how many are asked; one past the last: to be read and submitted.

    Questions that only some are asked are not counted: whether they apply would have to be read from answers.
    """
    total = len(form.asked({}))
    first = place.removeprefix("review>").removesuffix("/anew").partition("/")[0]
    if first in ("review", "confirm", "submitted"):
        return total + 1, total
    counted = {question.id for question in form.asked({})}
    number = 0
    for section in form.sections:
        for question in section.questions:
            number += question.id in counted
            if question.id == first:
                return max(number, 1), total
    return 1, total
