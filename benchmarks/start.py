"""From the start of the process to its first reply, memory when idle, and with 10,000 drafts open.

    .venv/bin/python -m benchmarks.start [--rounds 5] [--open 10000]

The peer without persistence to load is quicker the emptier it is; ours opens a database of 20,000 members.
"""

import asyncio
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import uvloop

from benchmarks import crowd
from benchmarks.answers import PEERS, Bench, arguments, crowd_of, up
from benchmarks.crowd import until
from benchmarks.standin import Standin

DRAFTS_AT_ONCE = 100


async def started(bench: Bench, name: str, drafts: int) -> dict[str, float]:
    """One start: milliseconds, and megabytes after a moment's rest; with *drafts*, memory with so many open."""
    api = Standin()
    url = await api.start()
    with bench.started(name, url, None) as bot:
        members = crowd_of(api, name, answers=0)
        members.begin(1)
        await until(lambda: bool(members.took))
        found = {"first": (time.perf_counter() - bot.began) * 1e3}
        members.running = False
        await up(api, bot)
        await asyncio.sleep(0.5)
        found["idle"] = bot.megabytes()
        if drafts:
            members = crowd_of(api, name, answers=3, first=crowd.FIRST + 10)
            members.begin(DRAFTS_AT_ONCE)
            await until(lambda: members.stopped >= drafts)
            members.running = False
            await asyncio.sleep(1)
            found["open"] = bot.megabytes()
    api.stop()
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--open", type=int, default=10_000)
    given = parser.parse_args()
    crowd.stay_off_the_bots_cpu()
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as at_end:
        bench = Bench(Path(folder), given.peers_python)
        at_end.callback(bench.close)
        for number in range(given.rounds):
            for name in given.bots:
                drafts = given.open if number == 0 and name not in PEERS else 0  # the peers would take minutes
                found.setdefault(name, []).append(uvloop.run(started(bench, name, drafts)))
    print("| bot | first reply, ms | idle, MB | open drafts, MB | a draft, KB |\n|---|---|---|---|---|")
    for name, rounds in found.items():
        first, idle = (statistics.median(each[key] for each in rounds) for key in ("first", "idle"))
        row = f"| {name} | {first:.0f} | {idle:.0f} "
        if "open" in rounds[0]:
            row += f"| {rounds[0]['open']:.0f} | {(rounds[0]['open'] - rounds[0]['idle']) * 1024 / given.open:.2f} |"
        else:
            row += "| – | – |"
        print(row)


if __name__ == "__main__":
    main()
