"""The digest of a cell, on its day and on demand, and the roll-up of those above."""

from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa

from bot import jobs
from bot.season_follows import sync_assessments
from handlers import digests, officer, secretary
from handlers.rollup import Summary, Tally
from storage import assessments
from storage import models as m
from storage.database import Database
from tests.season import SAIGON, World
from tests.world import demo_cycle


@pytest.fixture
def world(sqlite: Database) -> World:
    """An open season; the first notices are sent and read."""
    made = World(sqlite)
    made.opens()
    made.tick()
    made.messages.clear()
    return made


def test_the_digest_says_for_each_missing_member_why_and_the_one_thing_to_do(database: Database) -> None:
    world = World(database)
    world.person("Mai", unit=3, linked="")
    world.person("Nga", unit=3, linked="web")
    world.person("Oanh", unit=3)
    world.person("Phúc", unit=3, exempt_reason="đình chỉ sinh hoạt đảng")
    world.person("Quý", unit=3, admitted_on=date(2026, 6, 2))
    world.person("Sơn", unit=3, form=None)
    world.opens()
    world.tick()
    world.put("Hoa", state=m.IN_PROGRESS, place="more", active_at=world.now)
    world.put("Lan", state=m.RETURNED, place="review", submitted_at=world.now)
    world.put("Tú", state=m.PAPER, remind_at=None)
    world.put("Em", state=m.IN_PROGRESS, place="review/2", active_at=world.now)
    world.block("Oanh")
    world.submits("An")
    world.messages.clear()
    world.at("2026-11-25 17:00")
    assert world.received("Bình") == [
        "Chi bộ 1 · 25/11/2026\n"
        "Đã nộp 1/10 (10 %). Còn 20 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026).\n"
        "\n"
        "Cần bổ sung (1): Lan (chờ xem lại và nộp).\n"
        "Đang làm (2): Em (chờ xem lại và nộp), Hoa (Câu 2/3).\n"
        "Chưa bắt đầu (3): Bình, Nga (không nhắn được), Oanh (không nhắn được).\n"
        "Chưa liên kết (1): Mai.\n"
        "Chưa được phân mẫu (1): Sơn.\n"
        "Viết bản giấy (1): Tú.\n"
        "Không kiểm điểm kỳ này (2): Phúc (đình chỉ sinh hoạt đảng), Quý (mới kết nạp chưa đủ 6 tháng).\n"
        "\n"
        "Nên làm: báo cán bộ phụ trách phân mẫu cho 1 đồng chí."
    ]


def test_the_next_digest_says_what_changed_since_the_last_one_this_reader_got(world: World) -> None:
    world.at("2026-11-25 17:00")
    world.messages.clear()
    world.at("2026-11-26 09:00")
    world.submits("An")
    world.put("Hoa", state=m.IN_PROGRESS, place="strengths", active_at=world.now)
    world.at("2026-11-26 17:00")
    assert world.received("Em") == [
        "Chi bộ 1 · 26/11/2026\n"
        "Đã nộp 1/6 (16 %). Còn 19 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026).\n"
        "Mới nộp: An.\n"
        "\n"
        "Đang làm (1): Hoa (Câu 1/3).\n"
        "Chưa bắt đầu (4): Bình, Em, Lan, Tú.\n"
        "\n"
        "So với lần trước: đã nộp +1, đang làm +1, chưa bắt đầu −2.\n"
        "Nên làm: nhắc 4 đồng chí chưa bắt đầu."
    ]
    world.at("2026-11-27 17:00")
    assert world.received("Em")[0].splitlines()[-2] == "So với lần trước: không đổi."


def test_a_digest_comes_once_a_day_at_its_time_on_working_days(world: World) -> None:
    days = []
    for day in range(25, 32):
        at = datetime(2026, 11, 1, tzinfo=SAIGON) + timedelta(days=day - 1)
        for time in ("08:00", "16:59", "17:00", "17:01", "19:00", "21:00"):
            world.at(f"{at:%Y-%m-%d} {time}")
            days += [f"{at:%a %d/%m} {time}" for _ in world.received("Chi")]
    assert days == [
        "Wed 25/11 17:00",
        "Thu 26/11 17:00",
        "Fri 27/11 17:00",
        "Mon 30/11 17:00",
        "Tue 01/12 08:00",  # Chi is a member too: her own reminder
        "Tue 01/12 17:00",
    ]


