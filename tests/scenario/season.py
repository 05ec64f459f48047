"""A season of 27 days: what people, the machine and the network do is drawn from a seed."""

import heapq
from datetime import date, datetime, time, timedelta

from bot import checkpoints
from tests.scenario.model import ZONE, History, day_of, local
from tests.scenario.people import People
from tests.scenario.program import Killed
from tests.scenario.world import FIRST, HOUR, LAST, MINUTE, OPENS, SLOTS

POINTS = ("send.before_claim", "send.claimed", "send.accepted", "turn.before_commit", "turn.committed", "job.committed")


class Season(People):
    """``play`` it, then look at its history."""

    async def play(self) -> History:
        """The whole season."""
        async with self.api:
            self.begin()
            await self.program.start()
            day = FIRST
            while day <= LAST + timedelta(days=1):
                for number in range(24, 84):  # each quarter of an hour from six to nine, a little late
                    if number % 2 == 0 or number > 77 or self.random.random() < 0.1:
                        at = local(day, time(number // 4, number % 4 * 15, self.random.randint(1, 59)))
                        self.later(at, "", self.look)
                self.later(local(day, time(23, self.random.randint(0, 59))), "", self.look)
                day += timedelta(days=1)
            self.draw()
            try:
                await self.go()
            finally:
                if self.program.up:
                    await self.program.die()
        return self.history

    async def go(self) -> None:
        """Let everything happen in its order; people look at once."""
        while self.queue:
            at, _, what, act = heapq.heappop(self.queue)
            self.time.true = max(self.time.true, at)
            if what:
                self.note(what)
            await act()
            await self.react()

    def draw(self) -> None:
        """What will happen whatever people do."""
        draw = self.random
        for name in self.chats:
            life = self.history.lives[name]
            if draw.random() < 0.45:
                self.later(self.some_day(), f"{name} wants to submit", self.of(self.submit, life))
            if draw.random() < 0.3:
                self.later(self.some_day(), f"{name} blocks", self.of(self.block, life, draw.random() < 0.5))
            if draw.random() < 0.2 and life.role == "":
                self.later(self.some_day(), f"{name} is exempt", self.of(self.exempts, life))
            if draw.random() < 0.15:
                self.later(self.some_day(), f"{name} chooses paper", self.of(self.paper, life))
            for _ in range(draw.randint(0, 3)):
                self.later(self.some_day(), f"{name} asks for the menu", self.of(self.menu, life))
        self.later(self.some_day(), "Tú reads and agrees", self.of(self.agree, self.history.lives["Tú"]))
        for name in draw.sample(sorted(self.chats), 3):
            self.later(self.some_day(last=date(2026, 12, 5)), f"{name} opens the page", self.of(self.page, name))
            if draw.random() < 0.8:  # then reminders go to the page
                life = self.history.lives[name]
                long = 300 * HOUR
                self.later(self.some_day(), f"{name} blocks", self.of(self.block, life, draw.random() < 0.5, long))
        for _ in range(draw.randint(4, 7)):
            self.later(self.at_an_awkward_time(), "", self.outage)
        if draw.random() < 0.3:
            self.later(OPENS - HOUR, "", self.outage)
        for days, at in draw.sample(SLOTS[1:6], 2):
            slot = local(day_of(self.history.rules.now.due) + timedelta(days=days), at)
            self.later(slot - 5 * MINUTE, "", self.outage_at_a_slot)
        for _ in range(draw.randint(3, 5)):
            self.later(self.some_day(), "", self.arm)
        for _ in range(draw.randint(1, 3)):
            self.later(self.some_day(last=date(2026, 12, 17)), "", self.wrong_clock)
        if draw.random() < 0.5:
            self.later(self.some_day(last=date(2026, 12, 17)), "", self.set_back_in_an_outage)
        for _ in range(draw.randint(1, 2)):
            self.later(self.some_day(last=date(2026, 12, 17)), "everything is paused", self.pause)
        for _ in range(draw.randint(0, 3)):
            who = self.history.lives[draw.choice(("Bình", "Chi", "Em"))]
            self.later(self.some_day(), f"{who.name} nudges", self.of(self.nudge, who))
        if draw.random() < 0.6:
            self.later(self.some_day(last=date(2026, 12, 10)), "", self.move)
        for chat in draw.sample(sorted(self.chats.values()), 6):
            how = draw.choice(("cut", "reset", "broken", "flood:700", "foreign 429", "server error"))
            self.later(self.some_day(), f"a call to {chat} will fail: {how}", self.of(self.fail, chat, how))

    def at_an_awkward_time(self) -> datetime:
        """Shortly before a slot, a digest or the evening, or any time."""
        at = self.some_day()
        if self.random.random() < 0.5:  # on the day of a slot
            at = self.history.rules.now.due + timedelta(days=self.random.choice(SLOTS)[0])
        hour = self.random.choice((7, 16, 19, at.astimezone(ZONE).hour))
        return local(day_of(at), time(hour, self.random.randint(0, 59)))

    async def outage(self) -> None:
        """The Bot API takes nothing for a while."""
        how = self.random.choice(("foreign 429", "foreign 429", "foreign 429", "server error", "flood:60"))
        if "sendMessage" in self.api.always:
            return
        self.api.always["sendMessage"] = how
        self.note(f"the Bot API is out: {how}")
        lasts = self.random.choice((10 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, 26 * HOUR))
        self.later(self.time.true + lasts, "the Bot API is back", self.back)
        for _ in range(self.random.randint(0, 3)):  # what must not be forgotten until then
            at = self.time.true + lasts * self.random.random()
            life = self.history.lives[self.random.choice(sorted(self.chats))]
            what, act = self.random.choice(
                (
                    (f"{life.name} is exempt", self.of(self.exempts, life)),
                    (f"{life.name} chooses paper", self.of(self.paper, life)),
                    (f"{life.name} submits", self.of(self.confirm, life)),
                    (f"{life.name} blocks", self.of(self.block, life, True)),
                    (f"{life.name} taps tonight", self.of(self.tap, self.chats[life.name], ".tonight")),
                    (f"{life.name} asks for the menu", self.of(self.menu, life)),
                    ("", self.wrong_clock),
                    ("", self.move),
                )
            )
            self.later(at, what, act)

    async def outage_at_a_slot(self) -> None:
        """Reminders are worded and cannot be sent; meanwhile some cease to owe, and the notices wait for that."""
        if "sendMessage" in self.api.always:
            return
        self.api.always["sendMessage"] = "foreign 429"
        self.note("the Bot API is out at a slot")
        self.later(self.time.true + self.random.choice((HOUR, 4 * HOUR)), "the Bot API is back", self.back)
        owing = [name for name in sorted(self.chats) if self.history.lives[name].owes.now]
        ready = [name for name in owing if self.ready(name)]
        acts = (self.exempts, self.paper, self.confirm)
        for act, names in zip(acts, (owing, owing, ready or owing), strict=True):
            if names:
                name = self.random.choice(names)
                at = self.time.true + timedelta(minutes=self.random.randint(10, 55))
                self.later(at, f"{name}: {act.__name__}", self.of(act, self.history.lives[name]))

    async def back(self) -> None:
        """It takes messages again."""
        del self.api.always["sendMessage"]

    async def fail(self, chat: str, how: str) -> None:
        """The next call to that chat fails so."""
        self.api.fails(int(chat), how)

    async def arm(self) -> None:
        """The program will die at a certain point, or dies now."""
        if self.random.random() < 0.2:
            self.later(self.time.true, "", self.of(self.lives, self.dies))
        else:
            point = self.random.choice(POINTS)
            self.note(f"it will die at {point}")
            checkpoints.arm(point, 0)

    async def dies(self) -> None:
        """Die without a reason."""
        if self.program.up:
            raise Killed

    async def wrong_clock(self) -> None:
        """The clock jumps, and is put right after a while."""
        if self.time.wrong_by:
            return
        self.time.wrong_by = timedelta(minutes=self.random.choice((-180, -120, -60, -30, 30, 90)))
        self.note(f"the clock is set {self.time.wrong_by / MINUTE:+g} min")
        self.later(self.time.true + self.random.choice((HOUR, 6 * HOUR, 20 * HOUR)), "", self.right_clock)

    async def set_back_in_an_outage(self) -> None:
        """Answers wait to be tried again when the clock is set back."""
        if "sendMessage" in self.api.always or self.time.wrong_by:
            return
        self.api.always["sendMessage"] = "foreign 429"
        self.note("the Bot API is out for ten minutes")
        for name in self.random.sample(sorted(self.chats), 3):
            self.later(
                self.time.true + 4 * MINUTE, f"{name} asks for the menu", self.of(self.menu, self.history.lives[name])
            )
        self.later(self.time.true + 7 * MINUTE, "", self.wrong_clock)
        self.later(self.time.true + 10 * MINUTE, "the Bot API is back", self.back)

    async def right_clock(self) -> None:
        """The clock is right again."""
        self.time.wrong_by = timedelta(0)
        self.note("the clock is put right")
