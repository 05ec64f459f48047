"""The reminder contract, row by row, on a moved clock.

A row of CONTRACT is a situation, what is promised in it, and the tests that prove it.
"""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
import sqlalchemy as sa

from bot import season
from bot.opening import Opening
from bot.pause import pause, resume
from bot.season_follows import sync_assessments
from bot.wording import worded
from handlers import fill, offered, secretary
from handlers.calendar import next_reminder
from handlers.cycle_files import load
from handlers.cycles import Slot
from handlers.messages import Message, Said, Sent, Tapped, dumps
from handlers.routes import route
from storage import assessments, claims, enrolments, notes, outbox
from storage import models as m
from storage.database import Database
from tests import test_web_shown
from tests.season import CYCLE, SAIGON, World

FIRST = (
    "Còn 14 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026).\n"
    "Đồng chí chưa bắt đầu. Có thể trả lời dần, dừng lúc nào cũng được."
)

CONTRACT = {
    # the schedule
    "nobody invited yet": ("nothing", "nobody_is_reminded_who_was_not_invited_yet"),
    "no slot before the deadline": (
        "refused, with why",
        "a_frequency_that_leaves_no_slot_before_the_deadline_is_refused",
    ),
    "added in mid-season": (
        "slots to come",
        "who_is_added_in_mid_cycle_gets_the_schedule_but_not_the_slots_already_past",
    ),
    "server down for days": (
        "at most one, none for a day that is over",
        "a_server_down_for_two_days_makes_up_for_nothing",
    ),
    "the limit is reached": ("nothing", "nobody_is_reminded_more_often_than_the_season_says"),
    "the limit is reached before the deadline": (
        "the deadline's own reminder all the same",
        "the_deadlines_own_reminder_is_never_lost_to_the_limit",
    ),
    "the deadline is moved": ("from now on, nothing twice", "a_moved_deadline_reminds_from_now_on_and_repeats_nothing"),
    "the deadline is moved past the limit": ("its own reminder", "a_moved_deadline_has_its_own_reminder_too"),
    "the deadline is moved while a notice waits": (
        "the notice states the new one",
        "the_first_notice_states_the_deadline_as_it_is_when_it_goes_out",
    ),
    "closed early": ("nothing more", "closed_early_cancels_everything_that_waits"),
    "paused": ("nothing, and nothing later", "a_pause_cancels_and_resuming_does_not_replay"),
    "the closing day": ("a digest after the closing", "on_the_closing_day_the_digest_says_who_never_submitted"),
    # what people do
    "submits just before the slot": ("nothing", "who_submits_one_second_before_the_slot_gets_nothing"),
    "submits between slot and sending": ("nothing", "who_submits_between_the_slot_and_the_sending_gets_nothing"),
    "exempt": ("nothing, counted apart", "who_is_exempt_now_is_no_longer_reminded_and_counted_apart"),
    "returned": (
        "reminded again in other words",
        "who_is_returned_is_reminded_again_in_other_words_and_who_reopens_is_not",
    ),
    "asks for tonight": (
        "tonight, besides this morning's",
        "tonight_comes_tonight_even_though_a_reminder_came_this_morning",
    ),
    "asks twice on one day": ("both", "a_second_snooze_on_one_day_is_kept_too"),
    "asks for later, often": (
        "takes nothing from the automatic ones",
        "what_a_person_asked_for_takes_nothing_from_the_automatic_reminders",
    ),
    "asks for later past the limit": ("comes", "who_was_reminded_as_often_as_allowed_may_still_ask_for_more"),
    "asks for a time after the closing": ("told that it cannot be", "no_reminder_is_promised_for_after_the_closing"),
    "nudged today": ("the next one keeps the gap", "after_a_nudge_today_the_next_automatic_reminder_keeps_the_gap"),
    "nudged, dropped by a pause": ("may be nudged again", "a_nudge_dropped_by_a_pause_may_be_repeated_the_same_day"),
    "nudged, asked for later": (
        "left alone, and said so",
        "a_nudge_leaves_those_alone_who_asked_to_be_reminded_later_and_says_so",
    ),
    # what becomes of a send
    "429, then still owing": (
        "sent once, in words true then",
        "a_reminder_that_goes_out_after_a_429_says_what_is_true_then_and_counts_once",
    ),
    "429 or outage, then submitted, exempt, on paper, snoozed, paused, night": (
        "nothing",
        "a_reminder_that_could_not_be_sent_is_asked_again_before_it_goes_out",
    ),
    "never got out": ("does not count", "a_reminder_that_never_got_out_takes_nothing_from_the_next_one"),
    "refused": ("does not count", "a_refused_reminder_does_not_count"),
    "nobody knows whether it was sent": ("counts, is not repeated", "a_reminder_of_which_nobody_knows_counts_as_sent"),
    "blocked": ("nothing; the secretary sees it", "who_blocked_the_bot_gets_nothing_more_and_the_secretary_sees_it"),
    "blocked, known by a send": ("the other channel", "who_blocked_one_channel_is_reminded_on_the_other"),
    "blocked, known by an event": (
        "the other channel",
        "who_blocks_the_bot_and_is_known_by_an_event_is_reminded_on_the_other_channel",
    ),
    # a page, which rings nobody (tests/test_web_shown.py)
    "given to a page": (
        "counts once the page says that it has shown it",
        "a_reminder_counts_when_the_page_says_it_was_shown_and_not_when_it_was_given",
    ),
    "not shown yet": ("no further one on that page", "at_most_one_reminder_waits_for_a_page"),
    "not shown, then submitted": (
        "taken back",
        "a_reminder_that_waits_on_a_hidden_page_is_taken_back_when_they_submit",
    ),
    "a page alone, never opened": ("does not count", "a_page_that_rings_nobody_does_not_count_as_reminded"),
}