def test_a_digest_is_silent_once_nothing_is_left_to_do(world: World) -> None:
    for name in ("An", "Hoa", "Lan", "Tú", "Bình", "Em"):
        world.submits(name)
    world.at("2026-11-26 17:00")
    assert world.everybody(["Bình", "Em", "Chi"]) == {"Bình": 0, "Em": 0, "Chi": 1}


def test_late_work_is_counted_as_late(world: World) -> None:
    world.at("2026-12-16 09:00")
    world.submits("An")
    world.messages.clear()
    world.at("2026-12-16 17:00")
    assert world.received("Bình")[0].splitlines()[1:4] == [
        "Đã nộp 1/6 (16 %). Đã quá hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026). "
        "Vẫn nộp được đến 17:00 ngày 18/12/2026, ghi là nộp muộn.",
        "Nộp muộn: 1.",
        "",
    ]


def test_a_reopened_review_counts_as_submitted_and_is_marked(world: World) -> None:
    world.at("2026-12-09 09:00")
    world.submits("An")
    world.put("An", place="review/1")
    assert world.taps("Bình", "cell.show=3", secretary.handle)[0].text.split("\n\n")[0].splitlines()[1:] == [
        "Đã nộp 1/6 (16 %). Còn 6 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026).",
        "Đang sửa lại, bản đã nộp vẫn có hiệu lực (1): An.",
    ]


def test_a_correction_after_the_deadline_is_told_with_both_times_and_not_counted_as_late(world: World) -> None:
    for at, late in (("2026-12-10 09:00", False), ("2026-12-16 10:30", True)):
        world.at("2026-12-15 17:00" if late else at)
        world.at(at)
        world.submits("An")
        with world.database.transaction() as db:
            number = world.assessment("An").id
            assessments.submit(
                db, number, snapshot={}, receipt="7K2P", late=late, level=None, score=None, now=world.now
            )
    world.submits("Hoa")
    world.messages.clear()
    world.at("2026-12-16 17:00")
    assert world.received("Bình")[-1].split("\n\n")[0].splitlines()[2:] == [
        "Mới nộp: An (nộp lại), Hoa.",
        "Nộp muộn: 1.",
        "Đã nộp đúng hạn, sửa lại sau hạn (1): An (nộp 09:00 ngày 10/12/2026, nộp lại 10:30 ngày 16/12/2026).",
    ]


def test_a_secretary_who_is_replaced_loses_sight_at_once(world: World) -> None:
    world.now = datetime(2026, 11, 26, 17, tzinfo=SAIGON)
    world.jobs()  # the digest waits already
    world.execute(sa.delete(m.Role).where(m.Role.person_id == world.ids["Bình"]))
    world.role("Lan", "secretary", 3)
    world.tick()
    assert world.everybody(["Bình", "Lan"]) == {"Bình": 0, "Lan": 1}
    assert [message.text for message in world.taps("Bình", "cell.show=3", secretary.handle)] == [
        "Mục này dành cho bí thư, phó bí thư chi bộ."
    ]


def test_who_moves_to_another_cell_is_counted_there(world: World) -> None:
    world.put("An", state=m.IN_PROGRESS, place="more", active_at=world.now)
    world.roster("An", unit_id=4)
    with world.database.transaction() as db:
        assert sync_assessments(db, world.cycle, world.now).moved == 1
    world.at("2026-11-26 17:00")
    assert "Đang làm (1): An (Câu 2/3)." in world.received("Chi")[0].splitlines()
    assert "An" not in world.received("Bình")[0]


