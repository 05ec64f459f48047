"""What one thing costs in this program, beside an older checkout of it, taking turns.

    git worktree add /tmp/older 27641c0
    .venv/bin/python -m benchmarks.beside /tmp/older [--rounds 5] [--only turn poisoned upkeep rewritten]

*turn*: one answer when nothing else is going on, until it is confirmed, on SQLite and on PostgreSQL; beside it a
transaction of one SELECT. *poisoned*: answers a second of a hundred members at once, all well and with one whose
turn raises each time. *upkeep*: the longest that each piece of upkeep holds SQLite's writing thread, with 400,000
messages in the outbox. *rewritten*: reading a draft in which 1,000 answers were written over. Each round is a process
of its own; medians of the rounds, the ratios round by round.
"""

import argparse
import asyncio
import inspect
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
PARTS = ("turn", "poisoned", "upkeep", "rewritten")
NOW = datetime.now(UTC)
CROWD = 100
SAID = 400_000


# ------------------------------------------------------------------ in a process, with the code of either checkout


@contextmanager
def a_database(engine: str) -> Iterator[Any]:
    from storage.database import Database

    with tempfile.TemporaryDirectory() as folder:
        server = None
        if engine == "postgresql":
            from tests.postgres import Postgres

            server = Postgres(durable=True)
            server.execute("CREATE DATABASE beside")
        database = Database(server.url("beside") if server else f"sqlite:///{folder}/beside.db")
        yield database
        database.close()
        if server:
            server.stop()


class Talk:
    """Members in the middle of the form, an inbox, and a channel that takes everything."""

    def __init__(self, database: Any, members: int) -> None:
        from benchmarks.crowd import FIRST
        from benchmarks.seed import seed
        from benchmarks.standin import TOKEN
        from bot.delivery import Delivery
        from bot.inbox import Inbox
        from handlers.routes import route
        from tests.fakes import FakeChannel

        seed(database, members, NOW)
        self.bot = TOKEN.partition(":")[0]
        self.chats = [str(FIRST + number) for number in range(members)]
        self.poisoned: set[str] = set()
        channel = FakeChannel("telegram", self.bot)
        self.delivery = Delivery(
            database, channel, run="beside", now=lambda: NOW, word=lambda db, row, now: None, pace=10**6
        )

        def answer(turn: Any) -> Any:
            if turn.address.chat in self.poisoned:
                raise ValueError("poisoned")
            return route(turn)

        self.inbox = Inbox(
            database, answer=answer, now=lambda: NOW, lang="vi", deliveries={("telegram", self.bot): self.delivery}
        )
        self.number, self.whole = 0, 0.0

    async def say(self, *chats: str, tap: str = "", words: str = "một câu trả lời") -> float:
        """Everybody at once; the seconds until all are stored. ``whole``: until they are answered, too."""
        from bot.channels import Incoming
        from handlers.messages import Said, Tapped

        came = []
        for chat in chats:
            self.number += 1
            what: Any = Tapped(tap) if tap else Said(words)
            came.append(Incoming(f"telegram:{self.bot}:{self.number}", "telegram", self.bot, chat, what))
        began = time.perf_counter()
        await asyncio.gather(*(self.inbox.receive(each) for each in came))
        took = time.perf_counter() - began
        await self.delivery.deliver_replies()
        await self.delivery.drain()
        self.whole = time.perf_counter() - began
        return took

    async def begin(self) -> None:
        """Past the first questions of the form."""
        await self.say(*self.chats, tap="fill.open")
        for _ in range(3):
            await self.say(*self.chats, words="đúng")


async def turn(engine: str) -> dict[str, float]:
    with a_database(engine) as database:
        talk = Talk(database, 30)
        await talk.begin()
        took = [await talk.say(chat) for _ in range(10) for chat in talk.chats][100:]
        nothing = []
        for _ in range(100):
            began = time.perf_counter()
            await database.write(lambda db: db.exec_driver_sql("SELECT 1").scalar())
            nothing.append(time.perf_counter() - began)
    return {
        f"a lone turn, {engine}, ms": statistics.median(took) * 1e3,
        f"a transaction of one SELECT, {engine}, ms": statistics.median(nothing) * 1e3,
    }


async def poisoned() -> dict[str, float]:
    found = {}
    with a_database("sqlite") as database:
        talk = Talk(database, CROWD)
        await talk.begin()
        for name, bad in (("all well", set[str]()), ("one poisoned in each batch", {talk.chats[60]})):
            talk.poisoned = bad
            took = []
            for _ in range(12):
                await talk.say(*talk.chats)
                took.append(talk.whole)
            found[f"turns a second, {name}"] = CROWD / statistics.median(took)
    healthy, ill = found.values()
    return found | {"poisoned against all well, x": ill / healthy}


