"""A submitted review as a Word file in the official layout, with blanks for those who sign after the member."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from handlers.answers import number, options, shown
from handlers.forms import Answers, Form, Question, Section
from handlers.texts import say

FONT, SIZE = "Times New Roman", 14  # points
DOTS = "…" * 34  # a line to write on
BLANK_LINES = 3  # under what others fill in
EMPTY, TICKED = "☐", "☒"
NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands around the answers. *units*: names from the root down to the cell."""

    units: Sequence[str]
    name: str
    zone: ZoneInfo
    submitted_at: datetime
    receipt: str


def review(form: Form, facts: Facts, answers: Answers) -> bytes:
    """The file (.docx) of what was submitted: the form's wording to the letter, each answer whole, nothing added.

    Layout as in the forms of Hướng dẫn 21-HD/BTCTW and later: A4, Times New Roman 14; the closing blocks are those of
    the earlier forms, because no transcription of the forms of 2025 shows any.
    """
    import docx

    paper = _Paper(docx.Document(), form.lang)
    local = facts.submitted_at.astimezone(facts.zone)
    if form.lang == "vi":
        paper.party_header(facts.units, local)
    else:
        paper.line("\n".join(facts.units), bold=True)
        paper.line(f"{local:%d %B %Y}", italic=True, align="right")
    paper.title(form)
    applying = {question.id for question in form.applying(answers)}
    for section in form.sections:
        if section.filled_by != "member":
            continue
        paper.section(form, section, [q for q in section.questions if q.id in applying], answers)
    paper.signature(say(form.lang, "word.member"), facts.name)
    for section in _closing(form):
        paper.left_to_fill_in(section)
    paper.footer(say(form.lang, "word.receipt", code=facts.receipt, at=f"{local:%H:%M %d/%m/%Y}"))
    return paper.data(form.title, local)


def _closing(form: Form) -> list[Section]:
    """What others fill in: the form's own sections, else those of the earlier forms."""
    others = [section for section in form.sections if section.filled_by != "member"]
    if others or form.lang != "vi":
        return others
    level = next((q.options for s in form.sections for q in s.questions if q.rates), ())

    def part(number: int, *questions: tuple[str, bool]) -> Section:
        return Section(
            f"closing_{number}",
            "",
            say(form.lang, f"word.closing_{number}"),
            tuple(
                Question(key, "choice" if rates else "text", say(form.lang, f"word.{key}"), options=level)
                for key, rates in questions
            ),
            filled_by="chi_uy" if number == 1 else "dang_uy",
        )

    return [part(1, ("comment", False), ("proposed", True)), part(2, ("decided", True))]