def test_one_cell_that_cannot_be_worded_does_not_stop_the_others(world: World) -> None:
    world.put("Hoa", state=m.IN_PROGRESS, place="more", active_at=world.now)
    world.execute(sa.update(m.CycleForm).values(body="{", digest="broken"))
    world.now = datetime(2026, 11, 26, 17, tzinfo=SAIGON)
    world.jobs()
    broken = 0
    while True:
        try:
            if not world.deliver_one():
                break
        except Exception as error:
            broken += 1
            key = getattr(error, "key", "")
            world.execute(sa.update(m.Outgoing).where(m.Outgoing.key == key).values(state=m.REFUSED))
    assert broken == 2  # secretary and deputy of cell 1
    assert len(world.received("Chi")) == 1


def test_eight_hundred_cells_are_put_out_by_one_run_and_a_second_puts_none(sqlite: Database) -> None:
    world = World(sqlite)
    world.opens()
    with sqlite.transaction() as db:
        numbers = range(100, 900)
        units = [
            {"id": n, "parent_id": 2, "kind": "cell", "name": f"Chi bộ {n}", "key": f"c{n}", "path": f"1.2.{n}."}
            for n in numbers
        ]
        db.execute(sa.insert(m.Unit), units)
        db.execute(
            sa.insert(m.Person),
            [
                {"id": n, "code": f"X{n}", "name": "N", "name_key": "n", "birth_date": date(1980, 1, 1), "unit_id": n}
                for n in numbers
            ],
        )
        db.execute(
            sa.insert(m.Role),
            [{"person_id": n, "unit_id": n, "name": "secretary", "granted": False} for n in numbers],
        )
        chats = [
            {"channel": "fake", "chat": f"{n}", "person_id": n, "bot": "", "memory": {}, "last_seen": world.now}
            for n in numbers
        ]
        db.execute(sa.insert(m.Address), chats)
        sync_assessments(db, world.cycle, world.now)
    now = datetime(2026, 11, 26, 17, tzinfo=SAIGON)
    runs = []
    for _ in range(2):
        with sqlite.transaction() as db:
            runs.append(jobs.digest(db, now, world.cycle))
    assert [(run.expected, run.put_out) for run in runs] == [(804, 804), (804, 0)]


# ------------------------------------------------------------------ on demand, and the nudge


def test_the_secretary_sees_the_same_on_demand(world: World) -> None:
    world.now = datetime(2026, 11, 26, 10, tzinfo=SAIGON)
    shown = world.taps("Bình", "cell.show", secretary.handle)[0]
    assert shown.text == (
        "Chi bộ 1 · 26/11/2026\n"
        "Đã nộp 0/6 (0 %). Còn 19 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026).\n"
        "\n"
        "Chưa bắt đầu (6): An, Bình, Em, Hoa, Lan, Tú.\n"
        "\n"
        "Nên làm: nhắc 6 đồng chí chưa bắt đầu."
    )
    assert [(move.value, move.label) for move in shown.moves] == [("cell.nudge=3", "Nhắc các đồng chí chưa nộp")]


def test_a_forged_tap_shows_the_own_cell_never_another(world: World) -> None:
    for tap in ("cell.show=3", "cell.nudge=3", "cell.nudge_yes=3"):
        assert world.taps("Chi", tap, secretary.handle)[0].text.splitlines()[0] != "Chi bộ 1 · 25/11/2026"
    world.tick()
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}
    assert world.taps("An", "cell.show=3", secretary.handle)[0].text == "Mục này dành cho bí thư, phó bí thư chi bộ."
    assert world.taps("An", "committee.show=2", officer.handle)[0].text == "Mục này dành cho cán bộ phụ trách."
    for tap in ("committee.unit=1", "committee.unit=999", "committee.show=x/y"):
        assert world.taps("Dung", tap, officer.handle)[0].text.splitlines()[0] == "Đảng bộ Sở A · 25/11/2026"


def test_who_looks_after_two_cells_chooses(world: World) -> None:
    world.role("Bình", "deputy", 4)
    asked = world.taps("Bình", "cell.show", secretary.handle)[0]
    assert [(choice.value, choice.label) for choice in asked.choices] == [
        ("cell.show=3", "Chi bộ 1"),
        ("cell.show=4", "Chi bộ 2"),
    ]
    assert world.taps("Bình", "cell.show=4", secretary.handle)[0].text.splitlines()[0] == "Chi bộ 2 · 25/11/2026"


