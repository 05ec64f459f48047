"""One row of the outbox to its channel, in parts where it is long; and what it means when that fails."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.channels import Channel, Refused, Stopped, TryLater, Unreachable
from bot.checkpoints import checkpoint
from bot.documents import Documents
from bot.pace import Pace
from bot.parts import parts
from handlers.messages import Message, as_text, loads
from storage import models as m
from storage.claims import REPLIES
from storage.database import cannot_store
from storage.outbox import Outgoing

LONGEST_WAIT = 60  # seconds of back-off
CAPTION = 1024  # UTF-16 units under a file (https://core.telegram.org/bots/api#senddocument)


@dataclass(frozen=True, slots=True)
class JustSaid(Outgoing):
    """A reply that was said just now: its body need not be read again."""

    message: Message


@dataclass(frozen=True, slots=True)
class Sent:
    """The platform took it."""


@dataclass(frozen=True, slots=True)
class Later:
    """Again after *wait*. *counted*: the failure after this one waits longer. *stop*: why the whole channel stops."""

    wait: timedelta
    parts_sent: int
    counted: bool = False
    stop: Stopped | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """It is not sent again: refused, or unsure."""

    state: str
    why: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing can be sent to this address any more."""

    why: str


async def send(
    channel: Channel,
    pace: Pace,
    row: Outgoing,
    may_send: Callable[[], bool],
    stored: Callable[[int], Awaitable[object]],
    documents: Documents | None = None,
) -> Sent | Later | Ended | Gone:
    """Send a worded row; what became of it.

    *stored* keeps how many parts have been sent, before the next one: not even a crash sends them again.
    """
    if wait := pace.chat_waits(row.chat):
        return Later(timedelta(seconds=wait), row.parts_sent)
    sent = row.parts_sent
    try:
        for part in written(channel, row, documents)[sent:]:
            if sent > row.parts_sent:
                await stored(sent)
                await pace.reply()
            if not may_send():
                return Later(timedelta(0), sent)
            file = await documents.built(part.document, row.person_id) if documents and part.document else None
            await channel.send(row.chat, part, quiet=row.kind not in REPLIES, file=file)
            sent += 1
    except TryLater as error:
        return _later(pace, row, error, sent)
    except Unreachable as error:
        return Gone(str(error) or "unreachable")
    except Stopped as error:
        return Later(timedelta(0), sent, stop=error)
    except Refused as error:
        return Ended(m.REFUSED, str(error))
    except Exception as error:  # ours: a body that cannot be read, a file that cannot be built
        if cannot_store(error):
            return _later(pace, row, TryLater(), sent)
        return Ended(m.REFUSED, type(error).__name__)
    checkpoint("send.accepted")
    return Sent()


def written(channel: Channel, row: Outgoing, documents: Documents | None = None) -> list[Message]:
    """The row's message in the parts this channel takes; buttons under the last, or written out, and so is a file
    that the channel does not take."""
    assert row.body is not None
    message = row.message if isinstance(row, JustSaid) else loads(row.body)
    if documents and message.document and not channel.files:
        link = documents.written_out(message.document, row.person_id)
        message = replace(message, text=f"{message.text}\n\n{link}", document=None)
    if not channel.buttons:
        message = Message(as_text(message), document=message.document)
    *before, last = parts(message.text, CAPTION if message.document else channel.max_text)
    if last == message.text:
        return [message]
    return [*(Message(text) for text in before), replace(message, text=last)]


def _later(pace: Pace, row: Outgoing, error: TryLater, sent: int) -> Later | Ended:
    if error.flood:
        seconds = error.after.total_seconds() if error.after else 1.0
        if row.kind in REPLIES:
            pace.halt_chat(row.chat, seconds)
        else:
            pace.halt_notices(seconds)
    if error.sent is None and row.kind == m.REMINDER:
        return Ended(m.UNSURE, "the platform did not say whether it took it")
    backoff = min(LONGEST_WAIT, 2.0 ** min(row.attempts, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    return Later(error.after or timedelta(seconds=backoff), sent, counted=not error.flood)
