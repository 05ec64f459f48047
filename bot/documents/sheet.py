"""The table of a cycle: one row a person, one column a question, as CSV or XLSX."""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Protocol

from bot.mistakes import Mistake
from bot.tables import private, safe_cell
from handlers import forms
from handlers.answers import shown
from handlers.cycles import Cycle
from handlers.forms import Form, Kind, Question
from handlers.readback import shortened
from handlers.texts import say
from handlers.turn import cycle_of
from storage import audit, cycles, exports
from storage.database import Database, Db
from storage.exports import Row

FACTS = (
    *("unit", "code", "name", "form", "state"),
    *("first_submitted_at", "late", "submitted_at", "times", "level", "score", "receipt"),
)
LABEL = 60  # characters of a question in a heading
XLSX_CELL = 32_767  # UTF-16 units that a cell of a workbook holds
XLSX_ROWS = 1_048_576  # rows that a sheet of a workbook holds
XLSX_DIGITS = 15  # of a number: more are rounded
HEADINGS = 2  # rows at the top: the headings, then the names of the columns

Cell = str | Decimal | date | datetime
"""What stands in a cell; a datetime is local and has no zone, because spreadsheets know none."""


class Table(Protocol):
    """A file that is written row by row. ``cut``: how many cells were too long for it."""

    cut: int

    def row(self, cells: Sequence[Cell]) -> None:
        """Write the next row."""
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """A question, wherever in the cycle's forms it stands in the same words."""

    id: str  # the question's id; with its form's before it where another form uses the id for something else
    heading: str
    question: Question
    forms: frozenset[int]  # rows of cycle_form


def export(database: Database, code: str, out: Path, now: datetime, lang: str, *, plain: bool = False) -> int:
    """Write the table of the cycle *code* to *out* (``.csv``, with a byte order mark unless *plain*, or ``.xlsx``).

    Returns how many people it holds. *out* is for its owner alone, and is there only once it is complete. The export
    is on record before anything is read. Raises Mistake where there is no such cycle, or no such kind of file.
    """
    writer = WRITERS.get(out.suffix.lower())
    if writer is None:
        raise Mistake("export.kind")
    with database.transaction() as db:
        known = {cycle.code: cycle for cycle in cycles.every(db)}
        found = known.get(code)
        if found is None:
            raise Mistake("export.no_cycle", code=code, known=", ".join(known) or "-")
        audit.record(db, "cycle.exported", now, cycle_id=found.id)
    part = out.with_name(out.name + ".part")
    try:
        with database.transaction(read_only=True) as db, writer(part, plain) as table:
            cycle = cycle_of(db, found)
            assert cycle is not None
            count = _written(db, table, cycle, now, lang)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return count


def columns(found: Sequence[tuple[int, Form]]) -> list[Column]:
    """A column for each question of these forms (row's id, form): in the order of the forms, then of the questions.

    Versions of a form share a column, and so do forms that ask for the same kind of answer in the same words.
    """
    wordings: dict[str, set[tuple[str, Kind]]] = defaultdict(set)
    homes: dict[tuple[str, str], tuple[str, Kind]] = {}
    for _, form in found:
        for question in _asked(form):
            homes.setdefault((form.id, question.id), (question.label, question.kind))
            wordings[question.id].add(homes[form.id, question.id])
    made: dict[str, Column] = {}
    for number, form in found:
        for question in _asked(form):
            own = f"{form.id}.{question.id}" if len(wordings[question.id]) > 1 else question.id
            section = form.section(question.id)
            heading = f"{section.number} {shortened(question.label, LABEL)}".strip()
            before = made.get(own)
            sharing = (before.forms if before else frozenset()) | {number}
            made[own] = Column(own, before.heading if before else heading, question, sharing)
    return list(made.values())


def _asked(form: Form) -> Iterator[Question]:
    return (q for section in form.sections if section.filled_by == "member" for q in section.questions)


def _written(db: Db, table: Table, cycle: Cycle, now: datetime, lang: str) -> int:
    known = {each.id: forms.loads(each.body) for each in exports.forms(db, cycle.id)}
    found = columns(list(known.items()))
    headings = [say(lang, f"export.{name}", zone=cycle.zone.key) for name in FACTS]
    table.row([*headings, *(column.heading for column in found)])
    table.row([*FACTS, *(column.id for column in found)])
    levels = {level.id: level.label for level in cycle.levels}
    count = 0
    for count, row in enumerate(exports.rows(db, cycle.id), 1):  # noqa: B007  the last number is the count
        form = known.get(row.form_id or 0)
        table.row([*_facts(row, form, cycle, now, levels, lang), *(_answer(row, form, column) for column in found)])
    table.row([say(lang, "export.rows", count=count)])
    if table.cut:
        table.row([say(lang, "export.cut", count=table.cut)])
    return count