def test_each_row_of_the_contract_names_a_test() -> None:
    named = {f"test_{test}" for _, test in CONTRACT.values()}
    assert named - set(globals()) - set(vars(test_web_shown)) == set()


@pytest.fixture
def world(database: Database) -> World:
    """An open season; the first notices are sent and read."""
    made = World(database)
    made.opens()
    made.tick()
    made.messages.clear()
    return made


def test_nobody_is_reminded_who_was_not_invited_yet(world: World) -> None:
    world.person("Mai", unit=3, linked="")
    with world.database.transaction() as db:
        sync_assessments(db, world.cycle, world.now)
    world.at("2026-12-01 08:00")
    assert world.everybody(["An", "Mai"]) == {"An": 1, "Mai": 0}
    assert world.assessment("Mai").remind_at == datetime(2026, 12, 8, 8, tzinfo=SAIGON)


def test_a_reminder_says_how_long_and_where_and_offers_three_ways_on_and_why(world: World) -> None:
    world.at("2026-12-01 08:00")
    number = world.assessment("An").id
    assert [(move.value, move.label) for move in world.messages["An"][0].moves] == [
        (f"{number}.continue", "Tiếp tục"),
        (f"{number}.tonight", "Tối nay"),
        (f"{number}.tomorrow", "Ngày mai"),
        (f"{number}.why", "Vì sao tôi nhận tin này"),
    ]
    assert world.received("An") == [FIRST]


def test_a_frequency_that_leaves_no_slot_before_the_deadline_is_refused() -> None:
    text = """
        code = "x"
        name = "x"
        year = 2026
        opens = 2026-12-14T08:00:00
        due = 2026-12-15T07:00:00
        closes = 2026-12-16T07:00:00
        forms = { 2B = "short" }
        reminders = { slots = [{ days = 0, at = 08:00:00 }] }
        consent = { version = "1", text = "?" }
    """
    found = load(text, "x.toml", ["short"])
    assert isinstance(found, list)
    assert [problem.key for problem in found] == ["cycle.no_slot"]


def test_who_is_added_in_mid_cycle_gets_the_schedule_but_not_the_slots_already_past(world: World) -> None:
    world.at("2026-12-02 09:00")
    world.person("Mai", unit=3)
    with world.database.transaction() as db:
        assert sync_assessments(db, world.cycle, world.now).added == 1
    world.tick()
    assert world.received("Mai") == []
    world.at("2026-12-08 08:00")
    assert len(world.received("Mai")) == 1


def test_who_submits_one_second_before_the_slot_gets_nothing(world: World) -> None:
    world.at("2026-12-01 07:59:59")
    world.submits("An")
    world.at("2026-12-01 08:00")
    assert world.everybody() == {"An": 0, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_who_submits_between_the_slot_and_the_sending_gets_nothing(world: World) -> None:
    world.at("2026-12-01 07:59")
    world.now += timedelta(minutes=1)
    world.jobs()
    world.submits("An")
    world.deliver()
    assert world.everybody() == {"An": 0, "Hoa": 1, "Lan": 1, "Tú": 1}
    assert world.assessment("An").reminded == 0


def test_who_is_returned_is_reminded_again_in_other_words_and_who_reopens_is_not(world: World) -> None:
    for name in ("An", "Hoa"):
        world.submits(name)
    world.at("2026-12-01 08:00")
    assert world.everybody(["An", "Hoa"]) == {"An": 0, "Hoa": 0}
    world.put("An", place="review/1")
    world.put("Hoa", state=m.RETURNED)
    with world.database.transaction() as db:
        season.reschedule(db, world.cycle, world.now)
    world.at("2026-12-08 08:00")
    assert world.received("An") == []
    assert [text.splitlines()[1] for text in world.received("Hoa")] == [
        "Bản kiểm điểm của đồng chí được đề nghị bổ sung. Mời đồng chí bổ sung rồi nộp lại."
    ]


def test_after_a_nudge_today_the_next_automatic_reminder_keeps_the_gap(world: World) -> None:
    world.at("2026-12-07 18:00")
    world.messages.clear()
    world.taps("Bình", "cell.nudge_yes=3", secretary.handle)
    world.taps("Bình", "cell.nudge_yes=3", secretary.handle)  # twice: one reminder
    world.tick()
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}
    world.at("2026-12-08 08:00")
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}
    world.at("2026-12-08 14:00")
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_closed_early_cancels_everything_that_waits(world: World) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()
    with world.database.transaction() as db:
        season.close_cycle(db, world.cycle, world.now)
    world.deliver()
    for day in (2, 8, 11, 14, 15, 16):
        world.at(f"2026-12-{day:02} 08:00")
    assert world.messages == {}


