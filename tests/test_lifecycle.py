"""Exempt and back, declined, died: a review goes back to where it was, and nobody is reminded who must not be."""

from datetime import datetime

import pytest
import sqlalchemy as sa

from bot import season_follows
from handlers import lifecycle
from storage import consents, enrolments
from storage import models as m
from storage.database import Database
from tests.season import SAIGON, World

SUSPENDED, DIED = "đình chỉ sinh hoạt đảng", "từ trần"
FIRST = datetime(2026, 12, 1, 8, tzinfo=SAIGON)


@pytest.fixture
def world(database: Database) -> World:
    """An open season."""
    made = World(database)
    made.opens()
    return made


def roster(world: World, name: str, reason: str | None) -> season_follows.Synced:
    """The roster gives this reason now, and the season follows."""
    world.roster(name, exempt_reason=reason)
    with world.database.transaction() as db:
        return season_follows.sync_assessments(db, world.cycle, world.now)


@pytest.mark.parametrize(
    ("state", "remind_at"),
    [(m.NOT_STARTED, FIRST), (m.IN_PROGRESS, FIRST), (m.RETURNED, FIRST), (m.PAPER, None)],
)
def test_who_is_exempt_for_a_while_goes_on_where_they_were(
    world: World, state: str, remind_at: datetime | None
) -> None:
    world.put("An", state=state, active_at=world.now, remind_at=remind_at)
    roster(world, "An", SUSPENDED)
    assert (world.assessment("An").state, world.assessment("An").remind_at) == (m.EXEMPT, None)
    roster(world, "An", None)
    assert (world.assessment("An").state, world.assessment("An").remind_at) == (state, remind_at)


def test_who_declined_while_they_were_exempt_is_on_paper_afterwards(world: World) -> None:
    roster(world, "An", SUSPENDED)
    with world.database.transaction() as db:
        enrolments.on_paper(db, world.ids["An"], world.cycle.id)
    assert world.assessment("An").state == m.EXEMPT
    roster(world, "An", None)
    assert (world.assessment("An").state, world.assessment("An").remind_at) == (m.PAPER, None)


def test_of_who_was_exempted_by_version_0_1_it_is_found_out_what_they_go_back_to(world: World) -> None:
    exempted = {"state": m.EXEMPT, "exempt_reason": SUSPENDED, "remind_at": None}
    for name in ("An", "Hoa", "Lan", "Tú"):
        world.roster(name, exempt_reason=SUSPENDED)
        world.put(name, **exempted)
    world.put("Hoa", active_at=world.now)
    world.put("Lan", active_at=world.now, submitted_at=world.now)
    with world.database.transaction() as db:
        address = db.scalars(sa.select(m.Address.id).where(m.Address.person_id == world.ids["Tú"])).one()
        version = world.cycle.consent.version
        consents.record(db, world.ids["Tú"], 1, version, given=False, address_id=address, now=world.now)
    for name in ("An", "Hoa", "Lan", "Tú"):
        roster(world, name, None)
    assert [
        (world.assessment(name).state, world.assessment(name).remind_at) for name in ("An", "Hoa", "Lan", "Tú")
    ] == [
        (m.NOT_STARTED, FIRST),
        (m.IN_PROGRESS, FIRST),
        (m.SUBMITTED, None),
        (m.PAPER, None),
    ]


def test_who_died_after_submitting_is_never_reminded(world: World) -> None:
    world.tick()
    world.submits("An")
    assert roster(world, "An", DIED).submitted == ("KM-0001",)
    assert world.assessment("An").state == m.SUBMITTED
    world.put("An", state=m.RETURNED, remind_at=FIRST)  # the secretary did not know
    world.messages.clear()
    world.at("2026-12-01 08:00")
    assert world.everybody(["An", "Hoa"]) == {"An": 0, "Hoa": 1}


def test_who_died_or_left_before_the_opening_is_not_in_the_season(database: Database) -> None:
    world = World(database)
    world.roster("Hoa", exempt_reason=DIED)
    world.roster("Lan", exempt_reason="chuyển sinh hoạt đảng")
    world.roster("Tú", exempt_reason=SUSPENDED)
    world.opens()
    world.messages.clear()
    world.at("2026-11-26 17:00")
    assert [line for line in world.received("Bình")[-1].splitlines() if line.startswith("Không kiểm điểm")] == [
        "Không kiểm điểm kỳ này (1): Tú (đình chỉ sinh hoạt đảng)."
    ]
    roster(world, "Hoa", None)  # it was a mistake
    assert world.assessment("Hoa").state == m.NOT_STARTED


def test_a_secretary_who_died_is_sent_no_digest(world: World) -> None:
    world.tick()
    roster(world, "Bình", DIED)
    world.messages.clear()
    world.at("2026-11-26 17:00")
    assert world.everybody(["Bình", "Em"]) == {"Bình": 0, "Em": 1}


def test_a_first_notice_that_waits_is_taken_back_from_who_is_exempted(database: Database) -> None:
    world = World(database)
    world.now = datetime(2026, 11, 27, 22, tzinfo=SAIGON)
    world.opens()
    roster(world, "An", DIED)
    world.at("2026-11-30 07:30")
    assert world.everybody(["An", "Hoa"]) == {"An": 0, "Hoa": 1}


def test_every_state_is_reached_and_left_by_somebody() -> None:
    states = {m.NOT_STARTED, m.IN_PROGRESS, m.RETURNED, m.SUBMITTED, m.ACCEPTED, m.EXEMPT, m.PAPER}
    rules = lifecycle.RULES.values()
    assert {rule.to for rule in rules if rule.to != lifecycle.BACK} == states
    assert {state for rule in rules for state in rule.states} == states


def test_what_may_not_be_done_in_a_state_changes_nothing() -> None:
    accepted = lifecycle.Standing(m.ACCEPTED)
    assert not lifecycle.may("member", "submit", m.ACCEPTED)
    assert not lifecycle.may("secretary", "submit", m.IN_PROGRESS)
    assert [lifecycle.after(act, accepted) for act in ("submit", "exempt", "unlock")] == [
        accepted,
        accepted,
        lifecycle.Standing(m.SUBMITTED),
    ]
