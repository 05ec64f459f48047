"""What goes in and out of the conversation, on every channel alike."""

import json
import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from handlers.words import fold

_LABEL = 200  # characters: no label is longer, and a long answer need not be compared with any
LONGEST = 5 * _LABEL  # characters that are compared with labels at all: with spaces and signs between
WIDTH = 30  # letters on the buttons of one row
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode  # made once: json.dumps would make one each time
_MARKS = re.compile(r"[^\w\s/+]+")


@dataclass(frozen=True)  # without slots: its plain words are worked out once
class Said:
    """Words that the person typed, cleaned."""

    text: str

    @cached_property
    def plain(self) -> str:
        """The words as they are compared with labels."""
        return plain(self.text)


@dataclass(frozen=True, slots=True)
class Tapped:
    """A button: what it carries, for example ``12.b2_1=good``. It is a hint, never proof of a right."""

    value: str


@dataclass(frozen=True, slots=True)
class Sent:
    """Something that is not words.

    Content: ``photo``, ``sticker``, ``voice``, ``video``, ``file``, ``location``, ``contact``, ``other``. An ``edited``
    message. The person has ``blocked`` or ``unblocked`` the bot. ``group``: the chat is a group's.
    """

    what: str


Event = Said | Tapped | Sent


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer on offer. It may be tapped, or typed by its number or its label."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Move:
    """A step in the conversation (Back, Review, Submit): tapped or typed by its label, never by a number."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is built when it is sent, named and not carried: ``Document("review.docx", assessment=3)``."""

    name: str
    assessment: int


@dataclass(frozen=True, slots=True)
class Message:
    """What the bot says: words, the choices (one a row), and the moves (the first alone, the others below it)."""

    text: str
    choices: tuple[Choice, ...] = ()
    moves: tuple[Move, ...] = ()
    document: Document | None = None

    def after(self, text: str) -> "Message":
        """This message with *text* said before it."""
        return replace(self, text=f"{text}\n\n{self.text}" if text else self.text)


def plain(text: str) -> str:
    """How words are compared with a label: folded, without punctuation or emoji.

    Empty for a text that is longer than any label: folding a megabyte would take a fifth of a second.
    """
    return fold(_MARKS.sub(" ", text)) if len(text) <= LONGEST else ""


@lru_cache(maxsize=1024)
def label(text: str) -> str:
    """`plain` of one of our own labels. (People's words are kept in no cache.)"""
    return plain(text)


def heard(offered: Message, event: Event) -> Event:
    """What the person meant: words that equal a number, a label or a move of what is *offered* become that tap.

    Other words stay words. A number stands for a choice, never for a move.
    """
    if not isinstance(event, Said) or len(event.text) > _LABEL:
        return event
    words = event.plain
    if not words:
        return event
    if number := re.fullmatch(r"(?:so|cau|chon)?\s*(\d{1,2})", words):
        place = int(number[1]) - 1
        if 0 <= place < len(offered.choices):
            return Tapped(offered.choices[place].value)
    buttons: tuple[Choice | Move, ...] = (*offered.choices, *offered.moves)
    for button in buttons:
        if words == label(button.label):
            return Tapped(button.value)
    return event


def as_text(message: Message) -> str:
    """The message on a channel without buttons: choices numbered, moves by name."""
    lines = [message.text]
    if message.choices:
        lines.append("\n".join(f"{n}. {choice.label}" for n, choice in enumerate(message.choices, 1)))
    if message.moves:
        lines.append(" · ".join(f"[{move.label}]" for move in message.moves))
    return "\n\n".join(lines)


def rows(message: Message) -> list[list[Choice | Move]]:
    """The buttons by row: each choice alone, else the main move alone; of the other moves up to three that a phone
    shows whole."""
    grid: list[list[Choice | Move]] = [[choice] for choice in message.choices]
    others = list(message.moves)
    if others and not message.choices:
        grid.append([others.pop(0)])
    row: list[Choice | Move] = []
    for move in others:
        if row and (len(row) == 3 or sum(len(each.label) for each in (*row, move)) > WIDTH):
            grid.append(row)
            row = []
        row.append(move)
    return [*grid, row] if row else grid


def dumps(message: Message) -> str:
    """The message as JSON, for the outbox and the web page."""
    value: dict[str, Any] = {"text": message.text}
    if message.choices:
        value["choices"] = [[choice.value, choice.label] for choice in message.choices]
    if message.moves:
        value["moves"] = [[move.value, move.label] for move in message.moves]
    if message.document:
        value["document"] = [message.document.name, message.document.assessment]
    return _ENCODE(value)


def loads(text: str) -> Message:
    """What ``dumps`` wrote."""
    value = json.loads(text)
    return Message(
        value["text"],
        tuple(Choice(*pair) for pair in value.get("choices", ())),
        tuple(Move(*pair) for pair in value.get("moves", ())),
        Document(*value["document"]) if "document" in value else None,
    )