def test_a_pause_cancels_and_resuming_does_not_replay(world: World) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()
    with world.database.transaction() as db:
        notes.write(db, notes.PAUSED, "yes")
    world.deliver()
    world.at("2026-12-01 08:30")
    world.at("2026-12-08 08:00")
    with world.database.transaction() as db:
        notes.write(db, notes.PAUSED, None)
    world.at("2026-12-08 10:00")
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}
    world.at("2026-12-11 08:00")
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_a_cloned_season_is_only_rehearsed_until_it_is_opened(database: Database) -> None:
    world = World(database)
    found = season.rehearse(database, replace(CYCLE, code="2027"), world.now)
    assert isinstance(found, Opening)
    with database.transaction(read_only=True) as db:
        rows = [db.scalar(sa.select(sa.func.count()).select_from(t)) for t in (m.Cycle, m.Assessment, m.Outgoing)]
    assert rows == [0, 0, 0]


def test_a_moved_deadline_reminds_from_now_on_and_repeats_nothing(world: World) -> None:
    world.at("2026-12-08 08:00")
    assert world.everybody()["An"] == 1
    later = timedelta(days=7)
    with world.database.transaction() as db:
        season.move_deadline(db, world.cycle, CYCLE.due + later, CYCLE.closes + later, world.now)
    world.tick()
    world.at("2026-12-09 08:00")  # the slots of the first schedule are gone, those of the new one before now as well
    world.at("2026-12-14 08:00")
    assert world.everybody()["An"] == 0
    assert world.assessment("An").remind_at == datetime(2026, 12, 15, 8, tzinfo=SAIGON)
    world.at("2026-12-15 08:00")
    assert world.received("An")[0].splitlines()[0] == (
        "Còn 7 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 22/12/2026)."
    )


def test_reopened_reviews_are_reminded_from_now(world: World) -> None:
    world.submits("An")
    world.at("2026-12-09 09:00")
    world.put("An", state=m.RETURNED)
    with world.database.transaction() as db:
        season.reschedule(db, world.cycle, world.now)
    world.tick()
    assert world.received("An") == []
    assert world.assessment("An").remind_at == datetime(2026, 12, 11, 8, tzinfo=SAIGON)


def test_what_changes_before_the_sending_is_in_the_words(world: World) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()
    world.put("An", state=m.IN_PROGRESS, place="more")
    world.deliver()
    assert world.received("An")[0].splitlines()[1] == (
        "Đồng chí đang dừng ở Câu 2/3. Những câu đã trả lời vẫn còn nguyên."
    )


def test_who_blocked_the_bot_gets_nothing_more_and_the_secretary_sees_it(world: World) -> None:
    world.block("An")
    world.at("2026-12-01 08:00")
    assert world.everybody() == {"An": 0, "Hoa": 1, "Lan": 1, "Tú": 1}
    world.at("2026-12-01 17:00")
    assert "Chưa bắt đầu (6): An (không nhắn được), Bình, Em, Hoa, Lan, Tú." in world.received("Bình")[-1].splitlines()


def test_who_blocked_one_channel_is_reminded_on_the_other(world: World) -> None:
    world.block("An")
    world.link("An", "web")
    with world.database.transaction() as db:
        db.execute(sa.update(m.Address).where(m.Address.channel == "web").values(channel="zalo"))
    world.at("2026-12-01 08:00")
    with world.database.transaction(read_only=True) as db:
        waiting = db.execute(
            sa.select(m.Address.channel).join(m.Outgoing).where(m.Outgoing.person_id == world.ids["An"])
        )
        assert list(waiting.scalars()) == ["fake", "zalo"]  # the first notice of the season, then this reminder


