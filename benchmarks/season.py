"""The commands that touch everybody: a roster of 100,000 is imported, a season for 260,000 is opened beside turns.

    .venv/bin/python -m benchmarks.season [--tree DIR ...] [--postgresql] [--rows 100000] [--people 260000]

Each command runs as its own process, as an operator runs it: seconds and peak memory (RSS) of it. Meanwhile turns come
every 20 ms from here, each a transaction of its own that stores one row: how long the slowest waited. Every *tree* is
a checkout (by default this one), so that an older version can be measured beside this one in one run:

    git worktree add /tmp/old <commit> && .venv/bin/python -m benchmarks.season --tree /tmp/old --tree .
"""

import argparse
import csv
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.roster_file import COLUMNS
from tests.postgres import Postgres

IN_A_CELL, CELLS = 118, 10  # members of a cell, cells of an organisation: 848 cells for 100,000
EVERY = 0.02  # seconds between two turns
LINKED = 20_000  # people with a chat, who get the first notice
HERE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Took:
    """What one command took."""

    seconds: float
    cpu: float  # seconds of the processor, the command's own: a busy machine lengthens only the others
    megabytes: float
    slowest: float  # ms, of the turns beside it
    turns: int
    shown: int  # the longest line it printed, in characters


def roster(file: Path, first: int, rows: int) -> None:
    """Write a roster of so many members."""
    with file.open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out)
        table.writerow(COLUMNS)
        for n in range(first, first + rows):
            cell = n // IN_A_CELL
            path = f"Đảng bộ Khối/Đảng bộ cơ sở {cell // CELLS}/Chi bộ {cell}"
            role = "member" if n % IN_A_CELL else "secretary"
            name, phone = f"Nguyễn Văn Bình {n}", f"05{n:08d}"
            table.writerow(
                [path, f"BM-{n}", name, "1980-05-19", "nam", phone, "Chuyên viên", "2B", role, "2010-05-19", ""]
            )


class Turns(threading.Thread):
    """Turns that come one after another, until they are stopped."""

    def __init__(self, url: str) -> None:
        super().__init__(name=f"turn {time.time_ns()}")
        self.url, self.ends, self.waits = url, threading.Event(), list[float]()

    def run(self) -> None:
        """Store a row in a transaction of its own, as a turn does."""
        with closing(_connected(self.url)) as db:
            number = 0
            while not self.ends.wait(EVERY):
                began, number = time.perf_counter(), number + 1
                db.execute("BEGIN IMMEDIATE" if self.url.startswith("sqlite") else "BEGIN")
                if not self.url.startswith("sqlite"):
                    db.execute("SELECT id FROM person ORDER BY id LIMIT 1 FOR NO KEY UPDATE")
                db.execute(f"INSERT INTO incoming (key, at) VALUES ('{self.name}:{number}', '2026-11-25')")
                db.execute("COMMIT")
                self.waits.append(time.perf_counter() - began)


def _connected(url: str) -> Any:
    if url.startswith("sqlite"):
        db = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=60, check_same_thread=False)
        db.execute("PRAGMA synchronous=FULL").close()
        return db
    import psycopg

    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def run(tree: Path, url: str, *words: str) -> Took:
    """Run a command of *tree*, with turns beside it."""
    turns = Turns(url)
    environ = os.environ | {"KIEMDIEM_DATABASE_URL": url, "KIEMDIEM_SECRET_KEY": "x" * 32, "PYTHONPATH": str(tree)}
    if words[0] != "migrate":
        turns.start()
    began = time.perf_counter()
    command = [sys.executable, "-m", "bot", *words]
    with tempfile.TemporaryFile() as out, subprocess.Popen(command, cwd=tree, env=environ, stdout=out) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        out.seek(0)
        longest = max((len(line) for line in out.read().decode().splitlines()), default=0)
    if child.returncode:
        raise SystemExit(f"{tree}: {' '.join(words)} ended with {child.returncode}")
    if words[0] != "migrate":
        turns.ends.set()
        turns.join()
    slowest = max(turns.waits, default=0)
    return Took(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, slowest * 1e3, len(turns.waits), longest)


def alone(url: str, seconds: float) -> Took:
    """Turns with no command beside them: how slow this machine makes them by itself."""
    turns = Turns(url)
    turns.start()
    time.sleep(seconds)
    turns.ends.set()
    turns.join()
    return Took(seconds, 0, 0, max(turns.waits) * 1e3, len(turns.waits), 0)


def link(url: str) -> None:
    """Give the first people a chat each."""
    with closing(_connected(url)) as db:
        db.execute(
            "INSERT INTO address (channel, bot, chat, person_id, place, memory, seq, last_seen)"
            " SELECT 'telegram', '1', CAST(id AS TEXT), id, '', '{}', 0, '2026-11-25 00:00:00'"
            f" FROM person WHERE id <= {LINKED}"
        )


def measured(tree: Path, url: str, folder: Path, rows: int, people: int) -> dict[str, Took]:
    """Every command, on an empty database."""
    found = {}
    run(tree, url, "migrate")
    for part, first in enumerate(range(0, people, rows)):
        file = folder / "roster.csv"
        roster(file, first, min(rows, people - first))
        took = run(tree, url, "roster", "import", str(file), "--yes")
        if part == 0:
            found[f"roster import, {rows:,} new"] = took
            found[f"roster import, {rows:,} unchanged"] = run(tree, url, "roster", "import", str(file), "--yes")
    found["(no command)"] = alone(url, 10)
    link(url)
    season = str(HERE / "cycles" / "2026.toml")
    found[f"cycle open --dry-run, {people:,}"] = run(tree, url, "cycle", "open", season, "--dry-run")
    found[f"cycle open, {people:,}"] = run(tree, url, "cycle", "open", season, "--yes")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, action="append", help="a checkout; may be repeated")
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=260_000)
    given = parser.parse_args()
    server = Postgres(durable=True) if given.postgresql else None
    print(
        "| command | tree | seconds | CPU s | peak MB | slowest turn, ms | turns | longest line |\n" + "|---" * 8 + "|"
    )
    for number, tree in enumerate(given.tree or [HERE]):
        with tempfile.TemporaryDirectory() as folder:
            if server:
                server.execute(f"CREATE DATABASE season{number}")
            url = server.url(f"season{number}") if server else f"sqlite:///{folder}/season.db"
            for name, took in measured(tree.resolve(), url, Path(folder), given.rows, given.people).items():
                figures = f"{took.seconds:.1f} | {took.cpu:.1f} | {took.megabytes:.0f} | {took.slowest:.0f}"
                print(f"| {name} | {tree} | {figures} | {took.turns} | {took.shown} |", flush=True)
    if server:
        server.stop()


if __name__ == "__main__":
    main()
