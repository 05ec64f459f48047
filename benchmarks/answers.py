"""Our bot, as users run it, beside two peers: answers a second, latency, and CPU of the bot for one answer.

    make bench, or: .venv/bin/python -m benchmarks.answers [--rounds 3] [--seconds 4] [--latency-ms 50] [--pace 30]

Rounds are interleaved and the tables show medians; only ratios within one table count, for any machine is noisy.
*ours* fills in the official form 2B with everything on: consent, permissions, outbox, texts. The peers keep fifteen
answers: *ptb recipe* is not durable (it saves once a minute), *aiogram + SQLAlchemy* commits each answer.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import uvloop

from benchmarks import crowd
from benchmarks.crowd import Bot, Crowd, free_port, percentile
from benchmarks.peers.questions import DONE
from benchmarks.seed import seed
from benchmarks.standin import Standin
from handlers.texts import texts
from storage import models as m
from storage.database import Database
from tests.postgres import Postgres

PEERS = "ptb recipe", "aiogram + SQLAlchemy"
BOTS = "ours, SQLite", "ours, PostgreSQL", *PEERS
BASE = PEERS[1]
MEMBERS = 20_000
# What a member types where the first button is not the way on: at questions in words and at the two scores.
TYPED = {
    texts("vi")["fill.how_text"][:30]: "Được giao 40 việc, xong 44; 2 việc chậm 3 ngày vì thiếu người.",
    "số từ 0 đến 30": "27,5",
    "số từ 0 đến 70": "64",
}
OURS_DONE = texts("vi")["fill.receipt"].partition("{")[0]


@dataclass(frozen=True)
class Load:
    """How the members behave, and for how long."""

    seconds: float
    warm_up: float
    members: int
    latency: float  # seconds of every Bot API call
    pace: float  # answers a second in all; 0: as fast as the bot replies


class Bench:
    """The bots that may be started, each on a fresh copy of its data."""

    def __init__(self, folder: Path, peers_python: Path) -> None:
        self.folder, self.peers_python = folder, peers_python
        self.number = 0
        self.template: bytes | None = None
        self.server: Postgres | None = None

    def database_url(self, name: str) -> str:
        """A fresh seeded database for our bot."""
        self.number += 1
        if "PostgreSQL" in name:
            if self.server is None:
                self.server = Postgres(durable=True)
                self.server.execute("CREATE DATABASE seeded")
                _seeded(self.server.url("seeded"))
            self.server.execute(f"CREATE DATABASE run{self.number} TEMPLATE seeded")
            return self.server.url(f"run{self.number}")
        if self.template is None:
            file = self.folder / "seeded.db"
            _seeded(f"sqlite:///{file}")
            self.template = file.read_bytes()
        file = self.folder / f"{self.number}.db"
        file.write_bytes(self.template)
        return f"sqlite:///{file}"

    @contextmanager
    def started(self, name: str, api: str, port: int | None, **settings: str) -> Iterator[Bot]:
        """The bot's process, with its webhook on *port* (None: it polls); ended at the end."""
        log = self.folder / f"{name}.log"
        if name in PEERS:
            data = Path(tempfile.mkdtemp(dir=self.folder))
            module = "benchmarks.peers." + ("ptb_conversation" if name == PEERS[0] else "aiogram_sqlalchemy")
            bot = Bot(module, crowd.environment(api, data, port), log, python=self.peers_python)
        else:
            self.last_url = self.database_url(name)
            bot = Bot("bot", crowd.ours(api, self.last_url, port) | settings, log, arguments=["run"])
        try:
            yield bot
        finally:
            bot.stop()

    def answers_stored(self) -> int:
        """How many answers our bot stored in its last run."""
        database = Database(self.last_url)
        with database.transaction(read_only=True) as db:
            found: int = db.execute(sa.select(sa.func.count()).select_from(m.Answer)).scalar_one()
        database.close()
        return found

    def close(self) -> None:
        """End the database server."""
        if self.server is not None:
            self.server.stop()


def _seeded(url: str) -> None:
    database = Database(url)
    seed(database, MEMBERS, datetime.now(UTC))
    database.close()