@pytest.mark.parametrize("reason", ["miễn công tác và sinh hoạt đảng", "chuyển sinh hoạt đảng", "từ trần"])
def test_who_is_exempt_now_is_no_longer_reminded_and_counted_apart(world: World, reason: str) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()  # the reminder waits already
    world.roster("An", exempt_reason=reason)
    with world.database.transaction() as db:
        assert sync_assessments(db, world.cycle, world.now).exempted == 1
    world.deliver()
    assert world.everybody() == {"An": 0, "Hoa": 1, "Lan": 1, "Tú": 1}
    world.at("2026-12-01 17:00")
    digest = world.received("Bình")[-1].splitlines()
    assert "Đã nộp 0/5 (0 %). Còn 14 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026)." in digest
    assert f"Không kiểm điểm kỳ này (1): An ({reason})." in digest


def test_a_server_down_for_two_days_makes_up_for_nothing(world: World) -> None:
    world.at("2026-12-03 09:00")
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}
    assert world.assessment("An").remind_at == datetime(2026, 12, 8, 8, tzinfo=SAIGON)


def test_after_an_outage_over_several_slots_one_reminder_is_sent(database: Database) -> None:
    daily = tuple(Slot(-day, time(hour)) for day in range(10) for hour in (8, 14))
    world = World(database, replace(CYCLE, slots=daily, minimum_gap=timedelta(0)))
    world.opens()
    world.at("2026-12-07 15:00")  # five slots have passed since Friday, two of them today
    world.tick()
    assert world.everybody(["An"]) == {"An": 2}  # the first notice and one reminder
    assert world.assessment("An").reminded == 1


def test_running_the_jobs_twice_or_late_the_same_day_reminds_once(world: World) -> None:
    for minute in range(3):
        world.at(f"2026-12-01 09:0{minute}")
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}
    assert world.assessment("An").reminded == 1


def test_a_slot_that_is_found_at_night_is_over(world: World) -> None:
    world.at("2026-12-01 21:00")
    world.at("2026-12-02 08:00")
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}


def test_nobody_is_reminded_more_often_than_the_season_says(database: Database) -> None:
    world = World(database, replace(CYCLE, at_most=2))
    world.opens()
    for day in range(1, 19):
        world.at(f"2026-12-{day:02} 08:00")
    # the first notice, two reminders, and the deadline's own
    assert world.everybody() == {"An": 4, "Hoa": 4, "Lan": 4, "Tú": 4}
    assert world.assessment("An").remind_at is None


def test_the_whole_season_reminds_at_each_slot_once(world: World) -> None:
    sent = []
    for day in range(25, 50):
        moment = datetime(2026, 11, 1, tzinfo=SAIGON) + timedelta(days=day - 1)
        for hour in (0, 7, 8, 12, 17, 20, 23):
            world.at(f"{moment:%Y-%m-%d} {hour:02}:00")
            sent += [(f"{moment:%d/%m}", text.split(" (")[0]) for text in world.received("An")]
    assert sent == [
        ("01/12", "Còn 14 ngày nữa là hết hạn nộp bản kiểm điểm"),
        ("08/12", "Còn 7 ngày nữa là hết hạn nộp bản kiểm điểm"),
        ("11/12", "Còn 4 ngày nữa là hết hạn nộp bản kiểm điểm"),
        ("14/12", "Ngày mai là hạn nộp bản kiểm điểm"),
        ("15/12", "Hôm nay là hạn nộp bản kiểm điểm"),
        ("16/12", "Đã quá hạn nộp bản kiểm điểm"),
    ]


# ------------------------------------------------------------------ what a person asks for


def tap(world: World, name: str, move: str) -> Message:
    """What the bot answers to a button of a reminder."""
    assessment = world.assessment(name)
    return world.taps(name, f"{assessment.id}.{move}", fill.handle)[0]


def test_tonight_comes_tonight_even_though_a_reminder_came_this_morning(world: World) -> None:
    world.at("2026-12-01 08:00")
    world.messages.clear()
    assert tap(world, "An", "tonight").text == "Vâng, sẽ nhắc đồng chí lúc 19:30 ngày 01/12/2026."
    world.at("2026-12-01 19:29")
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}
    world.at("2026-12-01 19:30")
    assert world.everybody() == {"An": 1, "Hoa": 0, "Lan": 0, "Tú": 0}
    world.at("2026-12-02 08:00")
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}


def test_snoozing_takes_back_a_reminder_that_waits(world: World) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()
    tap(world, "An", "tomorrow")
    world.deliver()
    assert world.everybody() == {"An": 0, "Hoa": 1, "Lan": 1, "Tú": 1}
    world.at("2026-12-02 08:00")
    assert world.everybody() == {"An": 1, "Hoa": 0, "Lan": 0, "Tú": 0}


