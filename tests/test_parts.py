"""A long text in parts: nothing is lost, nothing too long, nothing cut where it must not be."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.parts import length, parts

SIGNS = ["a", "ệ", "e\u0323\u0302", " ", "\n", ".", "字", "😀", "👩\u200d🌾", "👩🏽\u200d🚀", "👍🏿", "❤\ufe0f"]
texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("a b\n"), max_size=400)


@given(texts, st.integers(2, 60))
def test_the_parts_are_the_text_without_some_of_its_white_space(text: str, longest: int) -> None:
    found, end = parts(text, longest), 0
    for part in found:
        end = text.index(part, end) + len(part)
    assert re.sub(r"\s", "", "".join(found)) == re.sub(r"\s", "", text)


@given(texts, st.integers(2, 60))
def test_every_part_can_be_sent(text: str, longest: int) -> None:
    """No longer than the channel takes, no half of a surrogate pair, no blank message."""
    found = parts(text, longest)
    assert all(length(part) <= longest for part in found)
    assert all(part.strip() for part in found) or not text.strip()


@given(st.lists(st.sampled_from(SIGNS), max_size=200).map("".join), st.integers(12, 60))
def test_a_mark_stays_with_its_letter_and_joined_emoji_stay_joined(text: str, longest: int) -> None:
    whole = re.compile("(?:" + "|".join(map(re.escape, sorted(SIGNS, key=len, reverse=True))) + ")*")
    assert [part for part in parts(text, longest) if not whole.fullmatch(part)] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [""]),
        ("ngắn", ["ngắn"]),
        ("một hai ba bốn", ["một hai", "ba bốn"]),
        ("đoạn một\n\nhai ba", ["đoạn một", "hai ba"]),
        ("dòng một\nhai ba", ["dòng một", "hai ba"]),
        ("a" * 25, ["a" * 10, "a" * 10, "a" * 5]),
        ("😀" * 7, ["😀" * 5, "😀" * 2]),
        (" " * 30 + "a", ["a"]),
    ],
)
def test_it_is_cut_at_a_paragraph_a_line_a_word_or_at_worst_between_letters(text: str, expected: list[str]) -> None:
    assert [part.strip() for part in parts(text, 10)] == expected