def test_a_nudge_is_confirmed_first_and_says_how_often_each_was_reminded(world: World) -> None:
    world.submits("Lan")
    world.block("Tú")
    world.at("2026-12-01 08:00")
    world.now = datetime(2026, 12, 2, 9, tzinfo=SAIGON)
    world.put("An", reminded_at=world.now)
    asked = world.taps("Bình", "cell.nudge=3", secretary.handle)[0]
    assert asked.text == (
        "Sẽ nhắc 2 đồng chí, ngay bây giờ:\n"
        "• Em (đã nhắc 1 lần, gần nhất 01/12)\n"
        "• Hoa (đã nhắc 1 lần, gần nhất 01/12)\n"
        "\n"
        "Vừa được nhắc trong 20 giờ qua, chưa nhắc thêm: An.\n"
        "\n"
        "Trợ lý không nhắn tới được, cần gọi điện hoặc gửi mã mời: Tú."
    )
    assert [move.value for move in asked.moves] == ["cell.nudge_yes=3", "cell.show=3"]
    world.messages.clear()
    assert world.taps("Bình", "cell.nudge_yes=3", secretary.handle)[0].text == "Đã gửi lời nhắc tới 2 đồng chí."
    world.deliver()
    assert world.everybody(["An", "Hoa", "Lan", "Tú", "Em"]) == {"An": 0, "Hoa": 1, "Lan": 0, "Tú": 0, "Em": 1}
    assert world.taps("Bình", "cell.nudge_yes=3", secretary.handle)[0].text == (
        "Lúc này không nhắc thêm được đồng chí nào."
    )


def test_a_nudge_at_night_waits_for_the_morning(world: World) -> None:
    world.now = datetime(2026, 12, 2, 22, tzinfo=SAIGON)
    answer = world.taps("Bình", "cell.nudge_yes=3", secretary.handle)[0].text
    assert answer == "Sẽ nhắc 5 đồng chí lúc 07:30 ngày 03/12/2026."
    world.tick()
    assert world.everybody() == {"An": 0, "Hoa": 0, "Lan": 0, "Tú": 0}
    world.at("2026-12-03 07:30")
    assert world.everybody() == {"An": 1, "Hoa": 1, "Lan": 1, "Tú": 1}


def test_who_uses_only_the_page_finds_the_nudge_there(world: World) -> None:
    world.block("Tú")
    world.link("Tú", "web")
    asked = world.taps("Bình", "cell.nudge=3", secretary.handle)[0]
    assert asked.text.splitlines()[0] == "Sẽ nhắc 4 đồng chí, ngay bây giờ:"
    assert [line for line in asked.text.splitlines() if "Tú" in line] == [asked.text.splitlines()[-1]]
    assert asked.text.splitlines()[-1] == (
        "Chỉ dùng trang web, lời nhắc sẽ hiện khi đồng chí ấy mở trang; nên gọi điện: Tú."
    )
    assert world.taps("Bình", "cell.nudge_yes=3", secretary.handle)[0].text == (
        "Đã gửi lời nhắc tới 4 đồng chí.\nLời nhắc sẽ hiện khi đồng chí ấy mở trang; nên gọi điện: Tú."
    )


def test_a_second_nudge_does_not_list_those_for_whom_one_waits(world: World) -> None:
    for name in ("An", "Hoa", "Lan", "Em"):
        world.submits(name)
    world.block("Tú")
    world.link("Tú", "web")
    assert world.taps("Bình", "cell.nudge_yes=3", secretary.handle)[0].text == (
        "Lời nhắc sẽ hiện khi đồng chí ấy mở trang; nên gọi điện: Tú."
    )
    asked = world.taps("Bình", "cell.nudge=3", secretary.handle)[0]
    assert asked.text == (
        "Lúc này không nhắc thêm được đồng chí nào.\n\nĐã có lời nhắc đang chờ gửi, hoặc chờ đồng chí ấy mở trang: Tú."
    )
    assert [move.value for move in asked.moves] == ["cell.show=3"]
    world.now += timedelta(days=1)  # nobody opened the page, and it has expired
    asked = world.taps("Bình", "cell.nudge=3", secretary.handle)[0]
    assert (asked.text, [move.value for move in asked.moves]) == (
        "Chỉ dùng trang web, lời nhắc sẽ hiện khi đồng chí ấy mở trang; nên gọi điện: Tú.",
        ["cell.nudge_yes=3", "cell.show=3"],
    )


