"""Somebody who chats with the bot through the stand-in Bot API."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.botapi import BotApi


@dataclass
class User:
    """Somebody with a private chat; `inbox` is what the bot said, `received` the calls that said it."""

    api: "BotApi"
    id: int
    received: list[dict[str, Any]] = field(default_factory=list)

    @property
    def inbox(self) -> list[str]:
        return [call.get("text", call.get("caption", "")) for call in self.received]

    @property
    def buttons(self) -> list[list[str]]:
        """The buttons below the last message, by row."""
        return [[b["text"] for b in row] for row in keyboard(self.received[-1])] if self.received else []

    async def says(self, *texts: str) -> None:
        """Send each text, and wait for the bot's answer to it."""
        for text in texts:
            before = len(self.received)
            self.sends(text=text)
            await self.hears(before)

    async def taps(self, *labels: str) -> None:
        """Tap the newest button of that label, and wait for the answer."""
        for label in labels:
            before = len(self.received)
            self.sends_tap(self.data_of(label))
            await self.hears(before)

    def data_of(self, label: str) -> str:
        """What the newest button of that label carries."""
        all_of_them = (b for call in reversed(self.received) for row in keyboard(call) for b in row)
        return next(str(b["callback_data"]) for b in all_of_them if b["text"] == label)

    def sends(self, kind: str = "message", **content: Any) -> int:
        """Send a message of this content without waiting; its update's number."""
        return self.api.put({kind: self.message(content)})

    def sends_tap(self, data: str) -> int:
        """Tap a button that carries *data*, without waiting."""
        query = str(next(self.api.numbers))
        self.api.open_queries.add(query)
        return self.api.put({"callback_query": {"id": query, "from": self._who, "chat_instance": "1", "data": data,
                                                "message": self.message({"text": "…"})}})  # fmt: skip

    def blocks(self) -> int:
        """Block the bot: every further message to this chat is refused."""
        self.api.always[self.id] = "blocked"
        return self._member("kicked")

    def unblocks(self) -> int:
        """Let the bot write again."""
        self.api.always.pop(self.id, None)
        return self._member("member")

    async def hears(self, before: int) -> None:
        """Wait for more than *before* messages."""
        await self.api.until(lambda: len(self.received) > before)

    @property
    def _who(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": False, "first_name": "An", "language_code": "vi"}

    def message(self, content: dict[str, Any]) -> dict[str, Any]:
        chat = {"id": self.id, "type": "private", "first_name": "An"}
        return {
            "message_id": next(self.api.numbers),
            "date": int(time.time()),
            "from": self._who,
            "chat": chat,
        } | content

    def _member(self, status: str) -> int:
        change = self.message({"new_chat_member": {"user": {"id": self.api.id, "is_bot": True}, "status": status}})
        return self.api.put({"my_chat_member": change})


def keyboard(call: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The buttons of a call that sends a message, by row."""
    rows: list[list[dict[str, Any]]] = call.get("reply_markup", {}).get("inline_keyboard", [])
    return rows