def _facts(row: Row, form: Form | None, cycle: Cycle, now: datetime, levels: dict[str, str], lang: str) -> list[Cell]:
    state = say(lang, f"export.state_{row.state}")
    notes = [row.exempt_reason or "", say(lang, "export.reopened") if row.reopened and cycle.runs(now) else ""]
    if noted := "; ".join(filter(None, notes)):
        state = f"{state} ({noted})"
    who: list[Cell] = ["/".join(row.units), row.code, row.name, form.id if form else "", state]
    sent = row.submitted
    if sent is None:
        return [*who, *[""] * (len(FACTS) - len(who))]
    return [
        *who,
        _local(cycle, sent.first_at),
        say(lang, "export.yes") if sent.first_late else "",
        _local(cycle, sent.at),
        Decimal(sent.number),
        levels.get(sent.level, sent.level) if sent.level else "",
        "" if sent.score is None else Decimal(repr(sent.score)),
        sent.receipt,
    ]


def _local(cycle: Cycle, at: datetime) -> datetime:
    return cycle.local(at).replace(tzinfo=None, microsecond=0)


def _answer(row: Row, form: Form | None, column: Column) -> Cell:
    """Words as they were typed; the label of an option; a number, a date."""
    if row.submitted is None or form is None or row.form_id not in column.forms:
        return ""
    question, answers = form.question(column.question.id) or column.question, row.submitted.answers
    stored = answers.get(question.id, "")
    try:
        match question.kind:
            case "sum":
                total = form.total(question, answers)
                return "" if total is None else total
            case "number" if stored:
                return Decimal(stored)
            case "date" if stored:
                return date.fromisoformat(stored)
            case "choice" | "choices" | "yes_no":
                return shown(question, stored, form.lang)
    except (InvalidOperation, ValueError):  # an earlier version of the form asked for something else
        pass
    return stored


class _Csv:
    """Words as they are, with an apostrophe before those that a spreadsheet would run."""

    cut = 0

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def row(self, cells: Sequence[Cell]) -> None:
        self.rows.writerow([safe_cell(cell) if isinstance(cell, str) else _as_text(cell) for cell in cells])


def _as_text(cell: Decimal | date | datetime) -> str:
    match cell:
        case Decimal():
            return f"{cell:f}"
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M:%S}"
        case _:
            return cell.isoformat()


@contextmanager
def _csv(file: Path, plain: bool) -> Iterator[_Csv]:
    with private(file, "utf-8" if plain else "utf-8-sig") as out:
        yield _Csv(csv.writer(out))


class _Xlsx:
    """Words are written as words, whatever they begin with: nothing is ever run, and nothing need be put before it.

    What one sheet cannot hold goes on in the next, under the same headings.
    """

    def __init__(self, book: Any, name: str) -> None:
        self.book, self.name, self.cut = book, name, 0
        self.bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        self.day = book.add_format({"num_format": "dd/mm/yyyy"})
        self.moment = book.add_format({"num_format": "dd/mm/yyyy hh:mm:ss"})
        self.headings: list[Sequence[Cell]] = []
        self.sheets = 0
        self._add_sheet()

    def row(self, cells: Sequence[Cell]) -> None:
        if len(self.headings) < HEADINGS:
            self.headings.append(cells)
        elif self.lines == XLSX_ROWS:
            self._add_sheet()
            for heading in self.headings:
                self._write(heading)
        self._write(cells)

    def _add_sheet(self) -> None:
        self.sheets += 1
        self.sheet = self.book.add_worksheet(self.name if self.sheets == 1 else f"{self.name} {self.sheets}")
        self.sheet.freeze_panes(HEADINGS, 3)
        self.lines = 0

    def _write(self, cells: Sequence[Cell]) -> None:
        for column, cell in enumerate(cells):
            match cell:
                case str():
                    self.words(column, cell)
                case datetime():
                    self.sheet.write_datetime(self.lines, column, cell, self.moment)
                case date() if cell.year >= 1900:
                    self.sheet.write_datetime(self.lines, column, cell, self.day)
                case Decimal() if len(cell.as_tuple().digits) <= XLSX_DIGITS:
                    self.sheet.write_number(self.lines, column, float(cell))
                case _:  # a workbook would round the number, and has no such day
                    self.words(column, _as_text(cell))
        self.lines += 1

    def words(self, column: int, words: str) -> None:
        if not words:
            return
        if len(words.encode("utf-16-le")) // 2 > XLSX_CELL:
            self.cut += 1
            words = words.encode("utf-16-le")[: 2 * (XLSX_CELL - 1)].decode("utf-16-le", "ignore") + "…"
        self.sheet.write_string(self.lines, column, words, self.bold if self.lines == 0 else None)


@contextmanager
def _xlsx(file: Path, _plain: bool) -> Iterator[_Xlsx]:
    from xlsxwriter import Workbook

    private(file, "utf-8").close()  # for its owner alone from the first byte
    book = Workbook(
        str(file),
        {
            "constant_memory": True,
            "tmpdir": str(file.parent),
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    try:
        yield _Xlsx(book, "kiemdiem")
    finally:
        book.close()


WRITERS: dict[str, Callable[[Path, bool], AbstractContextManager[Table]]] = {".csv": _csv, ".xlsx": _xlsx}
