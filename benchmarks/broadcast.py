"""Reminders to everybody while people answer, against a Bot API that reads its limit strictly.

    .venv/bin/python -m benchmarks.broadcast [--count 3000] [--times 10]

The limit is 30 messages in any one second; ours sends notices at 28.8 a second. *times* makes pace and limit so many
times larger, so that the run is so many times shorter.
"""

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from benchmarks import crowd
from benchmarks.answers import Bench, crowd_of, up
from benchmarks.crowd import percentile, until
from benchmarks.standin import Standin, Window
from handlers.messages import Message, dumps
from storage import models as m
from storage import outbox
from storage.database import Database

LIMIT, PACE = 30, 28.8  # a second
NAME = "ours, SQLite"
WORDS = "Còn 4 ngày đến hạn nộp bản kiểm điểm."


def due(url: str, count: int, first: int) -> None:
    """Put so many notices, due now, for the members from *first* on: as a job of the clock puts them."""
    database, now = Database(url), datetime.now(UTC)
    body = dumps(Message(WORDS))
    rows = [
        {
            "key": f"benchmark:{n}", "kind": m.NOTICE, "address_id": n, "person_id": n, "assessment_id": None,
            "due_at": now, "expires_at": None, "body": body,
        }
        for n in range(first, first + count)
    ]  # fmt: skip
    with database.transaction() as db:
        outbox.put_notices(db, rows, now)
    database.close()


async def measured(bench: Bench, count: int, times: int, answers: float) -> None:
    """One broadcast with *answers* a second beside it; prints the table."""
    api = Standin(latency=0.05, limit=Window(LIMIT * times))
    api_url, port = await api.start(), crowd.free_port()
    with bench.started(NAME, api_url, port, KIEMDIEM_PACE=str(PACE * times)) as bot:
        await up(api, bot)
        members = crowd_of(api, NAME, think=20 / answers if answers else 0.0)
        replied, told, when = api.sent, Counter[int](), list[float]()

        def sent(chat: int, text: str, buttons: list[dict[str, object]]) -> None:
            if text == WORDS:
                told[chat] += 1
                when.append(time.perf_counter())
            else:
                replied(chat, text, buttons)

        api.sent = sent
        if answers:
            members.begin(20)
        await asyncio.sleep(3)
        members.took.clear()
        await asyncio.to_thread(due, bench.last_url, count, 10_000)
        await until(lambda: len(when) >= count, 20 * count / PACE / times)
        members.running = False
        await asyncio.sleep(0.5)
    api.stop()
    ideal = (count - 1) / (LIMIT * times)
    twice = sum(number - 1 for number in told.values())
    both = (count - 1 + len(members.took)) / (LIMIT * times)
    print("| x ideal | x ideal, replies counted in | 429s | lost | twice | answers/s | reply p50 ms | reply p99 ms |")
    print("|---|---|---|---|---|---|---|---|")
    took = when[-1] - when[0]
    print(
        f"| {took / ideal:.3f} | {took / both:.3f} | {api.calls['sendMessage', 429]} "
        f"| {count - len(told)} | {twice} | {len(members.took) / took:.0f} "
        + (
            f"| {percentile(members.took, 50) * 1e3:.0f} | {percentile(members.took, 99) * 1e3:.0f} |"
            if answers
            else "| – | – |"
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--answers", type=float, default=10, help="answers a second beside it")
    given = parser.parse_args()
    crowd.stay_off_the_bots_cpu()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as at_end:
        bench = Bench(Path(folder), Path())
        at_end.callback(bench.close)
        uvloop.run(measured(bench, given.count, given.times, given.answers))


if __name__ == "__main__":
    main()
