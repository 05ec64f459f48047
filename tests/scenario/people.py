"""What people do: read, tap, write, submit, block, decline, open a page; a secretary nudges."""

import re
from datetime import date, time, timedelta
from typing import Any

from storage import invitations, people
from tests.botapi_user import keyboard
from tests.scenario.model import Changes, Life, Promise, Told, local
from tests.scenario.office import Office, code_of
from tests.scenario.program import kind_of, values_of
from tests.scenario.world import HOUR, MINUTE

PROMISE = re.compile(r"sẽ nhắc .*?(\d\d):(\d\d) ngày (\d\d)/(\d\d)/(\d{4})")
AGREED = "Đã ghi nhận sự đồng ý"


class People(Office):
    """Members and secretaries with their phones."""

    async def react(self) -> None:
        """People see what has arrived, remember what was promised, and do something about a reminder."""
        new, self.seen = self.history.told[self.seen :], len(self.history.told)
        for told in new:
            life = self.history.life_of(told.chat)
            if life is None:
                continue
            self.learn(life, told)
            draw = self.random.random()
            if told.kind != "reminder" or draw > 0.75 or told.chat.startswith("/"):
                continue
            at = told.at + timedelta(minutes=self.random.choice((3, 20, 90, 240, 600)))
            move = "tonight" if draw < 0.25 else "tomorrow" if draw < 0.55 else "why"
            if draw < 0.65:
                self.later(at, f"{life.name} taps {move}", self.of(self.tap, told.chat, f".{move}"))
                if self.random.random() < 0.25:
                    self.later(at + 5 * MINUTE, f"{life.name} taps tonight", self.of(self.tap, told.chat, ".tonight"))
            else:
                self.later(at, f"{life.name} wants to submit", self.of(self.submit, life))

    def learn(self, life: Life, told: Told) -> None:
        """What this message says of a person."""
        if told.kind != "reply":
            return
        if life.owes.now is None and any(value.startswith("mine.word") for value in told.values):
            self.note(f"{life.name} has submitted")
            life.done(told.at, "submitted")
            if self.random.random() < 0.3:
                again = told.at + self.random.choice((HOUR, 20 * HOUR, 60 * HOUR))
                self.later(again, f"{life.name} opens it again", self.of(self.reopen, life))
        if life.owes.now is None and AGREED in told.text:
            life.owes.put(told.at, True)
        if life.owes.now is None and told.values[:1] == ("consent.show",):
            self.note(f"{life.name} is on paper")
            life.done(told.at, "paper")
        if found := PROMISE.search(told.text):
            hour, minute, day, month, year = map(int, found.groups())
            until = local(date(year, month, day), time(hour, minute))
            self.history.promised(life, Promise(told.at, told.wall, until))

    async def tap(self, chat: str, ending: str) -> None:
        """Tap the newest button whose value ends so, if there is one."""
        user = self.api.user(int(chat))
        found = [b["callback_data"] for call in user.received[-12:] for row in keyboard(call) for b in row]
        value = next((each for each in reversed(found) if ending in f".{each}"), None)
        if value is not None and user.id not in self.api.always:
            user.sends_tap(value)
            await self.says()

    async def type(self, chat: str, text: str) -> None:
        """Send words."""
        user = self.api.user(int(chat))
        if user.id not in self.api.always:
            user.sends(text=text)
            await self.says()

    def labels(self, chat: str) -> dict[str, str]:
        """The buttons of the newest message, label to value."""
        user = self.api.user(int(chat))
        rows = keyboard(user.received[-1]) if user.received else []
        return {button["text"]: button["callback_data"] for row in rows for button in row}

    async def menu(self, life: Life) -> None:
        """Look at the menu."""
        await self.type(self.chats[life.name], "/menu")

    async def submit(self, life: Life) -> None:
        """Answer everything by the first button, typing where words are asked, and submit; or give up on the way."""
        chat = self.chats[life.name]
        user = self.api.user(int(chat))
        if user.id in self.api.always:
            return
        await self.type(chat, "/menu")
        begin = [value for value in self.labels(chat).values() if value == "fill.open"]
        if not begin:
            return
        user.sends_tap(begin[0])
        await self.says()
        for _ in range(12):
            before = len(user.received)
            text, buttons = user.inbox[-1], self.labels(chat)
            if any(".submit=" in value for value in buttons.values()):
                wait = self.random.choice((MINUTE, MINUTE, HOUR, 20 * HOUR))
                self.later(self.time.true + wait, f"{life.name} submits", self.of(self.confirm, life))
                return
            if "Đồng chí nhắn câu trả lời" in text:
                user.sends(text="Việc đã làm")
            elif buttons:
                user.sends_tap(next(iter(buttons.values())))
            await self.says()
            if len(user.received) == before:
                return

    async def confirm(self, life: Life) -> None:
        """Tap the button that submits."""
        chat = self.chats[life.name]
        submits = self.ready(life.name)
        if submits and int(chat) not in self.api.always:
            if life.owes.now and self.time.wall() < self.history.rules.now.closes:
                life.owes.put(self.time.true, None)
            self.api.user(int(chat)).sends_tap(submits)
            await self.says()

    def ready(self, name: str) -> str | None:
        """What the newest button to submit carries, if there is one."""
        received = self.api.user(int(self.chats[name])).received[-12:]
        values = [value for call in received for value in values_of(call)]
        return next((value for value in reversed(values) if ".submit=" in value), None)

    async def reopen(self, life: Life) -> None:
        """Look at what was submitted and begin to change it: it stays submitted until it is submitted again."""
        chat = self.chats[life.name]
        if int(chat) not in self.api.always:
            self.api.user(int(chat)).sends_tap("mine.open")
            await self.says()
            await self.tap(chat, "mine.reopen")
            life.because.put(self.time.true, "reopened")

    async def block(self, life: Life, by_event: bool, lasts: timedelta | None = None) -> None:
        """Block the bot, and let it write again some day. Without *by_event* the program learns it by sending."""
        user = self.api.user(int(self.chats[life.name]))
        user.blocks()
        if not by_event:
            self.api.line.pop()
        chat = str(user.id)
        life.open[chat].put(self.time.true, False)
        await self.says()
        back = lasts or self.random.choice((2 * HOUR, 30 * HOUR, 200 * HOUR))
        self.later(self.time.true + back, f"{life.name} unblocks", self.of(self.unblock, life))

    async def unblock(self, life: Life) -> None:
        """Let the bot write again; Telegram says so."""
        user = self.api.user(int(self.chats[life.name]))
        user.unblocks()
        await self.says()
        life.open[str(user.id)].put(self.time.true, True)

    async def paper(self, life: Life) -> None:
        """Decline; perhaps to agree again."""
        chat = self.chats[life.name]
        if life.owes.now is not True or self.api.user(int(chat)).id in self.api.always:
            return
        life.owes.put(self.time.true, None)
        self.api.user(int(chat)).sends_tap("consent.show")
        await self.says()
        self.api.user(int(chat)).sends_tap("consent.decline")
        await self.says()

    async def agree(self, life: Life) -> None:
        """Agree to the text, for who has not answered it."""
        chat = self.chats[life.name]
        if self.api.user(int(chat)).id not in self.api.always:
            if life.because.now == "paper" and life.owes.now is False:
                life.owes.put(self.time.true, None)
            self.api.user(int(chat)).sends_tap("consent.show")
            await self.says()
            await self.tap(chat, "consent.accept")

    async def nudge(self, life: Life) -> None:
        """A secretary reminds those who are missing."""
        chat = self.chats[life.name]
        for each in self.history.lives.values():
            if each.cell == life.cell:
                each.nudged.append(self.time.true)
        await self.type(chat, "/tinhhinh")
        await self.tap(chat, "cell.nudge=")
        await self.tap(chat, "cell.nudge_yes=")

    async def page(self, name: str) -> None:
        """Join on the web as well; then open the page now and then."""
        if not self.program.up:
            return
        with self.database.transaction() as db:
            person = people.by_code(db, code_of(name))
            assert person is not None
            code = invitations.make(db, [person.id], self.time.wall())[person.id]
        born = {"day": "15", "month": "6", "year": "1980"}
        answers: list[Any] = []

        async def enter() -> None:
            answers.append(await self.program.http.post(f"/chat/{code}", data=born))
            self.program.lives()

        await self.lives(enter)
        if not answers or answers[0].status_code != 303:
            return
        answer = answers[0]
        self.pages[name] = answer.headers["location"], 0
        life = self.history.lives[name]
        self.chats_of_page(life, answer.headers["location"])
        for at in (self.some_day(begin=8, end=20) for _ in range(40)):
            if at > self.time.true:
                self.later(at, f"{name} looks at the page", self.of(self.open_page, name))

    def chats_of_page(self, life: Life, chat: str) -> None:
        """A page rings nobody: it is a chat of theirs that never counts as reached by itself."""
        life.open[chat], life.closed_for[chat] = Changes(False), Changes(False)

    async def open_page(self, name: str) -> None:
        """Open the page. It says so once it has shown what is new; a tab in the background shows nothing."""
        chat, last = self.pages[name]
        if not self.program.up:
            return
        answer = await self.program.http.get(f"{chat}since?after={last}")
        if answer.status_code != 200 or self.random.random() < 0.3:
            return
        for each in answer.json()["messages"]:
            kind = kind_of(
                each["text"], [value for value, *_ in each.get("moves", [])], quiet=each.get("notice", False)
            )
            if kind == "reminder":
                self.history.told.append(Told(self.time.true, self.time.wall(), chat, kind, each["text"]))
            last = max(last, each["seq"])
        self.pages[name] = chat, last
        await self.program.http.post(
            f"{chat}shown", content=f'{{"shown": {last}}}', headers={"Content-Type": "application/json"}
        )
