"""Whom a secretary's own reminder reaches, and when."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.calendar import local_day, out_of_quiet, quiet_begins
from handlers.cycles import Cycle
from storage import addresses
from storage import models as m
from storage.database import Db
from storage.people import Person
from storage.progress import Member


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is reminded at which moment, who was so lately that they are left alone, and who must be called."""

    at: datetime
    now: list[Member]
    passive: list[Member]  # among ``now``: they see it when they open the web page
    waiting: list[Member]  # for whom a reminder waits already: to be sent, or for their page to be opened
    cooling: list[Member]
    asked: list[Member]  # to be reminded later: they are left alone until then
    call: list[Member]

    @property
    def somebody_soon(self) -> bool:
        """Whether anybody may be reminded now, or once the time is over for which they are left alone."""
        return bool(self.now or self.cooling or self.asked)


def plan(cycle: Cycle, members: Sequence[Member], waiting: Collection[int], now: datetime) -> Plan:
    """Who of *members* would be reminded now, or when the quiet hours end.

    *waiting*: the assessments for which a reminder waits already. So a second tap makes no second reminder.
    The limit of automatic reminders does not bind the secretary; the gap between two reminders does.
    """
    at = out_of_quiet(cycle, now)
    owing = [each for each in members if each.owes and each.form_id is not None]
    reached = [each for each in owing if each.ringing or each.passive]
    held = [each for each in reached if each.assessment_id in waiting]
    reachable = [each for each in reached if each not in held]
    asked = [each for each in reachable if each.snoozed_until and at < each.snoozed_until]
    cooling = [
        each
        for each in reachable
        if each not in asked and each.reminded_at and at < each.reminded_at + cycle.minimum_gap
    ]
    now_reminded = [each for each in reachable if each not in asked and each not in cooling]
    return Plan(
        at,
        now_reminded,
        [each for each in now_reminded if not each.ringing],
        held,
        cooling,
        asked,
        [each for each in owing if each not in reached],
    )


def others(members: Sequence[Member], asker: Person | None) -> list[Member]:
    """Nobody nudges themselves."""
    return [each for each in members if asker is None or each.person_id != asker.id]


def rows(db: Db, cycle: Cycle, decided: Plan, turn: str) -> list[dict[str, Any]]:
    """The rows of the outbox for a plan of this *turn* (its key): one dropped by a pause may be asked for again."""
    day = local_day(cycle, decided.at)
    found = []
    for each in decided.now:
        best = addresses.of_person(db, each.person_id)
        found.append(
            {
                "key": f"reminder:{each.assessment_id}:{day}:nudge:{turn}",
                "kind": m.REMINDER,
                "address_id": best[0].id,
                "person_id": each.person_id,
                "assessment_id": each.assessment_id,
                "due_at": decided.at,
                "expires_at": quiet_begins(cycle, day),
            }
        )
    return found
