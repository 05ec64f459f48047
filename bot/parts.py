"""A long text in parts that a channel takes: cut at a paragraph, a line, a word, at worst between characters."""

import re
import unicodedata

JOINER = "\u200d"
STAYS = f"{JOINER}\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"  # with the sign before it
SEAMS = (re.compile(r"\n\n+"), re.compile(r"\n"), re.compile(r"\s"))


def length(text: str) -> int:
    """In UTF-16 units, as Telegram and Zalo count."""
    return len(text.encode("utf-16-le")) // 2


def parts(text: str, longest: int) -> list[str]:
    """*text* in pieces of at most *longest* UTF-16 units; joined by the white space cut out they are the text again."""
    found = []
    while length(text) > longest:
        at, skip = _cut(text, longest)
        found.append(text[:at])
        text = text[at + skip :]
    return [part for part in (*found, text) if part.strip()] or [text]  # no platform takes a blank message


def _cut(text: str, longest: int) -> tuple[int, int]:
    end = min(len(text), longest)
    while length(text[:end]) > longest:
        end -= max(1, (length(text[:end]) - longest) // 2)
    for seam in SEAMS:
        last = None
        for last in seam.finditer(text, end // 2, end):  # noqa: B007  the last one is wanted
            pass
        if last is not None:
            return last.start(), len(last[0])
    while end > 1 and (unicodedata.combining(text[end]) or text[end] in STAYS or text[end - 1] == JOINER):
        end -= 1  # never between a letter and its mark
    return end, 0
