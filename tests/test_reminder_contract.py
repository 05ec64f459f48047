"""The reminder contract, row by row, on a moved clock."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
import sqlalchemy as sa

from bot import season
from bot.opening import Opening
from bot.season_follows import sync_assessments
from handlers import fill, offered, secretary
from handlers.cycle_files import load
from handlers.cycles import Slot
from handlers.messages import Message, Said, Tapped
from storage import models as m
from storage import notes
from storage.database import Database
from tests.season import CYCLE, FORM, SAIGON, World

FIRST = (
    "Còn 14 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026).\n"
    "Đồng chí chưa bắt đầu. Có thể trả lời dần, dừng lúc nào cũng được."
)


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


def test_who_withdraws_or_is_returned_is_reminded_again_in_other_words(world: World) -> None:
    for name in ("An", "Hoa"):
        world.submits(name)
    world.at("2026-12-01 08:00")
    assert world.everybody(["An", "Hoa"]) == {"An": 0, "Hoa": 0}
    world.put("An", state=m.IN_PROGRESS)
    world.put("Hoa", state=m.RETURNED)
    with world.database.transaction() as db:
        season.reschedule(db, world.cycle, world.now)
    world.at("2026-12-08 08:00")
    assert [text.splitlines()[1] for name in ("An", "Hoa") for text in world.received(name)] == [
        "Đồng chí đã mở lại bản kiểm điểm để sửa và chưa nộp lại.",
        "Bản kiểm điểm của đồng chí được đề nghị bổ sung. Mời đồng chí bổ sung rồi nộp lại.",
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
    found = season.rehearse(database, replace(CYCLE, code="2027"), {"short": FORM}, world.now)
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
    assert "Không liên lạc được (1): An." in world.received("Bình")[-1].splitlines()


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
    assert world.everybody() == {"An": 3, "Hoa": 3, "Lan": 3, "Tú": 3}  # the first notice and two reminders
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
        "• Trợ lý tự nhắc nhiều nhất 6 lần, cách nhau ít nhất 20 giờ; không nhắc ngày nghỉ và từ 20:30 đến 07:30.\n"
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


def test_no_reminder_is_promised_for_after_the_closing(world: World) -> None:
    world.at("2026-12-18 10:00")
    assert tap(world, "An", "tomorrow").text.startswith("Đến lúc đó đã hết thời gian nhận")


def test_a_page_that_rings_nobody_does_not_count_as_reminded(world: World) -> None:
    world.block("An")
    world.link("An", "web")
    world.at("2026-12-01 08:00")
    assert world.assessment("An").reminded == 0
    world.at("2026-12-01 17:00")
    assert "Chỉ dùng trang web, cần gọi điện (1): An." in world.received("Bình")[-1].splitlines()