def test_tonight_is_on_offer_until_seven_in_the_evening(world: World) -> None:
    world.at("2026-12-01 19:00")
    assert [move.label for move in tap(world, "An", "why").moves] == ["Tiếp tục", "Tối nay", "Ngày mai"]
    world.at("2026-12-01 19:01")
    late = tap(world, "An", "tonight")
    assert late.text == "Tối nay đã muộn, trợ lý không nhắc nữa. Đồng chí có thể hẹn ngày mai."
    assert [move.label for move in late.moves] == ["Tiếp tục", "Ngày mai"]
    assert world.assessment("An").snoozed_until is None


def test_why_says_the_rule_the_next_one_and_how_it_ends(world: World) -> None:
    world.at("2026-12-01 08:00")
    assert tap(world, "An", "why").text == (
        "Đồng chí nhận tin này vì chưa nộp bản kiểm điểm (Kiểm điểm năm 2026).\n\n"
        "• Đã nhắc 1 lần. Lần tới: 08:00 ngày 08/12/2026.\n"
        "• Trợ lý tự nhắc nhiều nhất 6 lần, cách nhau ít nhất 20 giờ, chưa kể ngày hết hạn và "
        "những lần đồng chí tự hẹn; không nhắc ngày nghỉ và từ 20:30 đến 07:30.\n"
        "• Nộp xong là hết nhắc. Bí thư chi bộ chỉ thấy đồng chí đã nộp hay chưa, không thấy nội dung đang viết."
    )


def test_who_has_submitted_asks_for_nothing_any_more(world: World) -> None:
    world.submits("An")
    tap(world, "An", "tonight")
    assert world.assessment("An").snoozed_until is None
    assert world.assessment("An").remind_at is None


def test_what_a_notice_offers_may_be_typed_as_long_as_it_was_said_last(world: World) -> None:
    world.at("2026-12-01 08:00")
    number = world.assessment("An").id
    for words, meant in (("toi nay", Tapped(f"{number}.tonight")), ("Mai kia", Said("Mai kia"))):
        with world.database.transaction() as db:
            assert offered.typed(world.turn(db, "An", Said(words))).event == meant
    world.at("2026-12-01 17:00")
    with world.database.transaction() as db:
        turn = world.turn(db, "Bình", Said("Nhắc các đồng chí chưa nộp"))
        assert offered.typed(turn).event == Tapped("cell.nudge=3")
        late = world.turn(db, "Bình", Said("Tối nay"))  # the reminder of this morning is no longer the last thing said
        assert offered.typed(late).event == Said("Tối nay")


def test_what_was_said_last_is_what_was_sent_last_not_what_was_put_last(world: World) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()  # the reminder waits
    with world.database.transaction() as db:
        address = world.turn(db, "An", Said("")).address.id
        outbox.put(
            db,
            key="reply:1",
            kind=m.REPLY,
            address_id=address,
            now=world.now,
            body=dumps(Message("Vâng.")),
            state=m.SENT,
        )
    world.now += timedelta(minutes=1)
    world.deliver()
    with world.database.transaction() as db:
        number = world.assessment("An").id
        assert offered.typed(world.turn(db, "An", Said("Tối nay"))).event == Tapped(f"{number}.tonight")


def test_no_reminder_is_promised_for_after_the_closing(world: World) -> None:
    world.at("2026-12-18 10:00")
    assert tap(world, "An", "tomorrow").text.startswith("Đến lúc đó đã hết thời gian nhận")


def test_a_page_that_rings_nobody_does_not_count_as_reminded(world: World) -> None:
    world.block("An")
    world.link("An", "web")
    world.at("2026-12-01 08:00")
    assert world.assessment("An").reminded == 0
    world.at("2026-12-01 17:00")
    assert "Chưa bắt đầu (6): An (không nhắn được), Bình, Em, Hoa, Lan, Tú." in world.received("Bình")[-1].splitlines()


# ------------------------------------------------------------------ what was claimed once and did not get out


@pytest.mark.parametrize("happens", ["submits", "exempt", "paper", "snoozes", "pause", "night"])
def test_a_reminder_that_could_not_be_sent_is_asked_again_before_it_goes_out(world: World, happens: str) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()
    world.flood("An")
    match happens:
        case "submits":
            world.submits("An")
        case "exempt":
            world.roster("An", exempt_reason="từ trần")
            with world.database.transaction() as db:
                sync_assessments(db, world.cycle, world.now)
        case "paper":
            with world.database.transaction() as db:
                enrolments.on_paper(db, world.ids["An"], world.cycle.id)
        case "snoozes":
            tap(world, "An", "tomorrow")
        case "pause":
            with world.database.transaction() as db:
                notes.write(db, notes.PAUSED, "yes")
    world.at("2026-12-01 20:45" if happens == "night" else "2026-12-01 08:02")
    assert world.everybody(["An"]) == {"An": 0}


