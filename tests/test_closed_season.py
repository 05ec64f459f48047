"""Outside the season: what members, secretaries and officers are told, what stays readable, and no button refuses."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from bot import season
from handlers.messages import Tapped
from handlers.turn import current_cycle
from storage import assessments, notes
from storage import models as m
from storage.database import Database
from tests.world import AN, BINH, DUNG, Member, World

NAME = "Kiểm điểm, đánh giá, xếp loại chất lượng đảng viên năm 2026 (chạy thử)"
CLOSED = "Kỳ kiểm điểm đã đóng lúc 17:00 ngày 18/12/2026."
GREETING = "Chào đồng chí Nguyễn Văn Đông.\n\n"
SUBMITTED = "Đồng chí đã nộp bản kiểm điểm lúc 09:00 ngày 25/11/2026. Mã biên nhận: ABCD."


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def begins(world: World) -> Member:
    """An has answered one question."""
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý", "Đúng")
    await an.says("Dự 11/12 buổi")
    return an


def submits(world: World) -> int:
    """What An has answered is submitted now; the assessment's id."""
    with world.database.transaction() as db:
        row = db.execute(sa.select(m.Assessment.id).join(m.Person).where(m.Person.code == AN)).scalar_one()
        values = {"state": m.SUBMITTED, "place": "submitted", "remind_at": None}
        db.execute(sa.update(m.Assessment).where(m.Assessment.id == row).values(values))
        now = assessments.answers(db, row)
        assessments.submit(db, row, snapshot=now, receipt="ABCD", late=False, level=None, score=None, now=world.clock())
    return row


async def closes(world: World) -> None:
    """The day after: the clock has closed the season."""
    await world.moves_to((world.cycle.closes + timedelta(days=1)).date(), "09:00")


async def test_a_draft_is_told_to_be_not_submitted_and_stays_readable(world: World) -> None:
    an = await begins(world)
    await closes(world)
    await an.says("/menu")
    assert an.inbox[-1] == (
        f"{GREETING}{NAME}\n{CLOSED} Đồng chí chưa nộp bản kiểm điểm; nếu cần nộp, đề nghị đồng chí liên hệ "
        "bí thư chi bộ."
    )
    assert an.labels == ["Bản kiểm điểm của tôi", "Trợ giúp"]
    await an.taps("Bản kiểm điểm của tôi")
    assert an.inbox[-1] == (
        f"{CLOSED}\n\nBản nháp (đã trả lời 1/13 câu) chưa nộp nên không được tính. Bản nháp vẫn được giữ; đồng chí đọc "
        "lại được. Nếu cần nộp, đề nghị đồng chí liên hệ bí thư chi bộ."
    )
    assert an.labels == ["Đọc bản nháp", "Về danh mục"]
    await an.taps("Đọc bản nháp")
    assert an.inbox[-1].startswith("Bản nháp chưa nộp, trang 1/2\n\n■ Thông tin chung\n")
    assert "\nDự 11/12 buổi\n" in an.inbox[-1]
    await an.taps("Trang sau", "Trang trước", "Quay lại")
    assert an.labels == ["Đọc bản nháp", "Về danh mục"]


async def test_what_is_sent_after_closing_is_said_not_to_be_stored(world: World) -> None:
    an = await begins(world)
    await closes(world)
    await an.says("Thêm một ý")
    assert an.inbox[-1].startswith(f"Tin vừa gửi không được ghi.\n\n{CLOSED}\n\nBản nháp (đã trả lời 1/13 câu)")
    for old in ("1.next=a1_1", "1.tonight", "mine.withdraw", "mine.discard=2", "consent.decline", "fill.open"):
        await an.does(Tapped(old))
    with world.database.transaction(read_only=True) as db:
        assert db.scalar(sa.select(sa.func.count(m.Answer.id)).where(m.Answer.question == "a1_1")) == 1


