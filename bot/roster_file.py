"""A roster file, CSV or XLSX, as records of words."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from bot.mistakes import Mistake
from handlers.words import fold

COLUMNS = (
    "unit_path",
    "member_code",
    "full_name",
    "birth_date",
    "gender",
    "phone",
    "position",
    "form",
    "role",
    "admitted_on",
    "exempt_reason",
)
REQUIRED = COLUMNS[:4]

LARGEST = 20_000_000  # bytes: of a CSV file, and of all that is packed in an XLSX file
MOST_ENTRIES = 200  # files packed in an XLSX file
MOST_ROWS = 50_000
MOST_COLUMNS = 64


class Unreadable(Mistake):
    """Nothing can be taken from the file."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record, numbered as a CSV reader counts them: from 1, without the header and the blank lines."""

    number: int
    cells: dict[str, str]  # by column, as they stand in the file; a column that the file lacks is ""
    surplus: int = 0  # how many cells it has more than the header (fewer: negative)


def records(file: Path) -> Iterator[Record]:
    """The records of a roster, one after another. Raises Unreadable, also on the way."""
    try:
        with file.open("rb") as start:
            packed = start.read(4) == b"PK\x03\x04"
        if packed:
            return _named(_of_xlsx(file.read_bytes()))
        if file.stat().st_size > LARGEST:
            raise Unreadable("roster.too_large")
        return _named(_of_csv(file))
    except OSError as error:
        raise Unreadable("roster.no_file", file=file.name) from error


def rows_in(file: Path) -> int:
    """About how many rows a roster has, for a progress bar: exact only for a CSV file without breaks in its cells."""
    try:
        with file.open("rb") as content:
            return sum(block.count(b"\n") for block in iter(lambda: content.read(2**20), b""))
    except OSError:
        return 0


def _named(rows: Iterator[list[str]]) -> Iterator[Record]:
    """Rows by the names in the first of them."""
    lines = (row for row in rows if row)
    header = [fold(cell).replace(" ", "_") for cell in next(lines, [])]
    if missing := [column for column in REQUIRED if column not in header]:
        raise Unreadable("roster.no_column", columns=", ".join(missing))
    if twice := sorted({column for column in header if header.count(column) > 1 and column in COLUMNS}):
        raise Unreadable("roster.column_twice", columns=", ".join(twice))
    blank = dict.fromkeys(COLUMNS, "")
    return (
        Record(number, blank | dict(zip(header, row, strict=False)), len(row) - len(header))
        for number, row in enumerate(lines, 1)
    )


def _of_csv(file: Path) -> Iterator[list[str]]:
    """Rows of a CSV file in UTF-8, with or without its mark, separated by comma, semicolon or tab."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            first = next((line for line in text if line.strip()), "")
            text.seek(0)
            yield from csv.reader(text, delimiter=max(",;\t", key=first.count))
    except UnicodeDecodeError as error:
        raise Unreadable("roster.not_utf8") from error
    except csv.Error as error:
        raise Unreadable("roster.not_csv") from error


def _of_xlsx(content: bytes) -> Iterator[list[str]]:
    """Rows of the first sheet of an XLSX file.

    The packing list is looked at before anything is unpacked: a file of a few kilobytes may unfold to gigabytes.
    """
    from openpyxl import load_workbook

    try:
        with ZipFile(io.BytesIO(content)) as packed:
            entries = packed.infolist()
        if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > LARGEST:
            raise Unreadable("roster.too_large")
        if any(entry.filename.startswith("/") or ".." in entry.filename for entry in entries):
            raise Unreadable("roster.not_xlsx")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        sheet: Any = book.worksheets[0]
        sheet.reset_dimensions()  # the file's own word for its size is not to be trusted
        rows = sheet.iter_rows(max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS, values_only=True)
        width = 0
        for number, row in enumerate(rows):
            cells = [_words(cell) for cell in row]
            if number == MOST_ROWS and any(cells):
                raise Unreadable("roster.too_large")
            while len(cells) > width and not cells[-1]:
                cells.pop()
            width = width or len(cells)
            if any(cells):
                yield cells + [""] * (width - len(cells))
    except Unreadable:
        raise
    except Exception as error:  # a broken or hostile workbook makes openpyxl raise almost anything
        raise Unreadable("roster.not_xlsx") from error


def _words(cell: object) -> str:
    """A cell as it would stand in a CSV file."""
    match cell:
        case None:
            return ""
        case datetime():
            return cell.date().isoformat()
        case date():
            return cell.isoformat()
        case float() if cell.is_integer():
            return str(int(cell))
        case _:
            return str(cell)