CALL, WAIT = "Nên làm: gọi điện cho 1 đồng chí không nhắn được: An.", "Lúc này chưa phải nhắc thêm đồng chí nào."


@pytest.mark.parametrize(
    ("page", "active", "reminded", "waits", "to_do"),
    [
        (True, 0, None, False, "Nên làm: nhắc 1 đồng chí đang làm dở."),  # is writing
        (True, 4, None, False, CALL),  # has not been there for days
        (True, 4, 1, False, "Nên làm: nhắc 1 đồng chí đang làm dở."),  # the page showed a reminder yesterday
        (True, 1, None, True, CALL),  # one waits to be shown
        (True, 0, None, True, WAIT),
        (False, 0, None, False, CALL),  # blocked: nothing gets there
    ],
)
def test_of_who_uses_only_the_page_those_are_to_be_called_whom_it_does_not_reach_and_by_name(
    database: Database, page: bool, active: int, reminded: int | None, waits: bool, to_do: str
) -> None:
    world = World(database)
    world.opens()
    world.tick()
    world.at("2026-11-30 10:00")
    for name in ("Hoa", "Lan", "Em", "Bình", "Tú"):
        world.submits(name)
    world.block("An")
    if page:
        world.link("An", "web")
    if waits:
        world.taps("Bình", "cell.nudge_yes=3", secretary.handle)
    days = {
        name: None if ago is None else world.now - timedelta(days=ago, minutes=1)
        for name, ago in (("active_at", active), ("reminded_at", reminded))
    }
    world.put("An", state=m.IN_PROGRESS, place="more", **days)
    assert world.taps("Bình", "cell.show=3", secretary.handle)[0].text.splitlines()[-3:] == [
        "Đang làm (1): An (Câu 2/3; không nhắn được).",
        "",
        to_do,
    ]


def test_where_only_the_secretary_is_missing_no_nudge_is_offered(world: World) -> None:
    for name in ("An", "Hoa", "Lan", "Tú", "Em"):
        world.submits(name)
    shown = world.taps("Bình", "cell.show=3", secretary.handle)[0]
    assert (shown.text.splitlines()[-1], shown.moves) == (WAIT, ())
    deputys = world.taps("Em", "cell.show=3", secretary.handle)[0]
    assert (deputys.text.splitlines()[-1], [move.value for move in deputys.moves]) == (
        "Nên làm: nhắc 1 đồng chí chưa bắt đầu.",
        ["cell.nudge=3"],
    )
    world.messages.clear()
    world.at("2026-11-26 17:00")
    assert [(name, world.messages[name][-1].moves == ()) for name in ("Bình", "Em")] == [("Bình", True), ("Em", False)]


def test_where_all_have_a_reminder_waiting_or_had_one_just_now_no_nudge_is_offered(world: World) -> None:
    world.now = datetime(2026, 12, 2, 9, tzinfo=SAIGON)
    world.submits("Bình")
    for _ in range(2):
        world.taps("Bình", "cell.nudge_yes=3", secretary.handle)
        shown = world.taps("Bình", "cell.show=3", secretary.handle)[0]
        assert (shown.text.splitlines()[-1], shown.moves) == (WAIT, ())
        world.deliver()
    world.messages.clear()
    world.at("2026-12-02 17:00")  # to be tapped tomorrow
    assert [move.value for move in world.messages["Bình"][-1].moves] == ["cell.nudge=3"]


