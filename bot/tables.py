"""Tables for spreadsheets, in which no cell is run."""

import csv
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from bot.mistakes import Mistake

RUNS = re.compile(r"'*[=+\-@\t\r\0＝＋－＠]")  # what makes a spreadsheet take words for a formula (ASVS 1.2.10)


def safe_cell(words: str) -> str:
    """*words* with an apostrophe before them where a spreadsheet would run them.

    Taking one apostrophe away again where RUNS matches gives the words as they were, those with apostrophes too.
    """
    return f"'{words}" if RUNS.match(words) else words


def write(out: TextIO, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A CSV table."""
    table = csv.writer(out)
    table.writerow(header)
    table.writerows([safe_cell(cell) for cell in row] for row in rows)


def private(file: Path, encoding: str = "utf-8-sig") -> TextIO:
    """*file* opened anew for writing, for its owner only; with the mark by which Excel knows UTF-8. Raises Mistake."""
    try:
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise Mistake("named.cannot_write", file=file) from error
    os.fchmod(number, 0o600)  # it may have been there, open to others
    return os.fdopen(number, "w", encoding=encoding, newline="")
