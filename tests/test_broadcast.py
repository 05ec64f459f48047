"""10,000 reminders and 800 digests go out while people answer, to a server that counts strictly."""

import asyncio
import time

import pytest

from storage import models as m
from storage.database import Database
from tests.botapi import Limits
from tests.fakes import until
from tests.siege import Siege

FASTER = 3  # pace and limit, so that it takes two minutes and not six
PEOPLE, CELLS, ANSWERING = 10_000, 800, 16


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_broadcast_keeps_the_pace_meets_no_429_and_no_answer_waits(sqlite: Database) -> None:
    async with Siege(sqlite, people=PEOPLE, cells=CELLS, limits=Limits(many=30 * FASTER)) as siege:
        program = siege.program(KIEMDIEM_PACE=28.8 * FASTER)
        await program.start()
        await program.ready()
        siege.notify(m.DIGEST, range(1, CELLS + 1))
        siege.notify(m.REMINDER, range(1, PEOPLE + 1))
        waited: list[float] = []
        answering = [asyncio.create_task(_answers(siege, PEOPLE - n, waited)) for n in range(ANSWERING)]
        await until(lambda: not siege.left(), 390)
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        await siege.done()
        assert await program.stop() == 0

        sent = [(at, call) for at, method, call in siege.api.accepted if method == "sendMessage"]
        notices = [at for at, call in sent if call.get("disable_notification")]
        took = notices[-1] - notices[0]
        beside = sum(notices[0] <= at <= notices[-1] for at, _ in sent)
        ideal = beside / (28.8 * FASTER)
        waited.sort()
        p50, p99 = waited[len(waited) // 2], waited[len(waited) * 99 // 100]
        floods = sum(how.startswith("flood") for _, _, how in siege.api.calls)
        print(
            f"{len(notices)} notices and {beside - len(notices)} replies in {took:.1f} s, {took / ideal:.3f} of the "
            f"ideal; {floods} times 429; replies p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms (x{FASTER})"
        )
        assert len(notices) == PEOPLE + CELLS
        assert floods == 0
        assert took <= 1.05 * ideal
        assert p99 < 1


async def _answers(siege: Siege, member: int, waited: list[float]) -> None:
    """Somebody writes on and on: waits for each reply, then for a second."""
    user = siege.api.user(siege.chat(member))

    def replies() -> int:
        return sum(not call.get("disable_notification", False) for call in user.received)

    for number in range(10_000):
        began, before = time.monotonic(), replies()
        siege.says(member, f"mẩu {number}")
        await siege.api.until(lambda before=before: replies() > before, 30)  # type: ignore[misc]
        waited.append(time.monotonic() - began)
        await asyncio.sleep(1)
