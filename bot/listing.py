"""Long lists on a screen: the first few, and how many more there are."""

from collections.abc import Sequence

from handlers.texts import say

SOME = 20


def some(lang: str, items: Sequence[str], count: int | None = None) -> str:
    """The first of *items* in one line, and how many are left; *count*: how many there are in all."""
    shown = ", ".join(items[:SOME])
    left = (len(items) if count is None else count) - len(items[:SOME])
    return say(lang, "common.and_more", shown=shown, count=left) if left > 0 else shown
