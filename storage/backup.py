"""A SQLite database as one verified file, and back."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO

from storage.schema import known_revisions

SEAL = b"\nkiemdiem backup, SHA-256 "  # what follows the database in the file: SQLite alone notices no changed value
HASH = 64  # hex digits
COUNTED = ("person", "assessment", "answer", "submission", "outgoing")


class Unusable(Exception):
    """A file that is no whole database of ours. ``why``: ``unreadable``, ``corrupt``, ``foreign``, ``newer``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Facts:
    """What a database file holds: its revision, and how many rows in the tables of COUNTED."""

    revision: str
    rows: tuple[tuple[str, int], ...]


def save(source: Path, target: Path) -> Facts:
    """Copy a database that may be in use to a new, sealed file that only its owner reads, and verify it.

    A plain copy would miss what is still in the write-ahead log. Raises FileExistsError, Unusable, OSError; then
    nothing is left at *target*.
    """
    with _new_file(target) as part:
        facts = _copied(source, part)
        with part.open("r+b") as file:
            seal = _hash(file).encode()
            file.write(SEAL + seal)
        return facts


def copy(saved: Path, target: Path) -> Facts:
    """Copy what ``save`` made to a new database. Raises as ``save`` does."""
    with _new_file(target) as part:
        verified(saved)
        return _copied(saved, part)


def verified(saved: Path) -> Facts:
    """What a saved file holds, once it is proved to be whole and ours. Raises Unusable."""
    try:
        with saved.open("rb") as file:
            file.seek(-len(SEAL) - HASH, os.SEEK_END)
            at, seal = file.tell(), file.read()
            if not seal.startswith(SEAL):
                raise Unusable("foreign")
            file.seek(0)
            if _hash(file, at) != seal.removeprefix(SEAL).decode("ascii", "replace"):
                raise Unusable("corrupt")
    except OSError:
        raise Unusable("foreign" if saved.is_file() and os.access(saved, os.R_OK) else "unreadable") from None
    return _facts(saved)


def _copied(source: Path, target: Path) -> Facts:
    if not source.is_file():
        raise Unusable("unreadable")
    try:
        with closing(_opened(source)) as here, closing(sqlite3.connect(target)) as there:
            here.backup(there)
            there.execute("PRAGMA journal_mode=DELETE").close()  # one file, readable from read-only media
    except sqlite3.OperationalError as error:
        raise OSError(0, str(error)) from None
    return _facts(target)


def _hash(file: IO[bytes], length: int | None = None) -> str:
    """SHA-256 of the next *length* bytes, or of all that follow."""
    found, left = sha256(), length
    while chunk := file.read(2**20 if left is None else min(left, 2**20)):
        found.update(chunk)
        left = left and left - len(chunk)
    return found.hexdigest()


def _facts(file: Path) -> Facts:
    try:
        with closing(_opened(file)) as db:
            if [row[0] for row in db.execute("PRAGMA integrity_check")] != ["ok"]:
                raise Unusable("corrupt")
            if db.execute("PRAGMA foreign_key_check").fetchone():
                raise Unusable("corrupt")
            tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not {"alembic_version", *COUNTED} <= tables:
                raise Unusable("foreign")
            revision = str(db.execute("SELECT version_num FROM alembic_version").fetchone()[0])
            if revision not in known_revisions():
                raise Unusable("newer")
            counted = [(name, db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name in COUNTED]  # noqa: S608
            return Facts(revision, tuple(counted))
    except sqlite3.DatabaseError as error:
        raise Unusable("unreadable" if isinstance(error, sqlite3.OperationalError) else "corrupt") from None


def is_empty(file: Path) -> bool:
    """Whether nothing would be lost with this database: no file, no tables, or nobody in them. Raises Unusable."""
    if not file.exists() or not file.stat().st_size:
        return True
    try:
        with closing(_opened(file)) as db:
            tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return not tables or ("person" in tables and not db.execute("SELECT 1 FROM person LIMIT 1").fetchone())
    except sqlite3.DatabaseError:
        return False


def put_in_place(new: Path, target: Path, now: datetime) -> Path | None:
    """Put the database *new* in the place of *target*, which is kept beside it under a name with the time in it: that
    name, or None where there was none. There is a database at *target* at every moment."""
    old = None
    if target.exists():
        old = target.with_name(f"{target.name}.before-{now:%Y%m%dT%H%M%SZ}")
        os.link(target, old)
        for ending in ("-wal", "-shm"):  # they belong to the old one and would spoil the new
            beside = target.with_name(target.name + ending)
            if beside.exists():
                beside.rename(old.with_name(old.name + ending))
    new.replace(target)
    return old


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5)


@contextmanager
def _new_file(target: Path) -> Iterator[Path]:
    """A file beside *target* for its owner alone, which becomes *target* in one step once all went well."""
    if target.exists():
        raise FileExistsError(target)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