async def test_a_submission_stays_readable_also_as_word_and_is_not_offered_to_be_changed(world: World) -> None:
    an = await begins(world)
    number = submits(world)
    await closes(world)
    await an.says("/menu")
    assert an.inbox[-1] == f"{GREETING}{NAME}\n{CLOSED} Đồng chí đã nộp bản kiểm điểm."
    assert an.labels == ["Xem bản đã nộp", "Trợ giúp"]
    await an.taps("Xem bản đã nộp")
    assert an.inbox[-1] == f"{SUBMITTED}\n\n{CLOSED}"
    assert an.labels == ["Đọc bản đã nộp", "Tải bản Word", "Về danh mục"]
    await an.taps("Đọc bản đã nộp")
    assert "\nDự 11/12 buổi\n" in an.inbox[-1]
    await an.taps("Quay lại", "Tải bản Word")
    document = an.messages[-1].document
    assert document is not None
    assert document.assessment == number


async def test_changes_not_submitted_before_closing_are_kept_and_do_not_count(world: World) -> None:
    an = await begins(world)
    number = submits(world)
    await an.does(Tapped("mine.reopen"))
    await an.says("1", "Thêm một ý")
    await closes(world)
    await an.says("/menu")
    await an.taps("Xem bản đã nộp")
    assert an.inbox[-1] == (
        f"{SUBMITTED}\n\n{CLOSED} Bản đã nộp được tính. Phần sửa sau đó chưa nộp lại nên không được tính, nhưng vẫn "
        "được giữ; đồng chí đọc lại được."
    )
    assert an.labels == ["Đọc bản đã nộp", "Tải bản Word", "Đọc phần sửa", "Về danh mục"]
    await an.taps("Đọc phần sửa")
    assert "\nDự 11/12 buổi\n\nThêm một ý\n" in an.inbox[-1]
    await an.does(Tapped("mine.keep"))
    await an.taps("Đọc bản đã nộp")
    assert "Thêm một ý" not in an.inbox[-1]
    with world.database.transaction(read_only=True) as db:
        found = assessments.by_id(db, number)
        assert found is not None
        assert (found.state, found.reopened) == (m.SUBMITTED, True)


async def test_a_returned_review_counts_as_it_was_submitted(world: World) -> None:
    an = await begins(world)
    number = submits(world)
    with world.database.transaction() as db:
        values = {"state": m.RETURNED, "place": "review/1"}
        db.execute(sa.update(m.Assessment).where(m.Assessment.id == number).values(values))
    await closes(world)
    await an.says("/menu")
    assert an.inbox[-1] == f"{GREETING}{NAME}\n{CLOSED} Đồng chí đã nộp bản kiểm điểm."
    await an.taps("Xem bản đã nộp")
    assert an.labels == ["Đọc bản đã nộp", "Tải bản Word", "Về danh mục"]


async def test_who_never_began_is_told_that_it_is_over(world: World) -> None:
    an = world.at_chat(AN)
    await closes(world)
    await an.says("/menu")
    assert an.labels == ["Trợ giúp"]
    await an.does(Tapped("fill.open"))
    assert an.inbox[-1] == (
        f"{CLOSED}\n\nĐồng chí chưa nộp bản kiểm điểm. Nếu cần nộp, đề nghị đồng chí liên hệ bí thư chi bộ."
    )


async def test_a_season_that_an_operator_closed_early_names_no_moment(world: World) -> None:
    an = await begins(world)
    with world.database.transaction() as db:
        opened = current_cycle(db)
        assert opened is not None
        season.close_cycle(db, opened, world.clock())
    await an.says("/menu")
    assert an.inbox[-1].splitlines()[-1].startswith("Kỳ kiểm điểm đã đóng. Đồng chí chưa nộp bản kiểm điểm;")


