"""An Incoming becomes one turn in one transaction."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import TypeVar

import structlog

from bot import sending
from bot.channels import Incoming
from bot.checkpoints import checkpoint
from bot.delivery import Delivery
from handlers.messages import Message, Said, Sent, Tapped, dumps
from handlers.texts import say
from handlers.turn import Turn, cycle_of, group_of
from storage import addresses, claims, cycles, incoming, outbox, people
from storage import models as m
from storage.addresses import Address
from storage.database import PARALLEL, Database, Db, NotStored, cannot_store, concerns_some
from storage.outbox import Outgoing
from storage.prepared import sent_together

log = structlog.get_logger()

T = TypeVar("T")

GROUP = 100  # turns in one transaction at most
APART = timedelta(minutes=10)  # so long a chat whose turn raised runs by itself
AT_MOST = 20  # so many chats: where everybody's turn raises, that is no mark
Answer = Callable[[Turn], list[Message]]
Bot = tuple[str, str]


class NotTheirs(Exception):
    """The chat of a kept turn is another person's now, who did not write it."""


@dataclass(slots=True)
class Waiting:
    """Something that came in, and who waits for it to be stored."""

    incoming: Incoming
    done: asyncio.Future[None]

    @property
    def chat(self) -> addresses.Chat:
        """The chat it came from: one turn of it at a time."""
        return self.incoming.channel, self.incoming.bot, self.incoming.chat

    def settle(self, error: BaseException | None = None) -> None:
        """Tell who waits. A request that was cancelled meanwhile is nobody's."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


@dataclass(slots=True)
class Ran:
    """What one transaction did: the replies that may be sent at once, and what must run alone."""

    replies: list[list[Outgoing]] = field(default_factory=list)
    alone: list[Waiting] = field(default_factory=list)
    queued: set[Bot] = field(default_factory=set)
    at: Waiting | None = None  # whose turn is being worked out: where something raises meanwhile, it is theirs

    def begin(self, delivering: Mapping[Bot, Delivery]) -> None:
        """Forget what an earlier try of the transaction did."""
        for reply in chain(*self.replies):
            delivering[reply.channel, reply.bot].in_hand.discard(reply.key)
        self.replies, self.alone, self.queued, self.at = [], [], set(), None


class Inbox:
    """Takes what waits into one transaction, commits once, then confirms and sends.

    It never waits for a group to fill. A group in which anything raises is rolled back and run again in parts, until
    the turn that raises is alone: that one is kept for the operator, answered with an apology, and confirmed. Its chat
    runs apart from the others for a while.
    """

    def __init__(
        self,
        database: Database,
        *,
        answer: Answer,
        now: Callable[[], datetime],
        lang: str,
        deliveries: Mapping[Bot, Delivery],
    ) -> None:
        self.database, self.answer, self.now, self.lang = database, answer, now, lang
        self.deliveries = deliveries
        self.waiting: deque[Waiting] = deque()
        self.busy: set[addresses.Chat] = set()
        self.raised: dict[addresses.Chat, datetime] = {}  # chats whose turn raised lately, the newest last
        self.pumps: set[asyncio.Task[None]] = set()
        self.pumping = 0
        self.at_once = 1 if database.is_sqlite else PARALLEL
        self.taken = 0  # turns, for the metrics
        self.kept = 0

    async def receive(self, incoming: Incoming) -> None:
        """Return once the turn is committed, or kept. Raises where the database can store nothing now."""
        checkpoint("turn.received")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(Waiting(incoming, done))
        self._pump_soon()
        await done

    async def replay(self, kept: incoming.Kept) -> bool:
        """Run a kept turn again, with one effect; False where it is not kept any more.

        It leaves the list in the transaction that runs it. What the turn raises is raised, and it stays kept.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        came, writer = from_json(kept.payload)
        each = Waiting(came, done)

        def again(db: Db) -> bool:
            at = addresses.together(db, [each.chat], self.now(), wait=True)  # before the key, as in every turn
            if not incoming.forget(db, kept.key):
                return False
            if each.chat not in at or at[each.chat].person_id != writer:
                raise NotTheirs
            ran = Ran()
            self._turns(db, [each], ran, {}, {}, wait=True)
            if ran.alone:
                raise RuntimeError("the chat became somebody else's just now")
            return True

        replayed = await self.database.write(again)
        for delivery in self.deliveries.values():
            delivery.wake()
        return replayed

    async def drain(self) -> None:
        """Wait until nothing is in hand."""
        while self.pumps:
            await asyncio.gather(*self.pumps, return_exceptions=True)

    def _pump_soon(self) -> None:
        if self.pumping < self.at_once and self.waiting:
            self.pumping += 1
            task = asyncio.get_running_loop().create_task(self._pump())
            self.pumps.add(task)
            task.add_done_callback(self.pumps.discard)

    async def _pump(self) -> None:
        try:
            while True:
                await asyncio.sleep(0)  # what has arrived by now goes into this group
                if not (group := self._group()):
                    break
                self._pump_soon()
                try:
                    await self._take(group)
                except BaseException as error:
                    for each in group:
                        each.settle(error)
                    raise
                finally:
                    self.busy -= {each.chat for each in group}
        finally:
            self.pumping -= 1  # here, not when the task is done: what arrives in between needs a pump

    def _group(self) -> list[Waiting]:
        """The oldest of each chat that waits and is not in hand."""
        group: list[Waiting] = []
        left: list[Waiting] = []
        while self.waiting and len(group) < GROUP:
            each = self.waiting.popleft()
            if each.chat in self.busy:
                left.append(each)
            else:
                self.busy.add(each.chat)
                group.append(each)
        self.waiting.extendleft(reversed(left))
        return group

    async def _take(self, group: Sequence[Waiting]) -> None:
        """Run a group, in parts where it must be."""
        since = self.now() - APART
        apart = {each.chat for each in group if self.raised.get(each.chat, since) > since}
        parts: deque[Sequence[Waiting]] = deque([each] for each in group if each.chat in apart)
        if others := [each for each in group if each.chat not in apart]:
            parts.appendleft(others)
        while parts:
            part, ran = parts.popleft(), Ran()
            single = len(part) == 1
            try:
                await self._together(part, ran, wait=single)
            except Exception as error:
                if concerns_some(error) and not single:
                    parts.extendleft([each] for each in reversed(part))
                elif cannot_store(error) and not concerns_some(error):
                    _tell(chain(part, *parts), error)  # no try for each: a file that stays locked takes 5 s each time
                    return
                elif single:
                    await self._alone(part[0], error)
                else:
                    parts.extendleft(reversed(split(part, ran.at)))
                continue
            if single and ran.alone:
                _tell(part, NotStored("its chat is being bound to somebody else"))
            else:
                parts.extend([each] for each in ran.alone)

    async def _together(self, group: Sequence[Waiting], ran: Ran, *, wait: bool) -> None:
        """Run a group in one transaction; *ran* says which of it must be run alone."""
        delivering = dict(self.deliveries)
        marks = {delivery: delivery.take_sent() for delivery in delivering.values()}
        try:
            turns = partial(self._turns, group=group, ran=ran, marks=marks, delivering=delivering, wait=wait)
            await self.database.write(turns)
        except BaseException:
            for bot, delivery in delivering.items():
                delivery.failed(
                    marks[delivery], [row.key for row in chain(*ran.replies) if (row.channel, row.bot) == bot]
                )
            raise
        checkpoint("turn.committed")
        for delivery, keys in marks.items():
            delivery.marked(keys)
        for replies in ran.replies:
            delivering[replies[0].channel, replies[0].bot].send(replies)
        for bot in ran.queued & delivering.keys():
            delivering[bot].wake()
        alone = {id(each) for each in ran.alone}
        for each in group:
            if id(each) not in alone:
                self.taken += 1
                each.settle()

    # ------------------------------------------------------------------ in the database's thread

    def _turns(
        self,
        db: Db,
        group: Sequence[Waiting],
        ran: Ran,
        marks: Mapping[Delivery, list[str]],
        delivering: Mapping[Bot, Delivery],
        wait: bool,
    ) -> None:
        ran.begin(delivering)
        now = self.now()
        for delivery, keys in marks.items():
            claims.mark_sent(db, keys, delivery.id, now)
        at = addresses.together(db, [each.chat for each in group], now, wait=wait)
        mine = _one_each(group, at)
        ran.alone += [each for each in group if each.incoming.key not in mine]
        # Under the locks: another process may have had the same update in hand until now.
        with sent_together(db):
            taken = incoming.taking_in(db, mine, now)
            persons = people.asked_by_ids(db, {a.person_id for a in at.values() if a.person_id})
            waiting = claims.asked_open_replies(db, [a.id for a in at.values()])
            newest = cycles.asked_newest(db)
        if not (new := taken()):
            return
        who, unanswered, cycle = persons(), waiting(), cycle_of(db, newest())
        theirs = group_of(db, who, cycle)
        rows: list[dict[str, object]] = []
        for each in mine.values():
            if each.incoming.key not in new:
                continue
            ran.at = each
            address = at[each.chat]
            person = who.get(address.person_id) if address.person_id is not None else None
            lang = person.lang if person and person.lang else self.lang
            turn = Turn(db, now, each.incoming.key, each.incoming.event, address, person, cycle, lang, theirs)
            sender = delivering.get((address.channel, address.bot)) if address.id not in unanswered else None
            replies = self._put(db, each.incoming, address, self.answer(turn), sender, rows, now)
            if replies:
                ran.replies.append(replies)
            elif rows and rows[-1]["state"] == m.QUEUED:
                ran.queued.add((address.channel, address.bot))
        ran.at = None
        theirs.write()
        outbox.put_all(db, rows, now)
        if ran.queued - delivering.keys():
            outbox.announce(db)
        checkpoint("turn.before_commit")

    def _put(
        self,
        db: Db,
        came: Incoming,
        address: Address,
        messages: Sequence[Message],
        delivery: Delivery | None,
        rows: list[dict[str, object]],
        now: datetime,
    ) -> list[Outgoing]:
        """Add the rows of one turn's replies; those that may be sent at once, already claimed."""
        passive = address.channel == "web"  # its page comes to fetch
        if passive:
            seq = addresses.numbered(db, address, len(messages))
            state = m.SENT
        else:
            seq = None
            state = m.CLAIMED if delivery else m.QUEUED
        replies: list[Outgoing] = []
        for number, message in enumerate(messages):
            key, body = f"reply:{came.key}:{number}", dumps(message)
            rows.append(
                {
                    "key": key,
                    "kind": m.REPLY,
                    "address_id": address.id,
                    "sender": f"{address.channel}:{address.bot}",
                    "person_id": address.person_id,
                    "state": state,
                    "claimed_by": delivery.id if delivery and state == m.CLAIMED else None,
                    "body": body,
                    "seq": None if seq is None else seq + number,
                }
            )
            if delivery and state == m.CLAIMED:
                delivery.in_hand.add(key)
                replies.append(
                    sending.JustSaid(
                        0, key, m.REPLY, address.id, address.channel, address.bot, address.chat,
                        address.person_id, None, None, now, None, 0, 0, body, None, message,
                    )
                )  # fmt: skip
        return replies

    # ------------------------------------------------------------------ a turn that fails

    async def _alone(self, each: Waiting, error: Exception) -> None:
        """Keep a turn that raised by itself; where nothing can be stored now, confirm nothing."""
        if cannot_store(error):
            _tell([each], error)
            return
        came, now = each.incoming, self.now()
        log.error("inbox.turn_failed", key=came.key, error=type(error).__name__, exc_info=error)
        try:
            await self.database.write(lambda db: self._keep(db, came, type(error).__name__, now))
        except Exception as second:
            log.error("inbox.cannot_keep", error=type(second).__name__)
            each.settle(second)
            return
        checkpoint("turn.kept")
        self.kept += 1
        self.raised.pop(each.chat, None)
        self.raised[each.chat] = now
        if len(self.raised) > AT_MOST:
            del self.raised[next(iter(self.raised))]
        for delivery in self.deliveries.values():
            delivery.wake()
        each.settle()

    def _keep(self, db: Db, came: Incoming, failed: str, now: datetime) -> None:
        address = addresses.ensured(db, came.channel, came.bot, came.chat, now)
        if not incoming.keep(db, came.key, failed, as_json(came, address.person_id), now):
            return
        passive = address.channel == "web"
        outbox.put(
            db,
            key=f"apology:{came.key}",
            kind=m.REPLY,
            address_id=address.id,
            person_id=address.person_id,
            now=now,
            body=dumps(Message(say(self.lang, "problem.apology"))),
            state=m.SENT if passive else m.QUEUED,
            seq=addresses.numbered(db, address, 1) if passive else None,
        )