def spent(database: Any, work: Callable[[Any], object]) -> float:
    with database.transaction() as db:
        began = time.perf_counter()
        work(db)
        return (time.perf_counter() - began) * 1e3


async def upkeep() -> dict[str, float]:
    import sqlalchemy as sa

    from benchmarks.seed import seed
    from storage import claims, pulse, stuck, tidying
    from storage import models as m

    with a_database("sqlite") as database:
        seed(database, 1_000, NOW)
        with database.transaction() as db:
            sender = db.execute(sa.select(m.Address.channel + ":" + m.Address.bot).limit(1)).scalar_one()
            bot = tuple(sender.split(":"))
            long_ago = NOW - timedelta(days=30)
            for start in range(0, SAID, 10_000):
                db.execute(
                    sa.insert(m.Outgoing),
                    [
                        {
                            "key": f"beside:{n}", "kind": m.REPLY, "address_id": 1 + n % 1_000, "sender": sender,
                            "state": m.SENT if n < SAID - 1_000 else m.CLAIMED,
                            "claimed_by": None if n < SAID - 1_000 else "mine", "due_at": long_ago,
                            "body": b"x" * 400 if n % 40 == 0 else None, "created_at": long_ago,
                            "sent_at": long_ago if n < SAID - 1_000 else None,
                        }
                        for n in range(start, start + 10_000)
                    ],
                )  # fmt: skip
        there = (bot,) if "bot" in inspect.signature(claims.put_back_lost).parameters else ()
        hand = {f"beside:{n}" for n in range(SAID)}
        works: dict[str, Callable[[Any], object]] = {
            "emptying bodies, a batch": lambda db: tidying.empty_bodies(db, NOW, 500),
            "take_over with nothing to take": lambda db: claims.take_over(db, "mine", bot, NOW),
            "put_back_lost, 1,000 in hand": lambda db: claims.put_back_lost(db, "mine", *there, hand, NOW),
            "pulse.waiting": lambda db: pulse.waiting(db, long_ago),
            "stuck.counts": lambda db: stuck.counts(db, NOW),
            "stuck.due": lambda db: stuck.due(db, NOW),
        }
        return {f"{name}, ms": max(spent(database, work) for _ in range(5)) for name, work in works.items()}


async def rewritten() -> dict[str, float]:
    import sqlalchemy as sa

    from benchmarks.seed import seed
    from storage import assessments
    from storage import models as m
    from storage.sealing import seal

    with a_database("sqlite") as database:
        seed(database, 10, NOW)
        with database.transaction() as db:
            rows = [
                {"assessment_id": 1, "question": f"q{n % 15}", "number": n + 1, "starts": True, "at": NOW}
                for n in range(1_000)
            ]
            for row in rows:
                about = f"answer/1/{row['question']}/{row['number']}"
                row["words"] = seal(db, "một câu trả lời dài hơn một chút " * 5, about)  # type: ignore[assignment]
            db.execute(sa.insert(m.Answer), rows)
        took = [spent(database, lambda db: assessments.answers(db, 1)) for _ in range(20)]
        return {"reading a draft after 1,000 rewrites, ms": statistics.median(took)}


async def measured(part: str) -> dict[str, float]:
    match part:
        case "turn":
            return await turn("sqlite") | await turn("postgresql")
        case "poisoned":
            return await poisoned()
        case "upkeep":
            return await upkeep()
        case _:
            return await rewritten()


# ------------------------------------------------------------------ both, taking turns


def in_a_process(checkout: Path, part: str) -> dict[str, float]:
    """The figures of a part, with the code of a checkout."""
    done = subprocess.run(
        [sys.executable, str(HERE), "--child", part], cwd=checkout, env={"PYTHONPATH": str(checkout)}, check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("older", type=Path, nargs="?", help="another checkout of this repository")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--child", choices=PARTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        from bot import logs

        logs.set_up()
        print(json.dumps(asyncio.run(measured(given.child))))
        return
    checkouts = {"now": HERE.parents[1]} | ({"older": given.older.resolve()} if given.older else {})
    print("| what | " + " | ".join(reversed(checkouts)) + " | x |\n|---|" + "---|" * (len(checkouts) + 1))
    for part in given.only:
        rounds = [{name: in_a_process(where, part) for name, where in checkouts.items()} for _ in range(given.rounds)]
        for what in rounds[0]["now"]:
            of = {name: [each[name][what] for each in rounds if what in each[name]] for name in reversed(checkouts)}
            cells = [f"{statistics.median(values):,.2f}" if values else "-" for values in of.values()]
            x = [new / old for new, old in zip(of["now"], of.get("older", ()), strict=False)]
            print(f"| {what} | {' | '.join(cells)} | {f'{statistics.median(x):.2f}' if x else '-'} |", flush=True)


if __name__ == "__main__":
    main()
