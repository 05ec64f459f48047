"""Tells open pages that there is something new: one look a second at the database for all of them together."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from bot.channels.web.parts import Web
from storage import claims, webchat

log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class Page:
    """A page that is open somewhere, with the last number it was sent. ``ended``: it is nobody's any more."""

    address_id: int
    seq: int
    rung: int = 0  # the number it was rung for: messages emptied meanwhile are not rung for again
    ended: bool = False
    bell: asyncio.Event = field(default_factory=asyncio.Event)


class Watch:
    """The open pages of this process. It looks only while there are any."""

    def __init__(self, web: Web, every: float = 1.0) -> None:
        self.web, self.every = web, every
        self.pages: set[Page] = set()
        self.looking: asyncio.Task[None] | None = None

    @contextmanager
    def over(self, page: Page) -> Iterator[None]:
        """Ring for this page whenever there is something new for it."""
        self.pages.add(page)
        if self.looking is None or self.looking.done():
            self.looking = asyncio.create_task(self.look())
        try:
            yield
        finally:
            self.pages.discard(page)

    async def look(self) -> None:
        """Look again and again until the last page is closed or the server ends."""
        while self.pages and not self.web.stopping():
            try:
                await self.ring()
            except Exception as error:  # the database is away for a moment: the pages wait
                log.error("web.cannot_look", error=type(error).__name__)
            await asyncio.sleep(self.every)
        for page in self.pages:
            page.bell.set()

    async def ring(self) -> None:
        """Look once: put what is due on its page, and ring for every page that has something new."""
        ids = sorted({page.address_id for page in self.pages})
        found = await self.web.database.read(lambda db: webchat.news(db, ids, self.web.now()))
        for address_id, news in found.items():
            if news.due:
                await take_due(self.web, address_id)  # raises nothing: the other pages wait for it
        for page in list(self.pages):
            stands = found.get(page.address_id)
            if stands is None or not stands.admits:
                page.ended = True
                page.bell.set()
            elif stands.due or stands.seq > max(page.seq, page.rung):
                page.rung = stands.seq
                page.bell.set()


async def take_due(web: Web, address_id: int) -> None:
    """Put on a page what is due for it.

    A notice that can be neither opened nor worded is refused alone. Anything else that goes wrong (the database is
    locked or away, a deadlock) refuses nothing: the next look tries again.
    """
    now = web.now()
    try:
        while True:
            try:
                await web.database.write(lambda db: webchat.take_due(db, address_id, now, web.word))
                return
            except claims.CannotWord as error:
                await _refuse(web, error)
    except Exception as error:
        log.error("web.cannot_give", address=address_id, error=type(error).__name__)


async def _refuse(web: Web, error: claims.CannotWord) -> None:
    key, why = error.key, type(error.__cause__).__name__
    log.error("web.cannot_word", key=key, error=why)
    await web.database.write(lambda db: claims.refuse(db, key, why))
