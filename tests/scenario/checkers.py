"""What must hold of a season, judged by its history alone. Each returns what is wrong: nothing, if all is well."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tests.scenario.model import DAY, GRACE, ZONE, History, Life, Promise, Told, day_of, local

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Wrong:
    """One thing that must not be: which rule, who, when, what."""

    rule: str
    who: str
    at: datetime
    what: str

    def __str__(self) -> str:
        return f"({self.rule}) {self.at.astimezone(ZONE):%d/%m %H:%M} {self.who}: {self.what}"


def all_wrong(history: History) -> list[Wrong]:
    """Every checker, one after another."""
    return [
        *told_twice(history),
        *told_in_vain(history),
        *deadline_unsaid(history),
        *promise_broken(history),
        *digest_missing(history),
        *mute(history),
        *old_deadline(history),
    ]


def told_twice(history: History) -> Iterator[Wrong]:
    """(a) One reminder a slot: any two are a gap apart, but for those that were asked for; one for each that was."""
    for life in history.lives.values():
        asked, last, automatic = list(life.promises), None, 0
        for told in history.reminders(life):
            rules = history.rules.at(told.at)
            asked_for = next((p for p in asked if p.at <= told.at and _kept_by(history, p, told)), None)
            if asked_for is not None:
                asked.remove(asked_for)
            elif last is not None and told.wall - last.wall < rules.gap:
                yield Wrong("a", life.name, told.at, f"told again {told.wall - last.wall} after the last reminder")
            elif not any(at <= told.at < at + DAY for at in life.nudged):
                automatic += 1
                if automatic > rules.at_most + 1:  # the deadline's own is never lost to the limit
                    yield Wrong("a", life.name, told.at, f"the {automatic}th automatic reminder of {rules.at_most}")
            last = told


def told_in_vain(history: History) -> Iterator[Wrong]:
    """(b) Nobody is told who owes nothing or cannot be reached; nor in quiet hours, while paused, out of season."""
    for told in history.told:
        rules, life = history.rules.at(told.at), history.life_of(told.chat)
        who = life.name if life else told.chat
        if told.kind in ("reply", "notice"):
            continue
        ends = rules.closes + (GRACE + MINUTE if told.kind == "digest" else 0 * MINUTE)
        if told.kind == "reminder" and life and life.owes.at(told.at) is False:
            yield Wrong("b", who, told.at, f"reminded although nothing is owed: {life.because.at(told.at)}")
        if rules.quiet(told.wall):
            yield Wrong("b", who, told.at, f"{told.kind} in quiet hours")
        if history.paused.at(told.at):
            yield Wrong("b", who, told.at, f"{told.kind} while paused")
        if not rules.opens <= told.wall <= ends:
            yield Wrong("b", who, told.at, f"{told.kind} out of the season")
    for each in history.failed:
        life = history.life_of(each.chat)
        if each.how == "blocked" and life and life.closed_for[each.chat].during(each.at - MINUTE, each.at) == {True}:
            yield Wrong("b", life.name, each.at, "tried again although known to be blocked")


def deadline_unsaid(history: History) -> Iterator[Wrong]:
    """(c) Who owes and can be reached gets a reminder on the due day."""
    kills = list(history.kills)
    for rules in dict.fromkeys(history.rules.values):
        slot = rules.deadline_slot()
        if slot is None:
            continue
        evening = local(day_of(slot), rules.quiet_from) - MINUTE
        worked = history.stretch(slot, evening)
        if worked is None or any(each.due != rules.due for each in history.rules.during(slot - DAY, worked[1])):
            continue
        for life in history.lives.values():
            told = [each for each in history.reminders(life) if slot - rules.gap < each.wall and each.at <= worked[1]]
            left_alone = any(p.at <= worked[1] and p.until > slot for p in life.promises)  # (d) looks after them
            if told or left_alone or life.owes.during(slot - MINUTE, worked[1]) != {True}:
                continue
            if life.rings(slot - MINUTE, worked[1]) and not _lost(history, life, slot, worked[1], kills):
                yield Wrong("c", life.name, worked[1], f"owes, and was not told on the due day {day_of(slot)}")


def promise_broken(history: History) -> Iterator[Wrong]:
    """(d) A reminder that was promised comes then, or as soon after as the world allows on that day."""
    kills = list(history.kills)
    for life in history.lives.values():
        told = history.reminders(life)
        for number, promise in enumerate(life.promises):
            rules = history.rules.at(promise.at)
            evening = local(day_of(promise.until), rules.quiet_from) - MINUTE
            worked = history.stretch(promise.until, evening, after=promise.at)
            if worked is None or any(_kept_by(history, promise, each) and each.at <= worked[1] for each in told):
                continue
            if any(each.at <= worked[1] for each in life.promises[number + 1 :]):  # asked for another instead
                continue
            if any(each.closes < worked[1] for each in history.rules.during(promise.at, worked[1])):
                continue
            if True in history.paused.during(promise.until - 10 * MINUTE, worked[1]):
                continue  # what becomes due while everything is paused is dropped
            if life.owes.during(promise.at, worked[1]) != {True} or not life.rings(promise.at, worked[1]):
                continue
            if not _lost(history, life, promise.until, worked[1], kills):
                until = f"{promise.until.astimezone(ZONE):%d/%m %H:%M}"
                yield Wrong("d", life.name, worked[1], f"was promised a reminder for {until}, and got none")


def digest_missing(history: History) -> Iterator[Wrong]:
    """(e) On every working day, the closing day too, each secretary who can be reached is told who is missing."""
    day, last = day_of(history.looks[0].wall), day_of(history.looks[-1].wall)
    while day <= last:
        for reader in history.lives.values():
            if reader.role:
                yield from _digest_of(history, reader, day)
        day += DAY


def _digest_of(history: History, reader: Life, day: date) -> Iterator[Wrong]:
    rules = history.rules.at(local(day, history.rules.now.digest))
    at = local(day, rules.officer_digest if reader.role == "officer" else rules.digest)
    evening = local(day, rules.quiet_from) - MINUTE
    got = [t for t in history.told if t.kind == "digest" and t.chat in reader.open and day_of(t.wall) == day]
    copies = sum(day_of(each.wall) == day and each.unknown for each in history.failed if each.chat in reader.open)
    copies += sum(day_of(each) == day for each in history.kills)
    if len(got) > 1 + copies:
        yield Wrong("e", reader.name, got[-1].at, f"{len(got)} digests on {day}")
    if not rules.works_on(day) or not rules.opens <= at <= rules.closes:
        return
    worked = history.stretch(at, min(evening, rules.closes + GRACE))
    if worked is None or True in history.paused.during(at - 10 * MINUTE, worked[1]):
        return
    if len(history.rules.during(at - MINUTE, worked[1])) > 1 or not reader.rings(at - 10 * MINUTE, worked[1]):
        return
    cell = [life for life in history.lives.values() if reader.role == "officer" or life.cell == reader.cell]
    missing = [life for life in cell if life.owes.during(at - MINUTE, worked[1]) == {True}]
    told = [each for each in got if each.at <= worked[1]]
    if missing and not told:
        yield Wrong("e", reader.name, worked[1], f"no digest on {day}, {len(missing)} are missing")
    elif day == day_of(rules.closes) and reader.role != "officer":
        for life in missing:
            if not any(life.name in each.text for each in told):
                yield Wrong("e", reader.name, worked[1], f"the last digest does not say that {life.name} is missing")


def mute(history: History) -> Iterator[Wrong]:
    """(f) Whatever was confirmed is answered, in its order, as soon as the world allows."""
    for life in history.lives.values():
        for chat in life.open:
            replies = [each for each in history.told if each.chat == chat and each.kind == "reply"]
            for turn in (each for each in history.turns if each.chat == chat):
                worked = history.stretch(turn.at, turn.at + 3 * DAY, wall=False, paused_too=True)
                if worked is None or life.open[chat].during(turn.at, worked[1]) != {True}:
                    continue
                answer = next((each for each in replies if turn.at <= each.at <= worked[1]), None)
                if answer is None:
                    yield Wrong("f", life.name, turn.at, f"{turn.what!r} was confirmed and not answered")
                else:
                    replies.remove(answer)


def old_deadline(history: History) -> Iterator[Wrong]:
    """(g) A reminder and the first notice of a season state the deadline that is in force when they are sent."""
    for told in history.told:
        if told.kind in ("reminder", "opened"):
            due = history.rules.at(told.at).due.astimezone(ZONE)
            if f"{due:%d/%m/%Y}" not in told.text:
                said = re.findall(r"\d\d/\d\d/\d{4}", told.text)
                life = history.life_of(told.chat)
                who = life.name if life else told.chat
                yield Wrong("g", who, told.at, f"{told.kind} says {said}, the deadline is {due:%d/%m/%Y}")


def _kept_by(history: History, promise: Promise, told: Told) -> bool:
    """Whether this reminder is the one that was promised."""
    evening = local(day_of(promise.until), history.rules.at(promise.at).quiet_from)
    return promise.until <= told.wall < evening


def _lost(history: History, life: Life, begin: datetime, end: datetime, kills: list[datetime]) -> bool:
    """Whether a reminder may have been lost: of a call nobody knows what became of it, or the process died with it in
    hand. One death loses one."""
    if any(
        each.chat in life.open and each.unknown and begin <= each.wall and each.at <= end for each in history.failed
    ):
        return True
    died = next((at for at in kills if begin - MINUTE <= at <= end), None)
    if died is None:
        return False
    kills.remove(died)
    return True
