"""From the outbox to the channels: pace, retry, give up, keep order."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.channels import Channel, Refused, Stopped, TryLater, Unreachable
from bot.checkpoints import checkpoint
from bot.pace import Pace
from bot.parts import parts
from handlers.messages import Message, as_text, loads
from storage import claims
from storage import models as m
from storage.database import Database
from storage.outbox import Outgoing

log = structlog.get_logger()

LOOK = 1.0  # seconds between looks for due rows, besides being woken
AT_ONCE = 64  # notices on their way together
LONGEST_WAIT = 60  # seconds of back-off


class Delivery:
    """Sends for one channel. What it is handed by the inbox is claimed already; everything else it claims itself."""

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
    ) -> None:
        self.database, self.channel, self.id, self.now, self.word = database, channel, run, now, word
        self.bot = (channel.name, channel.bot)
        self.pace = Pace(pace)
        self.may_send = may_send  # False once the delivering lock may be lost
        self.stopped: str | None = None
        self.sent: list[str] = []  # taken by the platform, not yet marked
        self.woken = asyncio.Event()
        self.flushing: asyncio.Task[None] | None = None
        self.under_way: set[asyncio.Task[None]] = set()
        self.notices_under_way = 0

    # ------------------------------------------------------------------ what the inbox uses

    def send(self, replies: Sequence[Outgoing]) -> None:
        """Send the replies of one turn, in order; their rows are committed and claimed by this run."""
        self._start(self._replies(replies))

    def take_sent(self) -> list[str]:
        """The keys to be marked as sent, for a transaction that is under way anyhow."""
        keys, self.sent = self.sent, []
        return keys

    def give_back(self, keys: Sequence[str]) -> None:
        """That transaction was rolled back: they are still to be marked."""
        self.sent[:0] = keys
        self._flush_soon()

    def wake(self) -> None:
        """Something may be due."""
        self.woken.set()

    # ------------------------------------------------------------------ the loops

    async def run(self) -> None:
        """Claim and send what is due until cancelled; then let what is under way end."""
        try:
            await asyncio.gather(self._reply_loop(), self._notice_loop())
        finally:
            await self.drain()

    async def drain(self) -> None:
        """Let what is under way end, and mark it."""
        while self.under_way:
            await asyncio.gather(*self.under_way, return_exceptions=True)
        await self._flush()

    async def _reply_loop(self) -> None:
        while True:
            self.woken.clear()
            while await self.deliver_replies():
                pass
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.woken.wait(), LOOK)

    async def _notice_loop(self) -> None:
        while True:
            if wait := self.pace.notice_waits():
                await asyncio.sleep(min(wait, LOOK))
            elif self.notices_under_way >= AT_ONCE or not await self.deliver_notice():
                await asyncio.sleep(LOOK if not self.notices_under_way else 0.02)

    async def deliver_replies(self) -> bool:
        """Claim the waiting replies and send them; whether there were any."""
        if self.stopped or not self.may_send():
            return False
        await self._flush()
        checkpoint("send.before_claim")
        try:
            rows = await self.database.write(lambda db: claims.claim_replies(db, self.id, self.bot, self.now()))
        except Exception as error:
            log.warning("delivery.cannot_claim", error=type(error).__name__)
            return False
        checkpoint("send.claimed")
        for row in rows:
            self._start(self._replies([row]))
        return bool(rows)

    async def deliver_notice(self) -> bool:
        """Claim one notice, start sending it, and say whether there was one."""
        if self.stopped or not self.may_send():
            return False
        checkpoint("send.before_claim")
        try:
            row = await self.database.write(
                lambda db: claims.claim_notice(db, self.id, self.bot, self.now(), self.word)
            )
        except claims.CannotWord as error:
            why = type(error.__cause__).__name__
            key = error.key
            log.error("delivery.cannot_word", key=key, error=why)
            await self.database.write(lambda db: claims.refuse(db, key, why))
            return True
        except Exception as error:
            log.warning("delivery.cannot_claim", error=type(error).__name__)
            return False
        if row is None:
            return False
        checkpoint("send.claimed")
        self.pace.notice_starts()
        self.notices_under_way += 1
        self._start(self._notice(row))
        return True

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
                    await self._later(later, timedelta(0), counted=False, parts_sent=0)
                return

    async def _one(self, row: Outgoing) -> bool:
        """Send one row and settle what became of it; whether the next one to this chat may follow."""
        if wait := self.pace.chat_waits(row.chat):
            await self._later(row, timedelta(seconds=wait), counted=False, parts_sent=row.parts_sent)
            return False
        sent = row.parts_sent
        try:
            for part in self.written(row)[sent:]:
                await self.channel.send(row.chat, part, quiet=row.kind not in claims.REPLIES)
                sent += 1
            checkpoint("send.accepted")
        except TryLater as error:
            return await self._try_later(row, error, sent)
        except Unreachable as error:
            why = str(error) or "unreachable"
            await self.database.write(lambda db: claims.unreachable(db, row.address_id, why))
            log.info("delivery.unreachable", channel=self.channel.name, address=row.address_id)
            return True
        except Stopped as error:
            self.stopped = str(error)
            log.error("delivery.stopped", channel=self.channel.name, why=str(error))
            await self._later(row, timedelta(0), counted=False, parts_sent=sent)
            return False
        except Exception as error:
            why = str(error) if isinstance(error, Refused) else type(error).__name__
            log.error("delivery.refused", key=row.key, why=why)
            await self.database.write(lambda db: claims.finish(db, row.key, self.id, m.REFUSED, why))
            return True
        self.sent.append(row.key)
        self._flush_soon()
        return True

    def written(self, row: Outgoing) -> list[Message]:
        """The row's message in the parts this channel takes; buttons under the last, or written out."""
        assert row.body is not None
        message = loads(row.body)
        if not self.channel.buttons:
            message = Message(as_text(message), document=message.document)
        *before, last = parts(message.text, self.channel.max_text)
        return [*(Message(text) for text in before), replace(message, text=last)]

    async def _try_later(self, row: Outgoing, error: TryLater, sent: int) -> bool:
        if error.flood:
            seconds = error.after.total_seconds() if error.after else 1.0
            if row.kind in claims.REPLIES:
                self.pace.halt_chat(row.chat, seconds)
            else:
                self.pace.halt_notices(seconds)
        if error.sent is None and row.kind == m.REMINDER:
            await self.database.write(
                lambda db: claims.finish(db, row.key, self.id, m.UNSURE, "the platform did not say whether it took it")
            )
            return True
        wait = error.after or timedelta(seconds=min(LONGEST_WAIT, 2**row.attempts) * random.uniform(0.5, 1.0))  # noqa: S311
        await self._later(row, wait, counted=error.sent is None or not error.flood, parts_sent=sent)
        return False

    async def _later(self, row: Outgoing, wait: timedelta, *, counted: bool, parts_sent: int) -> None:
        due = self.now() + wait
        await self.database.write(
            lambda db: claims.put_back(db, row.key, self.id, due, counted=counted, parts_sent=parts_sent)
        )
        asyncio.get_running_loop().call_later(wait.total_seconds(), self.wake)

    # ------------------------------------------------------------------ marking

    def _flush_soon(self) -> None:
        if self.flushing is None or self.flushing.done():
            self.flushing = asyncio.get_running_loop().create_task(self._flush_after())

    async def _flush_after(self) -> None:
        await asyncio.sleep(0.02)  # whoever commits next takes them along
        await self._flush()

    async def _flush(self) -> None:
        keys = self.take_sent()
        if not keys:
            return
        try:
            await self.database.write(lambda db: claims.mark_sent(db, keys, self.id, self.now()))
        except Exception as error:
            log.warning("delivery.cannot_mark", error=type(error).__name__)
            self.sent[:0] = keys
            asyncio.get_running_loop().call_later(LOOK, self._flush_soon)
            return
        checkpoint("send.marked")
        self.wake()