async def up(api: Standin, bot: Bot) -> None:
    """Wait until the bot listens; TimeoutError where it does not."""
    await asyncio.wait_for(api.came_up.wait(), 60)
    assert bot.process.poll() is None


def crowd_of(api: Standin, name: str, **how: Any) -> Crowd:
    """Members who know how to fill in this bot's form."""
    if name in PEERS:
        return Crowd(api, done=DONE, **how)
    return Crowd(api, done=OURS_DONE, typed=TYPED, **how)


async def measured(bench: Bench, name: str, mode: str, load: Load) -> dict[str, float]:
    """One run of one bot."""
    api = Standin(latency=load.latency)
    url = await api.start()
    with bench.started(name, url, free_port() if mode == "webhook" else None) as bot:
        await up(api, bot)
        members = crowd_of(api, name, think=load.members / load.pace if load.pace else 0.0)
        members.begin(load.members)
        await asyncio.sleep(load.warm_up)
        members.took.clear()
        cpu = bot.cpu()
        await asyncio.sleep(load.seconds)
        cpu, took = bot.cpu() - cpu, list(members.took)
        members.running = False
        failed = sum(number for (_, status), number in api.calls.items() if status != 200)
        await asyncio.sleep(0.3)
    api.stop()
    if name not in PEERS and (stored := bench.answers_stored()) < len(took) / 2:
        raise SystemExit(f"{name} ({mode}) replied {len(took)} times and stored {stored} answers")
    if len(took) < 10:
        raise SystemExit(f"{name} ({mode}) answered {len(took)} times; see {bench.folder}/{name}.log")
    return {
        "per_s": len(took) / load.seconds,
        "p50": percentile(took, 50) * 1e3,
        "p99": percentile(took, 99) * 1e3,
        "cpu": cpu / len(took) * 1e6,
        "failed": failed,
    }


def table(runs: dict[str, list[dict[str, float]]]) -> str:
    """Medians of the rounds; ratios against the durable peer by round, their median."""
    lines = [
        "| bot | answers/s | x | p50 ms | p99 ms | CPU us | x | failed calls |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, rounds in runs.items():
        middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}

        def ratio(key: str, rounds: list[dict[str, float]] = rounds) -> str:
            pairs = zip(rounds, runs.get(BASE, []), strict=False)
            found = [mine[key] / base[key] for mine, base in pairs]
            return f"{statistics.median(found):.2f}" if found else "–"

        lines.append(
            f"| {name} | {middle['per_s']:.0f} | {ratio('per_s')} | {middle['p50']:.1f} | {middle['p99']:.1f} "
            f"| {middle['cpu']:.0f} | {ratio('cpu')} | {middle['failed']:.0f} |"
        )
    return "\n".join(lines)


def arguments(about: str | None) -> argparse.ArgumentParser:
    """What every benchmark that starts bots may be told."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bots", nargs="+", default=BOTS, choices=BOTS)
    parser.add_argument("--peers-python", type=Path, default=Path(".venv-peers/bin/python"))
    return parser


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--modes", nargs="+", default=["webhook", "polling"])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--pace", type=float, default=0, help="answers a second in all; 0: as fast as the bot replies")
    parser.add_argument("--json", type=Path, help="add each run to this file")
    given = parser.parse_args()
    load = Load(given.seconds, given.warm_up, given.members, given.latency_ms / 1000, given.pace)
    crowd.stay_off_the_bots_cpu()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as at_end:
        bench = Bench(Path(folder), given.peers_python)
        at_end.callback(bench.close)
        runs: dict[str, dict[str, list[dict[str, float]]]] = {mode: {} for mode in given.modes}
        for _ in range(given.rounds):
            for name in given.bots:
                for mode in given.modes:
                    found = uvloop.run(measured(bench, name, mode, load))
                    runs[mode].setdefault(name, []).append(found)
                    if given.json:
                        with given.json.open("a") as out:
                            out.write(json.dumps({"bot": name, "mode": mode, **found}) + "\n")
    for mode, by_bot in runs.items():
        print(f"\n### {mode}, {given.members} members, API latency {given.latency_ms:.0f} ms\n\n{table(by_bot)}")


if __name__ == "__main__":
    main()
