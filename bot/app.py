"""Builds the parts and runs them together: the only wiring."""

import asyncio
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from functools import partial
from typing import Any, NoReturn

import structlog
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from bot.channels import Channel, Refused, Stopped, TryLater, Unreachable, web
from bot.channels.telegram import Telegram, hook_url
from bot.clock import Clock
from bot.delivery import Delivery
from bot.documents import Documents
from bot.health import Health
from bot.hook import Hook
from bot.inbox import Inbox
from bot.present import present_at
from bot.server import Server, server
from bot.settings import Settings
from bot.standing import RECEIVING, SENDING, Standing, Standings
from bot.wording import worded
from handlers.routes import route
from handlers.texts import LANGUAGES, texts
from storage import claims, notes
from storage.database import Database, Db, cannot_store
from storage.lock import FileLock, Lock, in_use, lock

log = structlog.get_logger()

PARTS = ("web", "delivery", "clock", "telegram")
RETRY = 1.0  # seconds
HOOK_LOOK = 120.0  # seconds between two looks at whether Telegram still posts to us


class AlreadyRunning(Exception):
    """Another process runs on this SQLite file."""


class BeingRestored(Exception):
    """This SQLite file is being replaced by a backup."""


def real_time() -> datetime:
    """The real clock. Everything else is given its time."""
    return datetime.now(UTC)