def test_a_digest_after_one_of_version_0_1_compares_only_what_both_counted(world: World) -> None:
    world.block("An")
    world.at("2026-11-25 17:00")
    old = {"submitted": 0, "in_progress": 0, "not_started": 5, "web_only": 0, "unreachable": 1, "unlinked": 0}
    world.execute(sa.update(m.Outgoing).where(m.Outgoing.kind == m.DIGEST).values(facts=old))
    world.messages.clear()
    world.now += timedelta(hours=1)
    world.submits("Lan")
    world.at("2026-11-26 17:00")
    assert world.received("Bình")[0].splitlines()[-2] == "So với lần trước: đã nộp +1."


# ------------------------------------------------------------------ above the cells


def test_an_officer_gets_counts_the_furthest_behind_first(world: World) -> None:
    for name in ("An", "Hoa", "Chi"):
        world.submits(name)
    world.at("2026-11-26 08:00")
    sent = world.messages["Dung"][0]
    assert sent.text == (
        "Đảng bộ Sở A · 26/11/2026\n"
        "Đã nộp 3/8 (37 %). 0/2 chi bộ nộp đủ. "
        "Còn 19 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026).\n"
        "\n"
        "• Chi bộ 1: 2/6 (33 %)\n"
        "• Chi bộ 2: 1/2 (50 %)"
    )
    assert [(choice.value, choice.label) for choice in sent.choices] == [
        ("committee.unit=3", "Chi bộ 1"),
        ("committee.unit=4", "Chi bộ 2"),
    ]


def test_an_officer_sees_the_numbers_of_a_cell_and_no_names(world: World) -> None:
    world.submits("An")
    world.put("Hoa", state=m.IN_PROGRESS, place="more", active_at=world.now)
    world.block("Tú")
    shown = world.taps("Dung", "committee.unit=3", officer.handle)[0]
    assert shown.text == (
        "Chi bộ 1 · 25/11/2026\n"
        "Đã nộp 1/6 (16 %). Còn 20 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026).\n"
        "\n"
        "• đã nộp: 1\n"
        "• đang làm: 1\n"
        "• chưa bắt đầu: 4\n"
        "• không nhắn được: 1"
    )
    assert [(move.value, move.label) for move in shown.moves] == [("committee.unit=2", "Quay lại")]


def test_a_committee_sees_its_organisations_and_the_cells_that_need_help_most(world: World) -> None:
    world.role("Chi", "officer", 1)
    shown = world.taps("Chi", "committee.show", officer.handle)[0]
    assert shown.text == (
        "Đảng bộ Khối · 25/11/2026\n"
        "Đã nộp 0/8 (0 %). 0/2 chi bộ nộp đủ. "
        "Còn 20 ngày nữa là hết hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026).\n"
        "\n"
        "• Đảng bộ Sở A: 0/8 (0 %)\n"
        "\n"
        "Chi bộ cần giúp nhất:\n"
        "• Chi bộ 1, Đảng bộ Sở A: 0/6 (0 %)\n"
        "• Chi bộ 2, Đảng bộ Sở A: 0/2 (0 %)"
    )


def test_who_oversees_an_organisation_and_the_committee_above_gets_one_digest(world: World) -> None:
    world.role("Dung", "officer", 1)
    world.at("2026-11-26 08:00")
    assert [text.splitlines()[0] for text in world.received("Dung")] == ["Đảng bộ Khối · 26/11/2026"]
    deeper = world.taps("Dung", "committee.unit=2", officer.handle)[0]
    assert [move.value for move in deeper.moves] == ["committee.unit=1"]


def test_an_officer_is_not_written_to_once_all_cells_are_complete(world: World) -> None:
    for name in world.ids:
        world.submits(name)
    world.at("2026-11-26 08:00")
    assert world.received("Dung") == []


def test_large_counts_are_written_as_the_language_writes_them() -> None:
    cells = [Tally(2, "Chi bộ 1", 9_631, 9_662, 31)]
    found = Summary(Tally(1, "Đảng bộ", 9_631, 9_662, 31), cells, cells=1, done=0, furthest=[])
    whole = digests.rollup("vi", demo_cycle(), found, demo_cycle().opens)
    assert whole.text.splitlines()[1].startswith("Đã nộp 9.631/9.662 (99 %). 0/1 chi bộ nộp đủ.")