def test_a_reminder_that_goes_out_after_a_429_says_what_is_true_then_and_counts_once(world: World) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()
    world.flood("An")
    assert (world.assessment("An").reminded, world.assessment("An").reminded_at) == (0, None)
    world.put("An", state=m.IN_PROGRESS, place="more")
    world.at("2026-12-01 08:02")
    assert [text.splitlines()[1] for text in world.received("An")] == [
        "Đồng chí đang dừng ở Câu 2/3. Những câu đã trả lời vẫn còn nguyên."
    ]
    assert world.assessment("An").reminded == 1
    assert world.assessment("An").reminded_at == datetime(2026, 12, 1, 8, 2, tzinfo=SAIGON)
    world.at("2026-12-01 09:00")
    assert world.everybody(["An"]) == {"An": 0}


def test_a_reminder_that_never_got_out_takes_nothing_from_the_next_one(database: Database) -> None:
    world = World(database, replace(CYCLE, at_most=1, slots=(Slot(-14, time(19)), Slot(-13, time(8)))))
    world.opens()
    world.tick()
    world.messages.clear()
    world.now = datetime(2026, 12, 1, 19, tzinfo=SAIGON)
    world.jobs()
    world.flood("An", seconds=7200)  # until the quiet hours: it expires
    world.at("2026-12-01 21:30")
    world.at("2026-12-02 08:00")  # at most one, and twenty hours between two: neither was used up
    assert world.everybody() == {"An": 1, "Hoa": 0, "Lan": 0, "Tú": 0}
    assert world.assessment("An").reminded == 1


def test_a_refused_reminder_does_not_count(world: World) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()
    with world.database.transaction() as db:
        row = claims.claim_notice(db, "test", ("fake", ""), world.now, worded)
        assert row is not None
        claims.finish(db, row.key, "test", m.REFUSED, "bad request")
    with world.database.transaction(read_only=True) as db:
        assert row.assessment_id is not None
        refused = assessments.by_id(db, row.assessment_id)
    assert refused is not None
    assert (refused.reminded, refused.reminded_at) == (0, None)


def test_a_reminder_of_which_nobody_knows_counts_as_sent(world: World) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()
    with world.database.transaction() as db:
        row = claims.claim_notice(db, "test", ("fake", ""), world.now, worded)
        assert row is not None
        claims.finish(db, row.key, "test", m.UNSURE, "cut off")
    with world.database.transaction(read_only=True) as db:
        assert row.assessment_id is not None
        unsure = assessments.by_id(db, row.assessment_id)
    assert unsure is not None
    assert (unsure.reminded, unsure.reminded_at) == (1, world.now)


def test_an_undone_count_gives_no_reminder_back_to_who_submitted_while_it_was_on_its_way(world: World) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()
    with world.database.transaction() as db:
        row = claims.claim_notice(db, "test", ("fake", ""), world.now, worded)
        assert row is not None
        name = row.chat.removeprefix("fake/")
    world.submits(name)
    with world.database.transaction() as db:
        claims.put_back(db, row.key, "test", world.now, counted=False, parts_sent=0)
    assert world.assessment(name).remind_at is None


def test_who_blocks_the_bot_and_is_known_by_an_event_is_reminded_on_the_other_channel(world: World) -> None:
    world.now = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    world.jobs()
    other = world.link("An", "web")
    with world.database.transaction() as db:
        assert route(world.turn(db, "An", Sent("blocked"))) == []
    with world.database.transaction(read_only=True) as db:
        rows = db.execute(
            sa.select(m.Outgoing.state, m.Outgoing.address_id, m.Outgoing.sender).where(
                m.Outgoing.person_id == world.ids["An"], m.Outgoing.kind == m.REMINDER
            )
        )
        assert [tuple(row) for row in rows] == [(m.QUEUED, other, "web:")]


def test_the_first_notice_states_the_deadline_as_it_is_when_it_goes_out(database: Database) -> None:
    world = World(database)
    world.now = datetime(2026, 11, 25, 22, tzinfo=SAIGON)
    world.opens()
    later = timedelta(days=7)
    with database.transaction() as db:
        season.move_deadline(db, world.cycle, CYCLE.due + later, CYCLE.closes + later, world.now)
    world.at("2026-11-26 07:30")
    assert ["17:00 ngày 22/12/2026" in text for text in world.received("An")] == [True]