async def test_who_is_typing_at_the_end_may_go_on_and_others_may_not(world: World) -> None:
    an = await begins(world)
    world.clock.at = world.cycle.closes - timedelta(minutes=5)
    await an.says("Thêm một ý")
    world.clock.at = world.cycle.closes + timedelta(minutes=10)
    await an.says("/menu")
    assert an.inbox[-1] == (
        f"{GREETING}{NAME}\nĐồng chí đang viết dở, các câu đã ghi vẫn còn nguyên. Đã hết thời gian nhận bản kiểm điểm "
        "(17:00 ngày 18/12/2026). Đồng chí đang viết dở nên vẫn nộp được nếu nộp ngay; bản này sẽ được ghi là nộp muộn."
    )
    assert an.labels == ["Viết tiếp bản kiểm điểm", "Bản kiểm điểm của tôi", "Trợ giúp"]
    await an.taps("Bản kiểm điểm của tôi")
    assert an.labels == ["Tiếp tục", "Dữ liệu của tôi"]
    world.clock.at = world.cycle.closes + timedelta(minutes=45)
    await an.says("/menu")
    assert an.inbox[-1].splitlines()[-1].startswith(f"{CLOSED} Đồng chí chưa nộp bản kiểm điểm;")


async def test_who_is_changing_a_submitted_review_at_the_end_may_go_on(world: World) -> None:
    an = await begins(world)
    number = submits(world)
    await an.does(Tapped("mine.reopen"))
    world.clock.at = world.cycle.closes - timedelta(minutes=5)
    await an.says("/menu")
    await an.taps("Sửa tiếp bản kiểm điểm")
    world.clock.at = world.cycle.closes + timedelta(minutes=10)
    await an.says("/menu")
    assert an.inbox[-1].splitlines()[-1] == (
        "Đồng chí đang sửa bản kiểm điểm; bản đã nộp vẫn có hiệu lực cho đến khi nộp lại. Đã hết thời gian nhận bản "
        "kiểm điểm (17:00 ngày 18/12/2026). Đồng chí đang sửa dở nên vẫn nộp lại được nếu nộp ngay."
    )
    await an.does(Tapped(f"{number}.review"))
    assert an.inbox[-1].startswith("Xem lại bản kiểm điểm")


async def test_before_the_opening_nothing_is_offered_that_refuses(database: Database) -> None:
    world = World(database)
    world.clock.at = world.cycle.opens - timedelta(hours=2)
    an, binh = world.at_chat(AN), world.at_chat(BINH)
    await an.says("/menu")
    assert an.inbox[-1] == (
        f"{GREETING}{NAME}\nKỳ kiểm điểm mở lúc 08:00 ngày 25/11/2026. Đến lúc đó trợ lý sẽ báo đồng chí."
    )
    assert an.labels == ["Trợ giúp"]
    await an.does(Tapped("fill.open"))
    await an.taps("Đồng ý")
    assert an.inbox[-1].endswith("Kỳ kiểm điểm mở lúc 08:00 ngày 25/11/2026. Đến lúc đó trợ lý sẽ báo đồng chí.")
    assert an.labels == ["Về danh mục"]
    await binh.says("/tinhhinh")
    assert binh.inbox[-1].splitlines()[1] == "Đã nộp 0/20 (0 %). Kỳ kiểm điểm mở lúc 08:00 ngày 25/11/2026."
    assert binh.labels == ["Về danh mục"]


async def test_the_secretary_is_told_that_it_is_over_and_offered_no_reminder(world: World) -> None:
    await begins(world)
    binh = world.at_chat(BINH)
    await closes(world)
    await binh.says("/tinhhinh")
    lines = binh.inbox[-1].splitlines()
    assert (lines[1], lines[-1]) == (
        f"Đã nộp 0/20 (0 %). {CLOSED}",
        "Trợ lý không nhận bản kiểm điểm và không nhắc nữa; còn 20 đồng chí chưa nộp.",
    )
    assert binh.labels == ["Về danh mục"]


async def test_the_last_digest_says_so_as_well(world: World) -> None:
    binh = world.at_chat(BINH)
    await begins(world)
    world.clock.at = world.cycle.closes + timedelta(minutes=1)
    await binh.says("/tinhhinh")
    assert binh.inbox[-1].splitlines()[1] == f"Đã nộp 0/20 (0 %). {CLOSED}"
    assert binh.labels == ["Về danh mục"]


