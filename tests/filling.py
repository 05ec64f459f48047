"""Somebody who fills in a form, for the tests of filling: pure, without a database."""

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from handlers.cycles import Level
from handlers.draft import Filling
from handlers.filling import step
from handlers.form_files import forms_in
from handlers.forms import Form
from handlers.messages import Event, Message, Said, Sent, Tapped, heard
from handlers.screens import show

FORMS: dict[str, Form] = forms_in(Path(__file__).parent.parent / "forms", "vi")[0]
FACTS = {
    "year": "2026",
    "name": "Nguyễn Văn An",
    "birth_date": "1979-11-05",
    "unit": "Chi bộ 1",
    "position": "Chuyên viên",
    "workplace": "Sở A",
}
LEVELS = (
    Level("excellent", "Hoàn thành xuất sắc nhiệm vụ", 90, ("Việc xong đúng hạn 100%",), ("Đơn vị xong 100%",)),
    Level("good", "Hoàn thành tốt nhiệm vụ", 70, ("Việc xong đúng hạn",)),
    Level("completed", "Hoàn thành nhiệm vụ", 50),
    Level("not_completed", "Không hoàn thành nhiệm vụ", 0),
)


def started(form: str = "mau_2b_2025", place: str = "", lang: str = "vi", **answers: str) -> Filling:
    """A form at the beginning, or at a place of it with some answers."""
    return Filling(12, FORMS[form], answers, place, 0, lang, FACTS, LEVELS, date(2026, 11, 24)).settled()


def complete(form: str = "mau_2b_2025", **answers: str) -> dict[str, str]:
    """An answer to every question of an official form that must be answered, and its confirmed header."""
    known = {q.id: FACTS.get(q.prefill, "") for q in FORMS[form].fields}
    for question in FORMS[form].missing(known):
        known[question.id] = {"number": "27", "choice": "good"}.get(question.kind, "Việc đã làm")
    return known | answers


@dataclass
class Member:
    """Says and taps; remembers the last message and everything that was written."""

    filling: Filling = field(default_factory=started)
    written: list[tuple[str, str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.message = show(self.filling)

    @property
    def place(self) -> str:
        """Where the member stands."""
        return self.filling.place

    @property
    def moves(self) -> list[str]:
        """The moves on offer, by label."""
        return [move.label for move in self.message.moves]

    @property
    def choices(self) -> list[str]:
        """The choices on offer, by label."""
        return [choice.label for choice in self.message.choices]

    def says(self, *texts: str) -> str:
        """Type, perhaps several times; the words that came back last."""
        for text in texts:
            self._does(Said(text))
        return self.message.text

    def taps(self, *labels: str) -> str:
        """Press buttons that are on offer, by their labels; the words that came back last."""
        for label in labels:
            event = heard(self.message, Said(label))
            assert isinstance(event, Tapped), f"{label} is not on offer: {self.choices + self.moves}"
            self._does(event)
        return self.message.text

    def presses(self, value: str) -> str:
        """Press a button of long ago, or one that never was."""
        self._does(Tapped(value))
        return self.message.text

    def sends(self, what: str) -> str:
        """Send what is not words."""
        self._does(Sent(what))
        return self.message.text

    def _does(self, event: Event) -> None:
        self.filling, self.message = step(self.filling, event)
        self.written += self.filling.writes

    def returns(self) -> Message:
        """Come back later: only what is stored is known."""
        self.filling = replace(self.filling, writes=())
        self.message = show(self.filling.settled())
        return self.message
