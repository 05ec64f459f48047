"""A notice is asked at its claim whether it still applies: what may have happened since it was put."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from bot import jobs, season
from bot.pause import pause, resume
from bot.wording import worded
from handlers import fill
from storage import claims, outbox
from storage import models as m
from storage.database import Database
from storage.outbox import Outgoing
from tests.season import CYCLE, SAIGON, World
from tests.test_reminder_contract import nudge

MORNING = datetime(2026, 12, 1, 8, tzinfo=SAIGON)


@pytest.fixture
def world(sqlite: Database) -> World:
    """An open season; the first notices are sent and read."""
    made = World(sqlite)
    made.opens()
    made.tick()
    made.messages.clear()
    return made


def claimed(world: World, name: str) -> Outgoing:
    """That person's reminder, in the hand of a run that is about to send it; the others' are sent."""
    with world.database.transaction() as db:
        while True:
            row = claims.claim_notice(db, "test", ("fake", ""), world.now, worded)
            assert row is not None, "nothing is due for them"
            if row.chat == f"fake/{name}":
                return row
            claims.mark_sent(db, [row.key], "test", world.now)


def test_what_was_put_before_the_closing_is_not_sent_after_it(world: World) -> None:
    world.now = datetime(2026, 12, 18, 16, 59, tzinfo=SAIGON)
    nudge(world, "1")
    world.now += timedelta(minutes=2)
    world.deliver()
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}
    assert set(world.states("An").values()) == {m.WITHDRAWN}


def test_a_reminder_whose_person_asked_for_later_while_it_was_on_its_way_comes_then(world: World) -> None:
    world.now = MORNING
    world.jobs()
    row = claimed(world, "An")
    world.taps("An", f"{row.assessment_id}.tomorrow", fill.handle)
    with world.database.transaction() as db:  # it did not get out
        claims.put_back(db, row.key, "test", world.now, counted=False, parts_sent=0)
    world.at("2026-12-01 08:02")
    assert world.everybody(["An"]) == {"An": 0}
    world.at("2026-12-02 08:00")
    assert world.everybody(["An"]) == {"An": 1}


@pytest.mark.parametrize("happened", ["another reads there", "closed", "died"])
def test_nothing_that_waits_goes_to_a_chat_or_a_person_that_is_not_the_same_any_more(
    world: World, happened: str
) -> None:
    world.now = MORNING
    world.jobs()
    here = sa.update(m.Address).where(m.Address.person_id == world.ids["An"])
    match happened:
        case "another reads there":
            world.execute(here.values(person_id=world.ids["Chi"]))
        case "closed":
            world.execute(here.values(closed="blocked"))
        case "died":
            world.roster("An", exempt_reason="từ trần")
    world.deliver()
    assert world.everybody() == {"An": 0, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_a_first_notice_that_waited_beyond_the_deadline_is_not_sent(sqlite: Database) -> None:
    world = World(sqlite)
    world.opens()
    world.now = datetime(2026, 12, 15, 17, 1, tzinfo=SAIGON)
    world.deliver()
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}


@pytest.mark.parametrize("became", ["put back", "refused", "blocked"])
def test_what_did_not_get_out_is_taken_from_its_own_count_and_from_no_other(world: World, became: str) -> None:
    world.now = MORNING
    world.jobs()
    world.link("An", "zalo")
    rows: dict[str, Outgoing] = {}
    with world.database.transaction() as db:
        while row := claims.claim_notice(db, "test", ("fake", ""), world.now, worded):
            rows[row.chat] = row
        an = rows["fake/An"]
        match became:
            case "put back":
                claims.put_back(db, an.key, "test", world.now, counted=False, parts_sent=0)
            case "refused":
                claims.finish(db, an.key, "test", m.REFUSED, "bad request")
            case "blocked":
                claims.unreachable(db, an.address_id, "blocked")
    counts = {name: world.assessment(name).reminded for name in ("An", "Hoa", "Lan", "Tú")}
    assert counts == {"An": 0, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_who_has_had_all_their_reminders_gets_none_that_still_waits(world: World) -> None:
    world.now = MORNING
    world.jobs()
    world.put("An", reminded=CYCLE.at_most)
    world.put("Hoa", reminded=CYCLE.at_most - 1)
    world.deliver()
    assert world.everybody(["An", "Hoa"]) == {"An": 0, "Hoa": 1}
    assert world.assessment("Hoa").remind_at == datetime(2026, 12, 15, 8, tzinfo=SAIGON)  # the deadline's own is left


def test_a_review_that_has_lost_its_form_meanwhile_is_not_reminded(world: World) -> None:
    world.now = MORNING
    world.jobs()
    world.put("An", form_id=None)
    world.deliver()
    assert world.everybody() == {"An": 0, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_a_digest_of_a_clock_that_has_not_seen_the_closing_is_withdrawn(world: World) -> None:
    world.now = datetime(2026, 12, 2, 17, tzinfo=SAIGON)
    open_still = world.cycle
    with world.database.transaction() as db:
        season.close_cycle(db, world.cycle, world.now)
        assert jobs.digest(db, world.now, open_still).put_out == 4
    world.deliver()
    assert world.everybody(["Bình", "Em", "Chi"]) == {"Bình": 0, "Em": 0, "Chi": 0}


def test_a_pause_of_the_night_takes_nothing_from_what_is_due_in_the_morning(world: World) -> None:
    world.now = datetime(2026, 12, 2, 21, tzinfo=SAIGON)
    nudge(world, "1")
    with world.database.transaction() as db:
        pause(db, world.now, "vi")
        resume(db, world.now + timedelta(minutes=10), "vi")
    world.at("2026-12-03 07:30")
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_taking_back_reminders_takes_no_first_notice_back(sqlite: Database) -> None:
    world = World(sqlite)
    world.now = datetime(2026, 11, 25, 22, tzinfo=SAIGON)
    world.opens()
    with sqlite.transaction() as db:
        outbox.withdraw_reminders(db, world.assessment("An").id, "snoozed")
    world.at("2026-11-26 07:30")
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}
