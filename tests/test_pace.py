"""The pace of one bot against a server that counts strictly, in a time of the test's own."""

import asyncio
import heapq
import itertools
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.pace import Pace

LIMIT = 30  # messages in any second, as Telegram says
PACE = 28.8


class Hours:
    """Time that passes when everybody sleeps: what takes an hour is tested in a moment."""

    def __init__(self, at: float = 1000.0) -> None:
        self.now = at
        self.sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self.count = itertools.count()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self.sleepers, (self.now + max(0.0, seconds), next(self.count), woken))
        await woken

    async def until(self, *tasks: "asyncio.Task[None]") -> None:
        """Let time pass until these have ended."""
        while not all(task.done() for task in tasks):
            for _ in range(5):
                await asyncio.sleep(0)
            if not all(task.done() for task in tasks) and self.sleepers:
                at, _, woken = heapq.heappop(self.sleepers)
                self.now = max(self.now, at)
                woken.set_result(None)
        for task in tasks:
            task.result()


class Server:
    """Counts what starts within any second."""

    def __init__(self, hours: Hours) -> None:
        self.hours = hours
        self.last: deque[float] = deque()
        self.most = 0
        self.replies: list[float] = []  # how long each waited
        self.notices: list[float] = []  # when each started

    def takes(self) -> None:
        self.last.append(self.hours.now)
        while self.last[0] <= self.hours.now - 1.0:
            self.last.popleft()
        self.most = max(self.most, len(self.last))


async def broadcast(pace: Pace, server: Server, count: int, claiming: float = 0.0) -> None:
    """The loop of delivery: look, claim (which takes a while), send."""
    while len(server.notices) < count:
        if wait := pace.notice_waits():
            await pace.sleep(min(wait, 1.0))
            continue
        await pace.sleep(claiming)
        pace.notice_starts()
        server.takes()
        server.notices.append(server.hours.now)


async def answering(pace: Pace, server: Server, at: list[float]) -> None:
    """Replies that are wanted at these times, each by a task of its own."""

    async def reply(when: float) -> None:
        await pace.sleep(when)
        wanted = server.hours.now
        await pace.reply()
        server.takes()
        server.replies.append(server.hours.now - wanted)

    await asyncio.gather(*(reply(when) for when in at))


def world() -> tuple[Hours, Pace, Server]:
    hours = Hours()
    return hours, Pace(PACE, monotonic=hours, sleep=hours.sleep), Server(hours)


@pytest.mark.parametrize("claiming", [0.0, 0.004, 0.03])
async def test_a_broadcast_is_never_above_the_limit_and_within_a_twentieth_of_the_ideal(claiming: float) -> None:
    hours, pace, server = world()
    began = hours.now
    await hours.until(asyncio.ensure_future(broadcast(pace, server, 3000, claiming)))
    assert server.most <= LIMIT
    assert server.notices[-1] - began <= 1.05 * 3000 / PACE


async def test_after_a_restart_nothing_bursts() -> None:
    """Whatever the process before sent in its last second still counts."""
    hours, pace, server = world()
    await hours.until(asyncio.ensure_future(broadcast(pace, server, 300)))
    after = Pace(PACE, monotonic=hours, sleep=hours.sleep)
    await hours.until(asyncio.ensure_future(broadcast(after, server, 600)))
    assert server.most <= LIMIT


async def test_after_a_long_pause_notices_do_not_catch_up_in_a_burst() -> None:
    hours, pace, server = world()
    await hours.until(asyncio.ensure_future(broadcast(pace, server, 100)))
    hours.now += 3600
    began = hours.now
    await hours.until(asyncio.ensure_future(broadcast(pace, server, 160)))
    assert server.most <= LIMIT
    assert hours.now - began >= 60 / PACE / 2


async def test_replies_alone_are_not_held() -> None:
    hours, pace, server = world()
    await hours.until(asyncio.ensure_future(answering(pace, server, [0.0] * 200)))
    assert server.replies == [0.0] * 200


async def test_while_replies_fill_the_second_a_notice_looks_again_when_there_is_room_and_not_at_each_of_them() -> None:
    hours = Hours()
    pace = Pace(PACE, monotonic=hours, sleep=hours.sleep)
    for number in range(500):  # one each 2 ms: at the end all of the last second
        hours.now = 1002 + number * 0.002
        await pace.reply()
    now, last = hours.now, [1002 + number * 0.002 for number in range(500)]
    wait = pace.notice_waits()
    left_at = [sum(at > now + seconds - 1 for at in last) for seconds in (wait - 0.001, wait + 0.001)]
    assert left_at[0] >= pace.most > left_at[1]
    hours.now = now + wait + 0.001
    assert pace.notice_waits() == 0


async def test_replies_go_before_notices_and_wait_a_second_at_most() -> None:
    hours, pace, server = world()
    times = [n / 20 for n in range(2000)]  # twenty a second leave 8.8 to notices
    replies = asyncio.ensure_future(answering(pace, server, times))
    notices = asyncio.ensure_future(broadcast(pace, server, 700))
    await hours.until(notices, replies)
    assert server.most <= LIMIT
    assert max(server.replies) < 1.0
    assert sorted(server.replies)[1980] < 0.2
    # What replies leave of the pace goes to notices.
    assert server.notices[-1] - server.notices[0] <= 1.05 * 700 / (PACE - 20)


@settings(max_examples=60, deadline=None)
@given(
    at=st.lists(st.floats(0, 4), max_size=25 * 4),
    claiming=st.floats(0, 0.05),
    notices=st.integers(0, 90),
)
async def test_however_replies_come_beside_notices_the_limit_holds_and_no_reply_waits_longer_than_a_second(
    at: list[float], claiming: float, notices: int
) -> None:
    # At most 25 replies in any second: more than the limit allows cannot be kept under it, and are not held.
    times = [t for i, t in enumerate(sorted(at)) if i < 25 or t - sorted(at)[i - 25] > 1]
    hours, pace, server = world()
    tasks = (
        asyncio.ensure_future(answering(pace, server, times)),
        asyncio.ensure_future(broadcast(pace, server, notices, claiming)),
    )
    await hours.until(*tasks)
    assert server.most <= LIMIT
    assert max(server.replies, default=0) <= 1.001


async def test_a_halted_chat_waits_alone() -> None:
    hours, pace, _ = world()
    pace.halt_chat("an", 5)
    hours.now += 2
    assert (pace.chat_waits("an"), pace.chat_waits("binh"), pace.notice_waits()) == (3.0, 0.0, 0.0)
    hours.now += 3
    assert pace.chat_waits("an") == 0.0


async def test_halted_notices_wait_and_replies_do_not() -> None:
    hours, pace, server = world()
    pace.halt_notices(30)
    await hours.until(asyncio.ensure_future(answering(pace, server, [0.0])))
    assert (server.replies, pace.notice_waits()) == ([0.0], 30.0)
    pace.halt_notices(5)  # a shorter one changes nothing
    assert pace.notice_waits() == 30.0
    began = hours.now
    await hours.until(asyncio.ensure_future(broadcast(pace, server, 60)))
    assert server.notices[0] - began == 30.0
    assert server.most <= LIMIT
