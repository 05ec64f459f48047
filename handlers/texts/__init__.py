"""All words the bot says: ``say("vi", "fill.progress", number=5, total=13)``."""

import tomllib
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

LANGUAGES = ("vi", "en")


@cache
def texts(lang: str) -> dict[str, str]:
    """Every text of a language by its dotted key."""
    tables = tomllib.loads(Path(__file__).with_name(f"{lang}.toml").read_text("utf-8"))
    return {f"{table}.{key}": text for table, keys in tables.items() for key, text in keys.items()}


def say(lang: str, key: str, **values: Any) -> str:
    """The text *key* in a language, with its placeholders filled. Raises KeyError where either is missing."""
    return texts(lang)[key].format(**values)


def placeholders(text: str) -> set[str]:
    """The names between braces in a text."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}