class _Paper:
    """A Word document that is written from top to bottom."""

    def __init__(self, document: Any, lang: str) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH as Align
        from docx.oxml.ns import qn
        from docx.shared import Mm, Pt

        self.document, self.lang = document, lang
        self.alignments: Mapping[str, Any] = {
            "left": Align.LEFT,
            "center": Align.CENTER,
            "right": Align.RIGHT,
            "both": Align.JUSTIFY,
        }
        page = document.sections[0]
        page.page_width, page.page_height = Mm(210), Mm(297)
        page.top_margin = page.bottom_margin = page.right_margin = Mm(20)
        page.left_margin = Mm(30)
        normal = document.styles["Normal"]
        normal.font.name, normal.font.size = FONT, Pt(SIZE)
        fonts = normal.element.rPr.rFonts
        for kind in ("eastAsia", "cs"):
            fonts.set(qn(f"w:{kind}"), FONT)
        normal.paragraph_format.space_after = Pt(6)
        normal.paragraph_format.space_before = Pt(0)
        self.indent = Mm(10)

    def line(
        self,
        text: str,
        *,
        bold: bool = False,
        italic: bool = False,
        align: str = "left",
        into: Any = None,
        indent: bool = False,
        keep: bool = False,
        size: int | None = None,
    ) -> Any:
        """One paragraph. *into*: a table's cell in place of the document; *keep*: on one page with what follows."""
        from docx.shared import Pt

        paragraph = (into or self.document).add_paragraph()
        run = paragraph.add_run(NOT_XML.sub("\ufffd", text))
        run.bold, run.italic = bold or None, italic or None
        if size:
            run.font.size = Pt(size)
        paragraph.alignment = self.alignments[align]
        paragraph.paragraph_format.keep_with_next = keep or None
        if indent:
            paragraph.paragraph_format.first_line_indent = self.indent
        return paragraph

    def party_header(self, units: Sequence[str], day: datetime) -> None:
        """Whose paper it is on the left, the Party's name and the day on the right."""
        table = self.document.add_table(rows=1, cols=2)
        left, right = table.rows[0].cells
        *above, cell = [unit.upper() for unit in units[-2:]]
        for name in above:
            self.line(name, align="center", into=left, size=13)
        self.line(cell, bold=True, align="center", into=left, size=13)
        self.line("*", align="center", into=left)
        party = self.line("ĐẢNG CỘNG SẢN VIỆT NAM", bold=True, align="center", into=right, size=13)
        party.runs[0].underline = True
        date = say(self.lang, "word.date", day=f"{day:%d}", month=f"{day:%m}", year=day.year)
        self.line(date, italic=True, align="center", into=right)
        for each in (left, right):  # a new cell begins with an empty paragraph
            each._element.remove(each.paragraphs[0]._element)

    def title(self, form: Form) -> None:
        """The form's title, its second line in brackets if it has one, and what it rests on."""
        name, bracket, audience = form.title.partition(" (")
        self.line(name, bold=True, align="center", keep=True)
        if bracket:
            self.line(f"({audience}", bold=True, align="center", keep=True)
        if form.legal_basis:
            self.line(form.legal_basis, italic=True, align="center", size=12)

    def section(self, form: Form, section: Section, questions: Sequence[Question], answers: Answers) -> None:
        """A part of the form, its questions in the form's words, and what was answered."""
        if not questions:
            return
        if section.id == form.header:
            for question in questions:
                self.line(f"{question.label}: {shown(question, answers.get(question.id, ''), form.lang)}")
            return
        self.heading(section)
        for question in questions:
            self.question(form, section, question, answers)

    def heading(self, section: Section) -> None:
        """Number and heading of a part."""
        self.line(f"{section.number}. {section.heading}" if section.number else section.heading, bold=True, keep=True)

    def question(self, form: Form, section: Section, question: Question, answers: Answers) -> None:
        """A question and its answer; an empty one leaves a line to write on."""
        stored = answers.get(question.id, "")
        if question.kind == "sum":
            total = form.total(question, answers)
            stored = "" if total is None else str(total)
        if question.kind in ("number", "sum"):
            self.line(_filled_in(question.label, number(stored, form.lang)), indent=True)
            return
        label = question.label if question.label != section.heading else ""
        if label:
            self.line(label, italic=True, align="both", indent=True, keep=True)
        if question.kind in ("choice", "choices", "yes_no"):
            self.boxes(question, stored.split(","))
            return
        for each in shown(question, stored, form.lang).split("\n") if stored else [DOTS]:
            if each.strip():
                self.line(each, align="both", indent=True)

    def boxes(self, question: Question, chosen: Sequence[str]) -> None:
        """The options, each with its box."""
        for option in options(question, self.lang):
            self.line(f"{TICKED if option.id in chosen else EMPTY} {option.label}", indent=True)

    def left_to_fill_in(self, section: Section) -> None:
        """What others write by hand, and sign."""
        self.heading(section)
        for question in section.questions:
            if question.kind in ("choice", "choices", "yes_no"):
                self.line(f"{question.label}:", indent=True, keep=True)
                self.boxes(question, ())
            else:
                self.line(f"{question.label}:", indent=True, keep=True)
                for _ in range(BLANK_LINES):
                    self.line(DOTS)
        self.signature(say(self.lang, f"word.signs_{section.filled_by}"), "")

    def signature(self, who: str, name: str) -> None:
        """A block on the right half of the page: who signs, room for it, the name."""
        table = self.document.add_table(rows=1, cols=2)
        right = table.rows[0].cells[1]
        self.line(who, bold=True, align="center", into=right, keep=True)
        self.line(say(self.lang, "word.sign"), italic=True, align="center", into=right, size=13, keep=True)
        for _ in range(3):
            self.line("", into=right, keep=True)
        self.line(name, bold=True, align="center", into=right)
        right._element.remove(right.paragraphs[0]._element)
        self.line("")

    def footer(self, text: str) -> None:
        """A small line under every page."""
        paragraph = self.document.sections[0].footer.paragraphs[0]
        paragraph.alignment = self.alignments["center"]
        run = paragraph.add_run(text)
        from docx.shared import Pt

        run.font.size, run.italic = Pt(10), True

    def data(self, title: str, at: datetime) -> bytes:
        """The file."""
        known = self.document.core_properties
        known.title, known.author, known.comments = title, "", ""
        known.created = known.modified = at.replace(tzinfo=None)
        known.language = self.lang
        written = io.BytesIO()
        self.document.save(written)
        return written.getvalue()


def _filled_in(label: str, value: str) -> str:
    """*1. Nhóm tiêu chí chung: …/30* with its number in the place of the dots; other labels with it behind."""
    if not value:
        return label if "…" in label else f"{label}: …"
    return label.replace("…", value, 1) if "…" in label else f"{label}: {value}"
