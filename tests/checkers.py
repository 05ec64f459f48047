"""What must hold after any fault: what people were told compared with what is stored (C1 to C7).

``docs/promises.md`` says which promise each one checks. Every checker returns what is wrong: nothing, if all is well.
"""

import json
from collections import Counter
from collections.abc import Iterator

import sqlalchemy as sa

from handlers.messages import Message, Said, dumps, loads
from storage import incoming
from storage import models as m
from storage.database import Db
from storage.sealing import opened
from tests.story import PERSON, Story, told

ON_RECORD = (m.UNSURE, m.WITHDRAWN, m.EXPIRED, m.REFUSED)  # why a reminder did not arrive


def all_is_well(story: Story) -> list[str]:
    """Every checker, one after another."""
    with story.database.transaction(read_only=True) as db:
        return [
            *confirmed_is_stored(db, story),
            *stored_was_sent_in(db, story),
            *turns_were_one_at_a_time(db, story),
            *no_copy_too_many(db, story),
            *in_order(db, story),
            *whole(db),
            *nothing_is_left(db, story),
        ]


def confirmed_is_stored(db: Db, story: Story) -> Iterator[str]:
    """C1: what was confirmed is stored, or kept for the operator."""
    kept = {each.key for each in incoming.kept(db)}
    known = set(db.scalars(sa.select(m.IncomingKey.key).where(m.IncomingKey.key.in_(story.confirmed))))
    stored = {person: {text for _, text in told(db, person)} for person in PERSON.values()}
    closed = set(db.scalars(sa.select(m.Submission.assessment_id)))
    for key in story.confirmed:
        chat, event = story.sent_in[key]
        if key not in known:
            yield f"C1: {key} was confirmed and is not known"
        elif key in kept or PERSON[chat] in closed:
            continue
        elif isinstance(event, Said) and event.text not in stored[PERSON[chat]]:
            yield f"C1: {event.text} was confirmed and is not stored"


def stored_was_sent_in(db: Db, story: Story) -> Iterator[str]:
    """C2: nothing is stored that nobody said, or twice."""
    for chat, person in PERSON.items():
        said = {event.text for who, event in story.sent_in.values() if who == chat and isinstance(event, Said)}
        counted = Counter(text for _, text in told(db, person))
        yield from (f"C2: {text} is stored and was not sent in" for text in counted.keys() - said)
        yield from (f"C2: {text} is stored {count} times" for text, count in counted.items() if count > 1)


def turns_were_one_at_a_time(db: Db, story: Story) -> Iterator[str]:
    """C3: each turn saw the state after the one before it; a submission holds the answers of its moment."""
    for chat, person in PERSON.items():
        mine = told(db, person)
        if [number for number, _ in mine] != list(range(1, len(mine) + 1)):
            yield f"C3: {chat}'s turns were not one at a time: {mine}"
        submissions = db.execute(
            sa.select(m.Submission.number, m.Submission.snapshot).where(m.Submission.assessment_id == person)
        ).all()
        for number, snapshot in submissions:
            held = json.loads(opened(db, snapshot, f"submission/{person}/{number}"))
            if number != 1 or held != [text for _, text in mine]:
                yield f"C3: submission {number} of {chat} holds {held}, not {mine}"
        told_numbers = {text for who, text in story.channel.order if who == chat and text[0].isdigit()}
        wrong = {text.removesuffix(", again") for text in told_numbers} - {f"{number} {text}" for number, text in mine}
        yield from (f"C3: {chat} was told {text!r}, which is not so" for text in wrong)


def no_copy_too_many(db: Db, story: Story) -> Iterator[str]:
    """C4: a reply or digest arrives once, or once more for each crash; a reminder at most once, and where it did not,
    the reason is on record."""
    copies = Counter(story.channel.order)
    chats = {row.id: row.chat for row in db.execute(sa.select(m.Address.id, m.Address.chat))}
    sent: Counter[tuple[str, str]] = Counter()
    for row in db.execute(sa.select(m.Outgoing.__table__)):
        body = opened(db, row.body, f"outgoing/{row.key}") if row.body else dumps(Message(row.key))
        to = chats[row.address_id], loads(body).text
        if row.kind != m.REMINDER:
            sent[to] += row.state == m.SENT
        elif copies[to] > 1 or (copies[to] == 0 and row.state not in ON_RECORD):
            yield f"C4: reminder {row.key} arrived {copies[to]} times and is {row.state}"
    for to, count in sent.items():
        if count and not count <= copies[to] <= count + story.crashes:
            yield f"C4: {to} arrived {copies[to]} times, not {count}"


def in_order(db: Db, story: Story) -> Iterator[str]:
    """C5: first copies of replies reach a person in the order of the turns."""
    for chat in PERSON:
        first = list(dict.fromkeys(text for who, text in story.channel.order if who == chat and text[0].isdigit()))
        numbers = [int(text.split()[0]) for text in first]
        if numbers != sorted(numbers):
            yield f"C5: {chat} heard {first}"


def whole(db: Db) -> Iterator[str]:
    """C6: the file is whole, every reference holds, one snapshot a submission."""
    if db.dialect.name == "sqlite":
        if (told := db.exec_driver_sql("PRAGMA integrity_check").scalar()) != "ok":
            yield f"C6: {told}"
        yield from (f"C6: {row}" for row in db.exec_driver_sql("PRAGMA foreign_key_check"))


def nothing_is_left(db: Db, story: Story) -> Iterator[str]:
    """C7: after the drain nothing is claimed or due."""
    left = sa.select(m.Outgoing.key, m.Outgoing.state).where(
        (m.Outgoing.state == m.CLAIMED) | ((m.Outgoing.state == m.QUEUED) & (m.Outgoing.due_at <= story.now()))
    )
    yield from (f"C7: {key} is still {state}" for key, state in db.execute(left))
