"""When one bot may send next: replies at once, notices evenly, both under the platform's limit."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

WINDOW = 1.0  # seconds


class Pace:
    """The send starts of one bot over the last second.

    Notices go one every ``1 / per_second``. Replies do not wait for notices to come; where notices have filled the
    second, a reply waits for room at most that second, and no notice takes it first. Where only replies are sent they
    are never held back: each answers somebody's own message, and a 429 halts that chat alone.
    """

    def __init__(
        self,
        per_second: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.per_second, self.monotonic, self.sleep = per_second, monotonic, sleep
        self.most = max(1, int(per_second * WINDOW + 1e-9) + 1)
        self.starts: deque[tuple[float, bool]] = deque()  # when, and whether it was a notice
        self.notices = 0  # in ``starts``
        self.replies_waiting = 0
        # After a restart nobody knows what went out a moment ago.
        self.next_notice = monotonic() + WINDOW
        self.chats: dict[str, float] = {}  # halted until
        self.floods = 0  # times the platform asked to wait, for the metrics

    def _forget(self, now: float) -> None:
        while self.starts and self.starts[0][0] <= now - WINDOW:
            self.notices -= self.starts.popleft()[1]

    def _start(self, now: float, notice: bool) -> None:
        self.starts.append((now, notice))
        self.notices += notice

    def halt_chat(self, chat: str, seconds: float) -> None:
        """The platform asked this chat to wait."""
        self.chats[chat] = self.monotonic() + seconds
        self.floods += 1

    def halt_notices(self, seconds: float) -> None:
        """The platform asked the bot to wait: no notice until then. Replies are still tried."""
        self.next_notice = max(self.next_notice, self.monotonic() + seconds)
        self.floods += 1

    def chat_waits(self, chat: str) -> float:
        """For how many seconds this chat is halted; 0: it is not."""
        left = self.chats.get(chat, 0.0) - self.monotonic()
        if left <= 0:
            self.chats.pop(chat, None)
            return 0.0
        return left

    async def reply(self) -> None:
        """Wait until a reply, or a further part of a long message, may start."""
        now = self.monotonic()
        self._forget(now)
        self.replies_waiting += 1
        try:
            while self.notices and len(self.starts) >= self.most:
                await self.sleep(max(0.001, self.starts[0][0] + WINDOW - now))
                now = self.monotonic()
                self._forget(now)
        finally:
            self.replies_waiting -= 1
        self._start(now, notice=False)

    def notice_waits(self) -> float:
        """For how many seconds no notice may start; 0: one may, now."""
        now = self.monotonic()
        self._forget(now)
        if now < self.next_notice:
            return self.next_notice - now
        if (over := len(self.starts) - self.most) >= 0:
            return max(0.001, self.starts[over][0] + WINDOW - now)  # until so many have left the second
        return 0.001 if self.replies_waiting else 0.0

    def notice_starts(self) -> None:
        """A notice starts now."""
        now = self.monotonic()
        self.next_notice = max(now, self.next_notice + 1 / self.per_second)  # late: one may follow at once, no more
        self._start(now, notice=True)