async def test_the_officer_is_told_that_it_is_over(world: World) -> None:
    dung = world.at_chat(DUNG)
    await closes(world)
    await dung.does(Tapped("committee.open"))
    assert dung.inbox[-1].splitlines()[1] == f"Đã nộp 0/113 (0 %). 0/8 chi bộ nộp đủ. {CLOSED}"
    await dung.taps("Chi bộ cơ sở Công ty C")
    assert dung.inbox[-1].splitlines()[1] == f"Đã nộp 0/15 (0 %). {CLOSED}"


async def test_while_reminders_are_paused_the_secretary_is_offered_none(world: World) -> None:
    await begins(world)
    binh = world.at_chat(BINH)
    await binh.says("/tinhhinh")
    assert binh.labels == ["Nhắc các đồng chí chưa nộp", "Về danh mục"]
    with world.database.transaction() as db:
        notes.write(db, notes.PAUSED, datetime.now(world.cycle.zone).isoformat())
    await binh.says("/tinhhinh")
    assert binh.labels == ["Về danh mục"]


async def test_who_comes_after_the_closing_is_not_asked_for_consent_first(world: World) -> None:
    an = world.at_chat(AN)
    await an.does(Tapped("fill.open"))
    yes = an.button("Đồng ý")
    world.clock.at = world.cycle.closes + timedelta(minutes=20)
    over = f"{CLOSED}\n\nĐồng chí chưa nộp bản kiểm điểm. Nếu cần nộp, đề nghị đồng chí liên hệ bí thư chi bộ."
    for event in (Tapped("fill.open"), Tapped("mine.open")):
        await an.does(event)
        assert an.inbox[-1] == over
    for value in ("consent.show", yes):
        await an.does(Tapped(value))
        assert an.inbox[-1].splitlines()[-1].startswith(f"{CLOSED} Đồng chí chưa nộp bản kiểm điểm;")
    with world.database.transaction(read_only=True) as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(m.Consent)) == 0


async def test_who_joins_after_the_closing_is_told_at_once_that_it_is_over(world: World) -> None:
    new = world.stranger("new")
    code = world.invitation(AN)
    world.clock.at = world.cycle.closes + timedelta(minutes=20)
    await new.says(code, "5/6/1975")
    assert "Đồng ý" not in new.labels
    assert CLOSED in new.inbox[-1]


async def test_an_option_tapped_after_the_closing_is_said_not_to_be_stored(world: World) -> None:
    an = await begins(world)
    with world.database.transaction(read_only=True) as db:
        number = db.execute(sa.select(m.Assessment.id).join(m.Person).where(m.Person.code == AN)).scalar_one()
    await closes(world)
    await an.does(Tapped(f"{number}.b2_1=excellent"))
    assert an.inbox[-1].startswith(f"Lựa chọn vừa bấm không được ghi.\n\n{CLOSED}\n\nBản nháp")
    await an.does(Tapped(f"{number}.review"))
    assert an.inbox[-1].startswith(f"{CLOSED}\n\nBản nháp")


async def test_of_a_review_that_was_reopened_and_not_changed_no_change_is_told_of(world: World) -> None:
    an = await begins(world)
    submits(world)
    await an.does(Tapped("mine.reopen"))
    await closes(world)
    await an.says("/menu")
    await an.taps("Xem bản đã nộp")
    assert an.inbox[-1] == f"{SUBMITTED}\n\n{CLOSED}"
    assert an.labels == ["Đọc bản đã nộp", "Tải bản Word", "Về danh mục"]


async def test_the_secretary_is_not_told_after_the_closing_that_somebody_is_changing_theirs(world: World) -> None:
    an, binh = await begins(world), world.at_chat(BINH)
    submits(world)
    await an.does(Tapped("mine.reopen"))
    await closes(world)
    await binh.says("/tinhhinh")
    assert binh.inbox[-1].split("\n\n")[0].splitlines()[1:] == [f"Đã nộp 1/20 (5 %). {CLOSED}"]
