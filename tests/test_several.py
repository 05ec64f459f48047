"""Several processes on one PostgreSQL: web processes behind a proxy, one of two delivers, and takes over."""

import asyncio
import itertools
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

from storage import models as m
from tests import town
from tests.botapi import SECRET
from tests.conftest import postgres_database
from tests.fakes import until
from tests.postgres import Postgres
from tests.processes import Program
from tests.proxy import RoundRobin
from tests.siege import Siege

WEB, DELIVERING = ["web"], ["telegram", "delivery", "clock"]


@asynccontextmanager
async def several(postgres: Postgres, *, people: int = 3) -> AsyncIterator[tuple[Siege, list[Program], list[Program]]]:
    """A town with two web processes and two that may deliver."""
    with closing(postgres_database(postgres)) as database:
        async with Siege(database, people=people) as siege:
            webs = [siege.program(only=WEB) for _ in range(2)]
            senders = [siege.program(only=DELIVERING) for _ in range(2)]
            async with RoundRobin(*(each.port for each in webs)) as proxy:
                for program in (*webs, *senders):
                    program.environment["KIEMDIEM_PUBLIC_URL"] = proxy.url
                    await program.start()
                await asyncio.gather(*(each.ready() for each in webs))
                await leader(senders)
                yield siege, webs, senders
                for program in (*webs, *senders):
                    assert await program.stop() == 0, program.log.decode()


async def leader(senders: list[Program], *, not_: Program | None = None, within: float = 20) -> Program:
    """The process that delivers: the last one that said so. *not_*: wait until it is another one."""

    def leading() -> list[Program]:
        return [each for each in senders if _leads(each) and each is not not_]

    await until(leading, within)
    return leading()[0]


def _leads(program: Program) -> bool:
    if program.process.returncode is not None:
        return False
    last = [line for line in program.log.splitlines() if b"delivery.leads" in line or b"delivery.lost_the_lead" in line]
    return bool(last) and b"delivery.leads" in last[-1]


@pytest.mark.slow
async def test_two_web_processes_and_two_that_deliver_lose_and_double_nothing(postgres: Postgres) -> None:
    async with several(postgres) as (siege, webs, _):
        with siege.database.transaction() as db:
            submit = town.completes(db, 3)
        siege.said[3] = ["Việc đã làm"]
        numbers = itertools.count(1)
        async with aiohttp.ClientSession(headers={"X-Telegram-Bot-Api-Secret-Token": SECRET}) as http:

            async def posts(program: Program, update: dict[str, Any]) -> None:
                async with http.post(f"http://127.0.0.1:{program.port}/telegram", json=update) as answer:
                    assert answer.status == 200

            def says(member: int, text: str) -> dict[str, Any]:
                message = siege.api.user(siege.chat(member)).message({"text": text})
                return {"update_id": next(numbers), "message": message}

            def taps() -> dict[str, Any]:
                siege.taps(3, submit)
                number, update = siege.api._updates.popitem()
                siege.updates.remove(number)
                return update

            pairs = []
            for number in range(50):  # identical: the same update at both
                siege.said[1].append(f"như nhau {number}")
                same = says(1, f"như nhau {number}")
                pairs += [posts(web, same) for web in webs]
            for number in range(50):  # conflicting: two answers of one person, one at each
                for web, name in zip(webs, "ab", strict=True):
                    siege.said[2].append(f"{name} {number}")
                    pairs.append(posts(web, says(2, f"{name} {number}")))
            pairs += [posts(web, taps()) for web in webs]  # and somebody submits twice
            random.Random(50).shuffle(pairs)
            began = time.monotonic()
            await asyncio.gather(*pairs)
            print(f"{len(pairs)} updates at two processes in {time.monotonic() - began:.2f} s")
        await siege.done()
        assert siege.wrong(in_order=False) == []
        with siege.database.transaction(read_only=True) as db:
            assert len(town.snapshots(db, 3)) == 1
            assert db.execute(sa.select(sa.func.count()).where(m.IncomingKey.failed.is_not(None))).scalar_one() == 0


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_who_delivers_is_killed_stopped_and_cut_off_and_another_takes_over_within_ten_seconds(
    postgres: Postgres,
) -> None:
    async with several(postgres, people=40) as (siege, _, senders):
        writing = asyncio.create_task(_write(siege))
        siege.notify(m.REMINDER, range(1, 41))
        siege.notify(m.NOTICE, range(1, 41))

        first = await leader(senders)
        began = time.monotonic()
        await first.stop(signal.SIGKILL)
        siege.crashes += 1
        second = await leader(senders, not_=first, within=10)
        print(f"killed: taken over in {time.monotonic() - began:.1f} s")

        await first.start()
        second.process.send_signal(signal.SIGSTOP)
        siege.crashes += 1
        began = time.monotonic()
        await leader([first], within=11)
        print(f"stopped: taken over in {time.monotonic() - began:.1f} s")
        second.process.send_signal(signal.SIGCONT)
        await until(lambda: not _leads(second))

        began = time.monotonic()
        siege.crashes += 1
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND pid <> pg_backend_pid()"
        )
        await until(lambda: not _leads(first) or first.log.count(b"delivery.leads") == 2)
        await leader(senders, within=10)
        print(f"cut off: taken over in {time.monotonic() - began:.1f} s")

        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await siege.done()
        assert siege.wrong() == []


async def _write(siege: Siege) -> None:
    """Everybody goes on writing through the proxy."""
    for number in itertools.count():
        siege.says(number % siege.people + 1, f"mẩu {number}")
        await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_connections_that_the_server_ends_cost_no_answer_and_no_restart(postgres: Postgres) -> None:
    async with several(postgres, people=20) as (siege, webs, senders):
        writing = asyncio.create_task(_write(siege))
        for _ in range(8):
            await asyncio.sleep(0.5)
            postgres.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname LIKE 'test_%' AND pid <> pg_backend_pid()"
            )
            siege.crashes += 1
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await siege.done()
        assert [each.process.returncode for each in (*webs, *senders)] == [None] * 4
        assert siege.wrong() == []