@pytest.mark.parametrize("state", [m.SUBMITTED, m.EXEMPT, m.PAPER])
def test_the_first_notice_goes_to_nobody_who_owes_nothing_any_more(database: Database, state: str) -> None:
    world = World(database)
    world.now = datetime(2026, 11, 25, 22, tzinfo=SAIGON)
    world.opens()
    world.put("An", state=state, remind_at=None)
    world.at("2026-11-26 07:30")
    assert world.everybody() == {"An": 0, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_a_first_notice_that_could_not_be_sent_is_asked_again(database: Database) -> None:
    world = World(database)
    world.opens()
    world.flood("An")
    world.submits("An")
    world.flood("Hoa")
    later = timedelta(days=7)
    with database.transaction() as db:
        season.move_deadline(db, world.cycle, CYCLE.due + later, CYCLE.closes + later, world.now)
    world.now += timedelta(minutes=2)
    world.deliver()
    assert world.everybody(["An"]) == {"An": 0}
    assert ["17:00 ngày 22/12/2026" in text for text in world.received("Hoa")] == [True]


def test_a_first_notice_found_at_night_waits_for_the_morning(database: Database) -> None:
    world = World(database)
    world.opens()
    world.at("2026-11-25 22:00")  # nothing ran since the opening
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}
    world.at("2026-11-26 07:30")
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_a_first_notice_that_is_claimed_too_early_waits_for_the_opening(database: Database) -> None:
    world = World(database)
    world.now = datetime(2026, 11, 20, 15, tzinfo=SAIGON)
    world.opens()
    world.execute(sa.update(m.Outgoing).values(due_at=world.now))
    world.deliver()
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}
    world.at("2026-11-25 08:00")
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_a_nudge_for_the_morning_that_is_claimed_at_night_waits_for_the_morning(world: World) -> None:
    world.at("2026-12-02 21:00")
    nudge(world, "1")
    world.execute(sa.update(m.Outgoing).where(m.Outgoing.kind == m.REMINDER).values(due_at=world.now))
    world.deliver()
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}
    world.at("2026-12-03 07:30")
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}


# ------------------------------------------------------------------ asked for, the limit, the last day


def test_a_second_snooze_on_one_day_is_kept_too(world: World) -> None:
    world.at("2026-12-01 08:00")
    tap(world, "An", "tomorrow")
    world.messages.clear()
    world.at("2026-12-02 08:00")
    assert world.everybody(["An"]) == {"An": 1}
    assert tap(world, "An", "tonight").text == "Vâng, sẽ nhắc đồng chí lúc 19:30 ngày 02/12/2026."
    world.at("2026-12-02 19:30")
    assert world.everybody(["An"]) == {"An": 1}
    assert world.states("An") == {
        "2026-12-01": m.SENT,
        "2026-12-02:snooze:0800": m.SENT,
        "2026-12-02:snooze:1930": m.SENT,
    }


def test_what_a_person_asked_for_takes_nothing_from_the_automatic_reminders(database: Database) -> None:
    world = World(database, replace(CYCLE, at_most=4))
    world.opens()
    told = []
    for day in range(1, 19):
        world.at(f"2026-12-{day:02} 08:00")
        if world.received("An"):
            told.append(day)
            if day in (1, 8, 11):
                tap(world, "An", "tomorrow")
    assert told == [1, 2, 8, 9, 11, 12, 14, 15]
    assert world.assessment("An").reminded == 5  # four, and the deadline's own


def test_who_was_reminded_as_often_as_allowed_may_still_ask_for_more(database: Database) -> None:
    world = World(database, replace(CYCLE, at_most=1))
    world.opens()
    world.at("2026-12-01 08:00")
    world.messages.clear()
    tap(world, "An", "tonight")
    world.at("2026-12-01 19:30")
    assert world.everybody(["An"]) == {"An": 1}
    tap(world, "An", "tomorrow")
    world.at("2026-12-02 08:00")
    assert world.everybody(["An"]) == {"An": 1}
    world.at("2026-12-08 08:00")
    assert world.everybody(["An"]) == {"An": 0}


def test_the_deadlines_own_reminder_is_never_lost_to_the_limit(database: Database) -> None:
    world = World(database, replace(CYCLE, at_most=2))
    world.opens()
    told = []
    for day in range(1, 19):
        world.at(f"2026-12-{day:02} 08:00")
        told += [day] if world.received("An") else []
    assert told == [1, 8, 15]


def test_a_long_gap_moves_the_deadlines_own_reminder_to_no_other_day_once_the_limit_is_reached() -> None:
    rules = replace(CYCLE, minimum_gap=timedelta(hours=36))
    eve = datetime(2026, 12, 14, 20, tzinfo=SAIGON)
    assert next_reminder(rules, reminded=rules.at_most, reminded_at=eve, snoozed_until=None, after=eve) is None


def test_a_moved_deadline_has_its_own_reminder_too(database: Database) -> None:
    world = World(database, replace(CYCLE, at_most=2))
    world.opens()
    world.at("2026-12-01 08:00")
    world.at("2026-12-08 08:00")
    later = timedelta(days=7)
    with database.transaction() as db:
        season.move_deadline(db, world.cycle, CYCLE.due + later, CYCLE.closes + later, world.now)
    world.messages.clear()
    told = []
    for day in range(9, 26):
        world.at(f"2026-12-{day:02} 08:00")
        told += [day] if world.received("An") else []
    assert told == [22]


