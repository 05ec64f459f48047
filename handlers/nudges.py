"""Whom a secretary's own reminder reaches, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.calendar import local_day, out_of_quiet, quiet_begins
from handlers.cycles import Cycle
from handlers.progress import group
from storage import addresses, outbox
from storage import models as m
from storage.database import Db
from storage.progress import Member


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is reminded at which moment, who was so lately that they are left alone, and who must be called."""

    at: datetime
    now: list[Member]
    passive: list[Member]  # among ``now``: they see it when they open the web page
    cooling: list[Member]
    asked: list[Member]  # to be reminded later: they are left alone until then
    call: list[Member]


def plan(cycle: Cycle, members: Sequence[Member], now: datetime) -> Plan:
    """Who of *members* would be reminded now, or when the quiet hours end.

    The limit of automatic reminders does not bind the secretary; the gap between two reminders does.
    """
    at = out_of_quiet(cycle, now)
    reachable = [each for each in members if group(each) in ("not_started", "in_progress", "web_only")]
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
        cooling,
        asked,
        [each for each in members if group(each) in ("unreachable", "unlinked")],
    )


def rows(db: Db, cycle: Cycle, decided: Plan, turn: str, now: datetime) -> list[dict[str, Any]]:
    """The rows of the outbox for a plan of this *turn* (its key), but for those for whom a reminder waits already.

    So a second tap makes no second reminder, and one that was dropped by a pause may be asked for again.
    """
    day = local_day(cycle, decided.at)
    found = []
    waiting = outbox.with_waiting_reminder(db, [each.assessment_id for each in decided.now], now)
    for each in decided.now:
        if each.assessment_id in waiting:
            continue
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
