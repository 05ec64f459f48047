"""Members who each fill in a whole form with a bot, and what that costs the bot: it is a black box in a process."""

import asyncio
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.standin import TOKEN, Standin, tap, words

FIRST = 1_000_000  # the chat of the first member; the next ones count on
_TICKS = os.sysconf("SC_CLK_TCK")


class Crowd:
    """So many members at once; whoever has finished is followed by a new one.

    A member begins with /start. To a message that matches a pattern of *typed* they type its words, else they press
    the first button, else they type a sentence; a message that matches *done* ends the form.
    """

    def __init__(
        self,
        api: Standin,
        *,
        done: str,
        typed: Mapping[str, str] | None = None,
        think: float = 0.0,
        answers: int | None = None,
        first: int = FIRST,
    ) -> None:
        """*think*: mean seconds between a reply and the next answer. *answers*: stop after so many, half done."""
        self.api, self.think, self.answers, self.next = api, think, answers, first
        self.done = re.compile(done)
        self.typed = [(re.compile(pattern), text) for pattern, text in (typed or {}).items()]
        self.given: dict[int, int] = {}  # by chat: answers so far
        self.took: list[float] = []  # seconds from each update handed over to its reply
        self.finished = self.stopped = 0
        self.running = True
        self.loop = asyncio.get_running_loop()
        api.sent = self._replied

    def begin(self, members: int) -> None:
        """So many of them start."""
        for _ in range(members):
            self.loop.call_later(random.random() * self.think, self._new)

    def _new(self) -> None:
        if self.running:
            chat, self.next = self.next, self.next + 1
            self.given[chat] = 0
            self.api.put(chat, words(chat, "/start"))

    def _replied(self, chat: int, text: str, buttons: list[dict[str, Any]]) -> None:
        handed = self.api.handed.pop(chat, None)
        if handed is None or chat not in self.given:
            return
        self.took.append(time.perf_counter() - handed)
        wait = random.expovariate(1 / self.think) if self.think else 0.0
        if self.done.search(text):
            self.finished += 1
            del self.given[chat]
            self.loop.call_later(wait, self._new)
        elif self.given[chat] == self.answers:
            self.stopped += 1
            del self.given[chat]
            self._new()
        elif self.running:
            self.given[chat] += 1
            self.loop.call_later(wait, self._answer, chat, text, buttons)

    def _answer(self, chat: int, text: str, buttons: list[dict[str, Any]]) -> None:
        said = next((said for pattern, said in self.typed if pattern.search(text)), None)
        if said is None and buttons:
            self.api.put(chat, tap(chat, buttons[0]["callback_data"]))
        else:
            self.api.put(chat, words(chat, said or "Việc được giao đã làm xong đúng hạn, có số liệu kèm theo."))


class Bot:
    """A bot's process."""

    def __init__(
        self,
        module: str,
        environment: Mapping[str, str],
        log: Path,
        *,
        arguments: Sequence[str] = (),
        python: Path = Path(sys.executable),
    ) -> None:
        """`python -m module arguments`, on the last CPU, while the members have the others."""
        self.began = time.perf_counter()
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [python, "-m", module, *arguments],
                env={**os.environ, **environment},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        cpus = sorted(os.sched_getaffinity(0) | set(_CPUS))
        os.sched_setaffinity(self.process.pid, cpus[-1:])

    def cpu(self) -> float:
        """Seconds of CPU so far, in all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def megabytes(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def stop(self) -> None:
        """End it, gently first."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


_CPUS = os.sched_getaffinity(0)


def stay_off_the_bots_cpu() -> None:
    """Members and stand-in run on all CPUs but the last, which is the bot's."""
    if len(_CPUS) > 1:
        os.sched_setaffinity(0, sorted(_CPUS)[:-1])


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(api: str, folder: Path, port: int | None) -> dict[str, str]:
    """What a peer is told: where the Bot API is, its files, and the port of its webhook (none: it polls)."""
    return {
        "BENCH_API": api,
        "BENCH_TOKEN": TOKEN,
        "BENCH_DATA": str(folder),
        "BENCH_PORT": str(port or ""),
        "PYTHONWARNINGS": "ignore",
    }


def ours(api: str, database_url: str, port: int | None) -> dict[str, str]:
    """The same for our bot, as an operator sets it up."""
    found = {
        "KIEMDIEM_DATABASE_URL": database_url,
        "KIEMDIEM_TELEGRAM_TOKEN": TOKEN,
        "KIEMDIEM_TELEGRAM_API_URL": api,
        "KIEMDIEM_TELEGRAM_SECRET": "only-the-benchmark-knows",
        "KIEMDIEM_SECRET_KEY": "0123456789abcdef" * 4,
        "KIEMDIEM_PORT": str(port or free_port()),
    }
    return found | ({"KIEMDIEM_PUBLIC_URL": f"http://127.0.0.1:{port}"} if port else {})


async def until(holds: Callable[[], bool], within: float = 600) -> None:
    """Wait until something holds, or so many seconds."""
    ends = time.perf_counter() + within
    while not holds() and time.perf_counter() < ends:  # noqa: ASYNC110 - told to nobody
        await asyncio.sleep(0.001)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which so many percent lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
