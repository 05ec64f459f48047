"""What the bot says: the same in both languages, and written as Vietnamese is."""

import unicodedata

import pytest

from handlers.texts import LANGUAGES, placeholders, say, texts


def test_both_languages_say_the_same_things() -> None:
    assert sorted(texts("vi")) == sorted(texts("en"))


def test_a_text_has_the_same_placeholders_in_both_languages() -> None:
    assert {key: placeholders(text) for key, text in texts("vi").items()} == {
        key: placeholders(text) for key, text in texts("en").items()
    }


@pytest.mark.parametrize("lang", LANGUAGES)
def test_texts_are_composed_letters_without_stray_spaces(lang: str) -> None:
    for key, text in texts(lang).items():
        assert unicodedata.is_normalized("NFC", text), key
        assert text == text.strip(), key
        assert "  " not in text, key


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        say("vi", "fill.progress", number=1)