# ------------------------------------------------------------------ the closing day


def test_on_the_closing_day_the_digest_says_who_never_submitted(world: World) -> None:
    for name in ("An", "Hoa", "Lan"):
        world.submits(name)
    world.at("2026-12-18 17:01")
    last = world.received("Bình")[-1]
    assert last.splitlines()[1] == ("Đã nộp 3/6 (50 %). Kỳ kiểm điểm đã đóng lúc 17:00 ngày 18/12/2026.")
    assert "Chưa bắt đầu (3): Bình, Em, Tú." in last.splitlines()
    world.at("2026-12-21 17:01")
    assert world.received("Bình") == []


def test_a_program_that_was_down_at_the_closing_says_it_on_the_same_day(world: World) -> None:
    world.at("2026-12-18 19:30")
    assert len(world.received("Bình")) == 1
    world.at("2026-12-19 07:30")
    assert world.received("Bình") == []


def test_a_season_that_closes_before_the_digests_hour_has_its_last_digest_as_it_closes(database: Database) -> None:
    world = World(database, replace(CYCLE, closes=datetime(2026, 12, 18, 12, tzinfo=SAIGON)))
    world.opens()
    world.at("2026-12-18 11:59")
    world.messages.clear()
    world.at("2026-12-18 12:01")
    assert len(world.received("Bình")) == 1
    world.at("2026-12-18 17:00")
    assert world.received("Bình") == []


def test_a_season_closed_by_hand_says_nothing_more(world: World) -> None:
    world.now = datetime(2026, 12, 18, 17, tzinfo=SAIGON)
    world.jobs()
    with world.database.transaction() as db:
        season.close_cycle(db, world.cycle, world.now)
    world.deliver()
    world.at("2026-12-18 17:30")
    assert world.received("Bình") == []


def test_a_digest_on_its_way_when_the_season_is_closed_by_hand_is_not_tried_again(world: World) -> None:
    world.now = datetime(2026, 12, 1, 17, tzinfo=SAIGON)
    world.jobs()
    world.execute(sa.delete(m.Outgoing).where(m.Outgoing.kind == m.REMINDER))
    with world.database.transaction() as db:
        row = claims.claim_notice(db, "test", ("fake", ""), world.now, worded)
    assert row is not None
    with world.database.transaction() as db:
        season.close_cycle(db, world.cycle, world.now)
        claims.put_back(db, row.key, "test", world.now, counted=False, parts_sent=0)
    world.now += timedelta(minutes=1)
    world.deliver()
    assert world.messages == {}


# ------------------------------------------------------------------ the secretary's own reminder


def nudge(world: World, key: str) -> str:
    """What the bot answers to the secretary who confirms a nudge, in a turn of its own."""
    with world.database.transaction() as db:
        turn = replace(world.turn(db, "Bình", Tapped("cell.nudge_yes=3")), key=key)
        return secretary.handle(turn)[0].text


def test_a_nudge_dropped_by_a_pause_may_be_repeated_the_same_day(world: World) -> None:
    world.at("2026-12-02 09:00")
    assert nudge(world, "1") == "Đã gửi lời nhắc tới 5 đồng chí."
    with world.database.transaction() as db:
        pause(db, world.now, "vi")
    world.at("2026-12-02 10:00")
    with world.database.transaction() as db:
        resume(db, world.now, "vi")
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}
    assert nudge(world, "2") == "Đã gửi lời nhắc tới 5 đồng chí."
    assert nudge(world, "3") == "Lúc này không nhắc thêm được đồng chí nào."  # they wait already
    world.tick()
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_a_nudge_leaves_those_alone_who_asked_to_be_reminded_later_and_says_so(world: World) -> None:
    world.at("2026-12-01 08:00")
    tap(world, "An", "tomorrow")
    world.at("2026-12-02 07:45")
    world.messages.clear()
    asked = world.taps("Bình", "cell.nudge=3", secretary.handle)[0].text
    assert "Đã hẹn được nhắc sau, chưa nhắc thêm: An." in asked.split("\n\n")


def test_a_nudge_counts_and_keeps_the_gap_at_its_claim(world: World) -> None:
    world.at("2026-12-02 09:00")
    nudge(world, "1")
    world.flood("An")
    with world.database.transaction() as db:  # somebody else's reminder reached An meanwhile
        db.execute(
            sa.update(m.Assessment).where(m.Assessment.person_id == world.ids["An"]).values(reminded_at=world.now)
        )
    world.at("2026-12-02 09:05")
    assert world.everybody(["An"]) == {"An": 0}
