"""Real processes under fire: what people sent and got, as the outside saw it, compared with what is stored."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from handlers.messages import Message, dumps
from storage import models as m
from storage import outbox
from storage.database import Database
from tests import town
from tests.botapi import BotApi, Limits
from tests.fakes import until
from tests.processes import Program


class Siege:
    """A town on a database, its Bot API, and how often a process died."""

    def __init__(self, database: Database, *, people: int = 3, cells: int = 1, limits: Limits | None = None) -> None:
        self.database, self.people, self.cells = database, people, cells
        self.api = BotApi(limits)
        self.said: dict[int, list[str]] = defaultdict(list)
        self.updates: list[int] = []
        self.notices: dict[str, tuple[int, str]] = {}  # key: member, kind
        self.crashes = 0
        self.programs: list[Program] = []
        with database.transaction() as db:
            town.settle(db, people, cells)
        for member in range(1, people + 1):
            self.api.user(self.chat(member))

    def chat(self, member: int) -> int:
        """The chat of a member."""
        return town.FIRST + member - 1

    def says(self, member: int, text: str) -> int:
        """A member types; the update's number."""
        self.said[member].append(text)
        self.updates.append(self.api.user(self.chat(member)).sends(text=text))
        return self.updates[-1]

    def taps(self, member: int, data: str) -> int:
        """A member taps; the update's number."""
        self.updates.append(self.api.user(self.chat(member)).sends_tap(data))
        return self.updates[-1]

    def notify(self, kind: str, members: Iterable[int]) -> None:
        """Put a notice for each of these members into the outbox: reminders and digests are worded when claimed."""
        now, rows = datetime.now(UTC), []
        for member in members:
            key = f"{kind}:{member}:{len(self.notices)}"
            self.notices[key] = member, kind
            body = dumps(Message(key)) if kind == m.NOTICE else None
            rows.append(
                {"key": key, "kind": kind, "address_id": member, "person_id": member, "due_at": now, "body": body}
                | {"assessment_id": None if kind == m.NOTICE else member, "unit_id": town.cell_of(member, self.cells)}
            )
        with self.database.transaction() as db:
            outbox.put_notices(db, rows, now)

    def program(self, **settings: Any) -> Program:
        """Another process of this town."""
        self.programs.append(Program(self.database, self.api, **settings))
        return self.programs[-1]

    async def __aenter__(self) -> Self:
        await self.api.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self.programs:
            await program.__aexit__()
        await self.api.__aexit__()

    async def done(self, within: float = 60) -> None:
        """Wait until everything that was sent in is confirmed and everything that is due has gone out."""
        await until(lambda: set(self.updates) <= set(self.api.confirmed) and not self.left(), within)

    def left(self) -> list[str]:
        """What is due or claimed."""
        open_ = (m.Outgoing.state == m.CLAIMED) | (
            (m.Outgoing.state == m.QUEUED) & (m.Outgoing.due_at <= datetime.now(UTC))
        )
        with self.database.transaction(read_only=True) as db:
            return list(db.scalars(sa.select(m.Outgoing.key).where(open_)))

    async def survives(self, program: Program, within: float = 90) -> None:
        """Start it, anew whenever it dies, until all is done and it ended well."""
        if not program.started:
            await program.start()
        while (code := await self._ends(program, within)) != 0:
            if code != -signal.SIGKILL:
                raise AssertionError(f"exit code {code}: {program.log.decode()}")
            self.crashes += 1
            program.environment.pop("CRASH_AT", None)
            program.environment.pop("CRASH_AT_N", None)
            await program.start()

    async def _ends(self, program: Program, within: float) -> int:
        """The exit code, of its own or once all is done."""
        finishing, ending = asyncio.create_task(self.done(within)), asyncio.create_task(program.process.wait())
        await asyncio.wait({finishing, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not finishing.done():
            finishing.cancel()
            await asyncio.gather(finishing, return_exceptions=True)
            return await program.ended()
        await finishing
        await until(lambda: b"web.listens" in program.log or ending.done(), 60)  # from then on it heeds signals
        code = await program.stop()
        await ending
        return code

    # ------------------------------------------------------------------ what must hold (FAULTS: C1 to C7)

    def wrong(self, *, in_order: bool = True) -> list[str]:
        """What is wrong between what the outside saw and what is stored; nothing, if all is well.

        *in_order*: False where a person's updates were sent to several processes at once.
        """
        found: list[str] = []
        with self.database.transaction(read_only=True) as db:
            for member in range(1, self.people + 1):
                stored = town.written(db, member)
                if stored != self.said[member] and (in_order or sorted(stored) != sorted(self.said[member])):
                    found.append(f"C1 to C3: {member} said {self.said[member]}, stored is {stored}")
                if len(town.snapshots(db, member)) > 1:
                    found.append(f"C6: {member} submitted more than once")
            rows = db.execute(
                sa.select(m.Outgoing.key, m.Outgoing.kind, m.Outgoing.state, m.Address.chat).join(m.Address)
            ).all()
            if self.database.is_sqlite:
                found += [f"C6: {row}" for row in db.exec_driver_sql("PRAGMA foreign_key_check")]
                whole = db.exec_driver_sql("PRAGMA integrity_check").scalar_one()
                found += [] if whole == "ok" else [f"C6: {whole}"]
        replies: dict[str, int] = defaultdict(int)
        for key, kind, state, chat in rows:
            user = self.api.user(int(chat))
            if kind == m.REPLY:
                replies[chat] += state == m.SENT
            elif kind == m.REMINDER:
                count = sum(call.get("disable_notification", False) and call["text"] != key for call in user.received)
                count -= sum(text.startswith(("notice:", "digest:")) for text in user.inbox)
                if count > 1 or (count == 0 and state not in (m.UNSURE, m.WITHDRAWN, m.EXPIRED)):
                    found.append(f"C4: {key} arrived {count} times and is {state}")
            elif not 1 <= user.inbox.count(key) <= 1 + self.crashes:
                found.append(f"C4: {key} arrived {user.inbox.count(key)} times and is {state}")
        for chat, count in replies.items():
            arrived = sum(not call.get("disable_notification", False) for call in self.api.user(int(chat)).received)
            if not count <= arrived <= count + self.crashes:
                found.append(f"C4: {chat} got {arrived} replies, {count} are sent")
        return found + [f"C7: {key} is left" for key in self.left()]