class App:
    """The parts of one process."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        channels: Collection[Channel] = (),
        now: Callable[[], datetime] = real_time,
        also: Callable[[web.Web], list[BaseRoute]] = lambda page: [],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """*monotonic*, *sleep*: by which the waits of channels go that are tried again."""
        self.settings, self.now = settings, now
        self.database = database
        self.run_id = secrets.token_hex(8)
        self.word = partial(worded, lang=settings.lang)
        self.channels = list(channels)
        self.deliveries: dict[tuple[str, str], Delivery] = {}
        self.inbox = Inbox(self.database, answer=route, now=now, lang=settings.lang, deliveries=self.deliveries)
        self.clock = Clock(self.database, now, self.wake, settings.zone)
        self.stop = asyncio.Event()
        secret, public_url = settings.secret_key.reveal(), settings.public_url
        self.documents = Documents(self.database, now, secret, public_url, settings.lang)
        page = web.Web(
            self.database,
            self.inbox.receive,
            now,
            self.word,
            secret,
            settings.zone,
            self.documents,
            settings.lang,
            public_url,
            self.stop.is_set,
            partial(present_at, lang=settings.lang),
        )
        self.sleep = sleep
        self.standings = Standings(database, now, monotonic=monotonic, sleep=sleep)
        self.stopped = self.standings.stopped
        self.parts: Collection[str] = ()
        health = Health(
            self.database,
            self.inbox,
            self.deliveries,
            now,
            time.monotonic,
            lambda: self.clock if "clock" in self.parts else None,
            self.stopped,
            settings.metrics_token.reveal(),
            troubles=self.standings.troubles,
            channels=self.channels,
        )
        pages = Starlette(routes=[*health.routes(), Mount("/", web.application(page, also(page)))])
        self.web = Hook(pages, self.webhook)
        self.hook = hook_url(settings.public_url, settings.telegram_api_url)

    def wake(self) -> None:
        """Something may be due on every channel."""
        for delivery in self.deliveries.values():
            delivery.wake()

    # ------------------------------------------------------------------ running

    async def run(self, only: Collection[str] = PARTS) -> None:
        """Run these parts until a signal says stop, then end what is in hand.

        Raises AlreadyRunning, BeingRestored; and whatever ends a part that must not end.
        """
        self.parts = only
        use = in_use(self.database.file) if self.database.file is not None else None
        if use is not None:
            if not use.take():
                raise BeingRestored
            self.database.engine.dispose()  # connections to a file that a restore may have replaced meanwhile
        held: Lock | None = None
        if self.database.file is not None and {"delivery", "clock", "telegram"} & set(only):
            held = FileLock(self.database.file)
            if not held.take():
                raise AlreadyRunning
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        served: Server | None = None
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(self.stop.wait(), name="stop")]
        if "web" in only:
            served = server(self.web, self.settings.host, self.settings.port)
            log.info("web.listens", host=self.settings.host, port=self.settings.port)
            tasks.append(asyncio.create_task(served.serve(), name="web"))
        if "delivery" in only:
            tasks += [
                asyncio.create_task(self.deliver(channel, held), name=f"delivery {channel.name}")
                for channel in self.channels
            ]
        tasks += [
            asyncio.create_task(self.listen(channel), name=channel.name)
            for channel in self.channels
            if channel.name in only or channel.name == "terminal"
        ]
        tasks.append(asyncio.create_task(self.standings.keep(), name="standings"))
        if "clock" in only:
            self.clock.start()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if "clock" in only:
                self.clock.stop()
            if served is not None:
                served.stop()
            rest = [task for task in tasks if task.get_name() != "web"]
            for task in rest:
                if not task.get_name().startswith("delivery"):
                    task.cancel()
            await self.inbox.drain()
            for task in rest:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for channel in self.channels:
                if isinstance(channel, Telegram):
                    await channel.close()
            if held is not None:
                held.release()
            self.database.close()
            if use is not None:
                use.release()
        for task in done:
            task.result()

    async def listen(self, channel: Channel) -> None:
        """Take in what arrives on a channel. One that must stop stops alone, the operator is told, and it is tried
        again after ever longer waits."""
        standing = self.standings.of(channel, RECEIVING)
        standing.watched = isinstance(channel, Telegram)
        while True:
            try:
                if isinstance(channel, Telegram):
                    await self.set_up(channel)
                    if self.hook is not None:
                        standing.works()
                        await self.keep_hook(channel, self.hook, standing)  # until cancelled: never on to polling
                return await channel.run(self.inbox.receive, standing.works)
            except (Stopped, Refused, Unreachable) as error:
                standing.stops(error)
            await standing.wait()

    async def keep_hook(self, channel: Telegram, hook: str, standing: Standing) -> NoReturn:
        """Look every few minutes whether Telegram still posts to us, and tell it again where it does not."""
        while True:
            await self.sleep(HOOK_LOOK)
            try:
                taken = await channel.keep_hook(hook)
            except TryLater:
                continue
            standing.works()
            if taken:
                log.error("telegram.webhook_taken", channel=channel.name)
                self.standings.webhook_taken(channel)

    async def set_up(self, channel: Telegram) -> None:
        """Tell Telegram how it reaches us and keep the bot's name; tried again until both are done."""
        menu = {
            lang: [(key.partition(".")[2], text) for key, text in texts(lang).items() if key.startswith("command.")]
            for lang in sorted(LANGUAGES, key=lambda lang: lang != self.settings.lang)
        }
        while True:
            try:
                username = await channel.set_up(menu, self.hook)
                await self.database.write(partial(notes.write, name="telegram_username", value=username))
                return
            except TryLater as error:
                log.warning("telegram.not_reached")
                await self.sleep(error.after.total_seconds() if error.after else 5)
            except Exception as error:
                if not cannot_store(error):
                    raise
                log.warning("telegram.cannot_store", error=type(error).__name__)
                await asyncio.sleep(RETRY)

    async def deliver(self, channel: Channel, held: Lock | None) -> None:
        """Send for one channel whenever this process is the one that may."""
        mine = held or lock(self.database, (channel.name, channel.bot))
        while True:
            delivery = None
            try:
                if held is not None or await asyncio.to_thread(mine.take):
                    delivery = await self._begun(channel, mine)
            except Exception as error:
                log.warning("delivery.no_database", error=type(error).__name__)
            if delivery is not None:
                await self._lead(delivery, mine)
            if held is None:
                mine.release()
            await asyncio.sleep(RETRY)

    async def _begun(self, channel: Channel, mine: Lock) -> Delivery:
        """A delivery that has taken over what others had claimed."""
        delivery = Delivery(
            self.database,
            channel,
            run=f"{self.run_id}:{secrets.token_hex(4)}",
            now=self.now,
            word=self.word,
            pace=self.settings.pace,
            may_send=mine.held,
            documents=self.documents,
            standing=self.standings.of(channel, SENDING),
        )

        def begin(db: Db) -> None:
            claims.take_over(db, delivery.id, delivery.bot, self.now())
            claims.pull_in(db, delivery.bot, self.now())

        await self.database.write(begin)
        return delivery

    async def _lead(self, delivery: Delivery, mine: Lock) -> None:
        bot, channel = delivery.bot, delivery.channel
        self.deliveries[bot] = delivery
        log.info("delivery.leads", channel=channel.name)
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(delivery.wake)

        sending = asyncio.create_task(delivery.run())
        try:
            while not sending.done():
                watching = asyncio.ensure_future(asyncio.to_thread(mine.watch, wake))
                both: set[asyncio.Future[Any]] = {sending, watching}
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                if not sending.done() and not watching.result():
                    log.warning("delivery.lost_the_lead", channel=channel.name)
                    return
            sending.result()
        finally:
            self.deliveries.pop(bot, None)
            self.standings.leave(channel, SENDING)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def webhook(self, body: bytes, secret: str) -> tuple[int, bytes]:
        """Telegram's webhook: 200 once the turn is stored, and what to say with it."""
        telegram = next((each for each in self.channels if isinstance(each, Telegram)), None)
        if telegram is None or self.hook is None:
            return 404, b""
        return await telegram.webhook(body, secret, self.inbox.receive)
