"""From the outbox to the channels: pace, retry, give up, keep order."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from bot.channels import Channel, Refused, Stopped, TryLater, Unreachable
from bot.checkpoints import checkpoint
from bot.documents import Documents
from bot.pace import Pace
from bot.sending import Ended, Gone, Later, Sent, send
from bot.standing import Standing
from storage import claims
from storage.database import Database, Db
from storage.outbox import Outgoing

log = structlog.get_logger()

LOOK = 1.0  # seconds between looks for due rows, besides being woken; and after a failure of the database
TAKE_OVER = 60.0  # seconds between looks for claims that a process committed after this one took the lead
AT_ONCE = 64  # notices on their way together
UPKEEP = 60.0  # seconds between two looks for what a set-back clock keeps waiting
SOON = 0.02  # seconds in which others are likely to be marked as sent as well


class Delivery:
    """Sends for one channel. What it is handed by the inbox is claimed already; everything else it claims itself.

    A row that this run has claimed is in its hand until what became of it is stored; while nothing can be stored, it
    tries again. When it ends before that, the next run takes the claim over.
    """

    def __init__(
        self,
        database: Database,
        channel: Channel,
        *,
        run: str,
        now: Callable[[], datetime],
        word: claims.Word,
        pace: float,
        may_send: Callable[[], bool] = lambda: True,
        documents: Documents | None = None,
        standing: Standing | None = None,
    ) -> None:
        self.database, self.channel, self.id, self.now, self.word = database, channel, run, now, word
        self.bot = (channel.name, channel.bot)
        self.pace = Pace(pace)
        self.documents = documents  # None: nothing that is sent here has a file
        self.may_send = may_send  # False once the delivering lock may be lost
        self.stopped: str | None = None  # why the channel takes nothing now; it is tried again
        self.halted = asyncio.Event()  # the same, for the loop that tries it again
        self.standing = standing or Standing(channel.name, now)
        self.in_hand: set[str] = set()  # keys; added in the database's thread, before the claim is committed
        self.lost = False  # a claim may be stored that is not in hand
        self.behind = False  # replies wait for an earlier one to their chat
        self.sent: list[str] = []  # taken by the platform, not yet marked
        self.timer: asyncio.TimerHandle | None = None
        self.storing = asyncio.Lock()  # held by the one that tries to store again, while nothing can be stored
        self.woken, self.ending = asyncio.Event(), asyncio.Event()
        self.under_way: set[asyncio.Task[None]] = set()
        self.notices_under_way = 0
        self.outcomes: Counter[str] = Counter()  # of sends, for the metrics
        self.pulled_in = time.monotonic()
        self.looked = time.monotonic()  # when a loop last went round, for health
        self.took_over = time.monotonic()

    # ------------------------------------------------------------------ what the inbox uses

    def send(self, replies: Sequence[Outgoing]) -> None:
        """Send the replies of one turn, in order; their rows are committed, claimed by this run, and in hand."""
        self._start(self._replies(replies))

    def take_sent(self) -> list[str]:
        """The keys to be marked as sent, for a transaction that is under way anyhow."""
        keys, self.sent = self.sent, []
        return keys

    def marked(self, keys: Collection[str]) -> None:
        """That transaction is committed."""
        self.in_hand.difference_update(keys)
        if keys and self.behind:
            self.wake()

    def failed(self, marks: Sequence[str], claimed: Iterable[str] = ()) -> None:
        """That transaction failed, or so it seems: these are still to be marked, and these may be claimed or not."""
        self.sent[:0] = marks
        for key in claimed:
            self.in_hand.discard(key)
            self.lost = True
        if self.sent or self.lost:
            self._wake_after(LOOK)

    def wake(self) -> None:
        """Something may be due."""
        self.woken.set()

    # ------------------------------------------------------------------ the loops

    async def run(self) -> None:
        """Claim and send what is due until cancelled; then let what is under way end."""
        loops = asyncio.gather(self._reply_loop(), self._notice_loop())
        trying = asyncio.create_task(self._trial_loop())
        try:
            await asyncio.shield(loops)  # not cancelled between a claim and its sending
        finally:
            self.ending.set()
            trying.cancel()
            self.wake()
            await asyncio.gather(loops, trying, return_exceptions=True)
            await self.drain()

    async def drain(self) -> None:
        """Let what is under way end, and mark it."""
        while self.under_way:
            await asyncio.gather(*self.under_way, return_exceptions=True)
        if self.sent:
            with contextlib.suppress(Exception):
                await self._claim(lambda db: [])

    async def _reply_loop(self) -> None:
        while not self.ending.is_set():
            self.looked = time.monotonic()
            self.woken.clear()
            while await self.deliver_replies():
                pass
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.woken.wait(), LOOK)

    async def _notice_loop(self) -> None:
        while not self.ending.is_set():
            if time.monotonic() - self.pulled_in > UPKEEP:
                self.pulled_in = time.monotonic()
                await self._pull_in()
            if wait := self.pace.notice_waits():
                await self._pause(min(wait, LOOK))
            elif self.notices_under_way >= AT_ONCE or not await self.deliver_notice():
                await self._pause(SOON if self.notices_under_way else LOOK)

    async def _trial_loop(self) -> None:
        """Ask the channel whether it takes us: at the start, and once it stopped again and again, ever later."""
        while True:
            await self.try_channel()
            if not self.stopped and self.standing.trouble is None and self.standing.proven:
                await self.halted.wait()
            self.halted.clear()
            await self.standing.wait()

    async def try_channel(self) -> None:
        """Go on sending where the channel takes us."""
        try:
            await self.channel.look()
        except Stopped as error:
            self._stops(error)
        except (TryLater, Unreachable, Refused):
            pass  # nobody knows: it stays as it was
        else:
            self.stopped = None
            self.standing.works()
            self.wake()

    def _stops(self, error: Stopped) -> None:
        self.stopped = str(error)
        self.standing.stops(error)
        self.halted.set()

    async def _pull_in(self) -> None:
        try:
            await self.database.write(lambda db: claims.pull_in(db, self.bot, self.now()))
        except Exception as error:
            log.warning("delivery.cannot_claim", error=type(error).__name__)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ending.wait(), seconds)

    async def deliver_replies(self) -> bool:
        """Mark what was sent, claim the waiting replies and send them; whether there were any."""
        if not self._may() and not self.sent:
            return False
        lost, self.lost = self.lost, False
        again = time.monotonic() - self.took_over >= TAKE_OVER
        if again:
            self.took_over = time.monotonic()

        def claimed(db: Db) -> list[Outgoing]:
            if again and self._may():
                claims.take_over(db, self.id, self.bot, self.now())
            if lost:
                claims.put_back_lost(db, self.id, self.bot, self.in_hand, self.now())
            if not self._may():
                return []
            rows, self.behind = claims.claim_replies(db, self.id, self.bot, self.now())
            return rows

        try:
            rows = await self._claim(claimed)
        except Exception as error:
            self.lost = self.lost or lost
            return await self._cannot_claim(error)
        for row in rows:
            self._start(self._replies([row]))
        return bool(rows)

    async def deliver_notice(self) -> bool:
        """Claim one notice, start sending it, and say whether there was one."""
        if not self._may():
            return False

        def claimed(db: Db) -> list[Outgoing]:
            row = claims.claim_notice(db, self.id, self.bot, self.now(), self.word)
            return [row] if row else []

        try:
            rows = await self._claim(claimed)
        except Exception as error:
            return await self._cannot_claim(error)
        for row in rows:
            self.pace.notice_starts()
            self.notices_under_way += 1
            self._start(self._notice(row))
        return bool(rows)

    def _may(self) -> bool:
        return not self.stopped and self.may_send()

    async def _cannot_claim(self, error: Exception) -> bool:
        """Take the row that cannot be worded out of the way of the others; whether it was that."""
        if not isinstance(error, claims.CannotWord):
            log.warning("delivery.cannot_claim", error=type(error).__name__)
            await self._pause(LOOK)  # whoever wakes the loop meanwhile: no storm of tries
            return False
        key, why = error.key, type(error.__cause__).__name__
        log.error("delivery.cannot_word", key=key, error=why)
        return await self._store(lambda db: claims.refuse(db, key, why))

    async def _claim(self, work: Callable[[Db], list[Outgoing]]) -> list[Outgoing]:
        """Mark what was sent and claim more in one transaction; what was claimed."""
        marks, rows = self.take_sent(), list[Outgoing]()

        def job(db: Db) -> None:
            self.in_hand.difference_update(row.key for row in rows)  # of a try that met a deadlock
            rows.clear()
            claims.mark_sent(db, marks, self.id, self.now())
            rows.extend(work(db))
            self.in_hand.update(row.key for row in rows)
            if rows:
                checkpoint("send.before_claim")

        try:
            await self.database.write(job)
        except BaseException:
            self.failed(marks, [row.key for row in rows])
            raise
        self.marked(marks)
        if marks:
            checkpoint("send.marked")
        if rows:
            checkpoint("send.claimed")
        return rows

    # ------------------------------------------------------------------ one message

    def _start(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def _notice(self, row: Outgoing) -> None:
        try:
            await self._one(row)
        finally:
            self.notices_under_way -= 1

    async def _replies(self, rows: Sequence[Outgoing]) -> None:
        for number, row in enumerate(rows):
            await self.pace.reply()
            if not await self._one(row):
                for later in rows[number + 1 :]:  # in order: they follow once this one is sent
                    await self._put_back(later, Later(timedelta(0), 0))
                return

    async def _one(self, row: Outgoing) -> bool:
        """Send one row and settle what became of it; whether the next one to this chat may follow."""

        def stored(parts: int) -> Awaitable[bool]:
            return self._store(lambda db: claims.part_sent(db, row.key, self.id, parts))

        became = await send(self.channel, self.pace, row, self._may, stored, self.documents)
        self.outcomes[became.state if isinstance(became, Ended) else type(became).__name__.lower()] += 1
        match became:
            case Sent():
                if self.standing.trouble is not None:
                    self.standing.works()
                self.sent.append(row.key)
                if len(self.sent) == 1:
                    self._wake_after(SOON)  # unless whoever commits before that takes them along
            case Ended(state, why):
                log.error(f"delivery.{state}", key=row.key, why=why)
                await self._settle(row.key, lambda db: claims.finish(db, row.key, self.id, state, why))
            case Gone(why):
                log.info("delivery.unreachable", channel=self.channel.name, address=row.address_id)
                await self._settle(row.key, lambda db: claims.unreachable(db, row.address_id, why))
            case Later() as later:
                if later.stop is not None and self.stopped is None:
                    self._stops(later.stop)
                await self._put_back(row, later)
                return False
        return True

    async def _put_back(self, row: Outgoing, later: Later) -> None:
        wait = min(later.wait, claims.LONGEST_WAIT)  # what the pace keeps back longer is put back again
        due = self.now() + wait
        await self._settle(
            row.key,
            lambda db: claims.put_back(db, row.key, self.id, due, counted=later.counted, parts_sent=later.parts_sent),
        )
        self._wake_after(wait.total_seconds())

    async def _settle(self, key: str, work: Callable[[Db], None]) -> None:
        """Store what became of a row that was not sent."""
        if await self._store(work):
            self.in_hand.discard(key)

    async def _store(self, work: Callable[[Db], None]) -> bool:
        """Store something about a row in hand, however long that takes; False where this run ends before.

        While nothing can be stored one of those that wait tries again, once a LOOK, and the others after it.
        """
        if not self.storing.locked() and await self._stored(work):
            return True
        async with self.storing:
            while not await self._stored(work):
                if self.ending.is_set():
                    return False
                await self._pause(LOOK)
        return True

    async def _stored(self, work: Callable[[Db], None]) -> bool:
        try:
            await self.database.write(work)
        except Exception as error:
            log.warning("delivery.cannot_store", error=type(error).__name__)
            return False
        return True

    def _wake_after(self, seconds: float) -> None:
        """Wake the loop so much later. There is one timer, for the earliest."""
        loop = asyncio.get_running_loop()
        if self.timer is not None and not self.timer.cancelled() and loop.time() < self.timer.when():
            if self.timer.when() <= loop.time() + seconds:
                return
            self.timer.cancel()
        self.timer = loop.call_later(seconds, self.wake)
