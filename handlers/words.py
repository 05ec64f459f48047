"""Text at the door: cleaned once, folded for matching."""

import re
import unicodedata
from datetime import date
from itertools import filterfalse

_D = str.maketrans({"đ": "d", "ð": "d"})
_TONES = "\u0300\u0301\u0303\u0309\u0323"  # combining: huyền, sắc, ngã, hỏi, nặng
_NO_TONES = dict.fromkeys(map(ord, _TONES))
_SYLLABLE = re.compile("(?:[^\\W\\d_][\u0300-\u036f]*)+")
_DATE = re.compile(r"\s*(\d{1,2})\s*[/.\-\s]\s*(\d{1,2})\s*[/.\-\s]\s*(\d{4})\s*")


def clean(text: str) -> str:
    """NFC, no lone surrogates, no control characters but newline and tab.

    What is stored is what was typed after this. (A NUL or a lone surrogate would make the database refuse the row.)
    """
    if text.isprintable():  # no surrogate and no control character: most texts
        return unicodedata.normalize("NFC", text)
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    kept = "".join(c for c in whole.replace("\r\n", "\n") if c in "\n\t" or unicodedata.category(c) != "Cc")
    return unicodedata.normalize("NFC", kept)


def fold(text: str) -> str:
    """The key under which two spellings are the same: no case, no diacritics, single spaces.

    Also unites *hoà* and *hòa*, and takes Ð (U+00D0), typed by mistake, for Đ.
    """
    if text.isascii():
        return " ".join(text.casefold().split())
    plain = unicodedata.normalize("NFD", text.casefold().translate(_D))
    return " ".join("".join(filterfalse(unicodedata.combining, plain)).split())


def spelled(text: str) -> str:
    """The key under which two spellings of a name are the same that read the same: no case, single spaces.

    As ``fold``, with diacritics: *Đông*, *Đồng* and *Dong* differ. Where in its syllable a tone stands does not matter
    (*hoà*, *hòa*), nor NFC and NFD.
    """
    if text.isascii():
        return fold(text)
    apart = unicodedata.normalize("NFD", text.casefold().replace("ð", "đ"))
    return unicodedata.normalize("NFC", " ".join(_SYLLABLE.sub(_tones_last, apart).split()))


def _tones_last(syllable: re.Match[str]) -> str:
    letters = syllable[0].translate(_NO_TONES)
    return letters + "".join(tone for tone in syllable[0] if tone in _TONES)


def an_id(text: str) -> int | None:
    """The number in a button, which came from outside; None where it is none or absurdly long."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def a_date(text: str) -> date | None:
    """The day in *d/m/yyyy*, with any of ``/ . -`` or a space between; None if there is none such."""
    found = _DATE.fullmatch(text)
    if not found:
        return None
    day, month, year = (int(part) for part in found.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None