def _tell(group: Iterable[Waiting], error: Exception) -> None:
    """Nothing could be stored: confirm none of these."""
    log.error("inbox.cannot_store", error=type(error).__name__)
    for each in group:
        each.settle(error)


def split(group: Sequence[T], at: T | None) -> list[Sequence[T]]:
    """The parts in which a group that failed is run again: around the one that raised, which comes last, or halves."""
    if at is None:
        middle = len(group) // 2
        return [group[:middle], group[middle:]]
    place = group.index(at)
    return [part for part in (group[:place], group[place + 1 :], group[place : place + 1]) if part]


def as_json(came: Incoming, writer: int | None) -> str:
    """An Incoming as it is kept, with the id of the person whose chat it came from."""
    match came.event:
        case Said(text):
            event = ["said", text]
        case Tapped(value):
            event = ["tapped", value]
        case Sent(what):
            event = ["sent", what]
    return json.dumps([came.key, came.channel, came.bot, came.chat, event, writer])


def from_json(text: str) -> tuple[Incoming, int | None]:
    """What ``as_json`` wrote."""
    key, channel, bot, chat, (kind, value), writer = json.loads(text)
    kinds: dict[str, type[Said] | type[Tapped] | type[Sent]] = {"said": Said, "tapped": Tapped, "sent": Sent}
    return Incoming(key, channel, bot, chat, kinds[kind](value)), writer


def _one_each(group: Sequence[Waiting], at: Mapping[addresses.Chat, Address]) -> dict[str, Waiting]:
    """What may run in one transaction, by key: one of each person, of chats that nobody else holds."""
    mine: dict[str, Waiting] = {}
    seen: set[int] = set()
    for each in group:
        address = at.get(each.chat)
        if address is None or address.person_id in seen or each.incoming.key in mine:
            continue
        if address.person_id is not None:
            seen.add(address.person_id)
        mine[each.incoming.key] = each
    return mine
