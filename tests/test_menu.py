"""The menu: how things stand, and what one may do."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from handlers.messages import Tapped
from handlers.texts import say
from storage import assessments
from storage import models as m
from storage.database import Database
from tests.world import AN, World

NAME = "Kiểm điểm, đánh giá, xếp loại chất lượng đảng viên năm 2026 (chạy thử)"
EXEMPT = "KM-0041"


@pytest.fixture
def world(sqlite: Database) -> World:
    return World(sqlite)


async def test_consenting_leads_straight_to_the_form(world: World) -> None:
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý")
    thanks, title = an.inbox[-1].split("\n\n")[:2]
    assert (thanks, title[:14]) == ("Cảm ơn đồng chí. Đã ghi nhận sự đồng ý của đồng chí.", "BẢN KIỂM ĐIỂM,")


async def test_whoever_declined_finds_the_way_back_in_the_menu(world: World) -> None:
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Không đồng ý", "Tiếp tục")
    assert an.inbox[-1] == (
        "Chào đồng chí Nguyễn Văn Đông.\n\n"
        f"{NAME}\nBản kiểm điểm của đồng chí nộp bằng giấy, nên không phải điền ở đây."
    )
    await an.taps("Đọc lại và chọn", "Đồng ý")
    await an.says("/menu")
    assert an.labels == ["Bắt đầu viết bản kiểm điểm", "Trợ giúp"]


async def test_who_is_exempt_is_told_why(world: World) -> None:
    exempt = world.at_chat(EXEMPT)
    await exempt.says("/menu")
    assert exempt.inbox[-1] == (
        f"Chào đồng chí Nguyễn Thành Ước.\n\n{NAME}\n"
        "Kỳ này đồng chí không phải làm bản kiểm điểm. Lý do: miễn công tác và sinh hoạt đảng. "
        "Nếu chưa đúng, đồng chí báo bí thư chi bộ."
    )
    assert exempt.labels == ["Trợ giúp"]


async def test_a_draft_can_be_gone_on_with_or_looked_at(world: World) -> None:
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý", "Đúng")
    await an.says("Dự 11/12 buổi", "/menu")
    assert an.labels == ["Viết tiếp bản kiểm điểm", "Bản kiểm điểm của tôi", "Trợ giúp"]


async def test_the_bare_word_menu_is_no_answer(world: World) -> None:
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý", "Đúng")
    await an.says("Dự 11/12 buổi", "Danh mục")
    assert an.labels == ["Viết tiếp bản kiểm điểm", "Bản kiểm điểm của tôi", "Trợ giúp"]
    await an.taps("Viết tiếp bản kiểm điểm")
    assert "Đã ghi (13 ký tự): Dự 11/12 buổi" in an.inbox[-1].splitlines()


async def test_after_the_deadline_the_menu_says_until_when_one_may_still_submit(world: World) -> None:
    an = world.at_chat(AN)
    world.clock.at = world.cycle.due + timedelta(hours=1)
    await an.says("/menu")
    assert an.inbox[-1].splitlines()[-1] == (
        "Đồng chí chưa bắt đầu. Đã quá hạn nộp bản kiểm điểm (17:00 ngày 15/12/2026). "
        "Vẫn nộp được đến 17:00 ngày 18/12/2026, ghi là nộp muộn."
    )


async def test_consent_may_be_taken_back_and_the_draft_is_erased(world: World, sqlite: Database) -> None:
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý", "Đúng")
    await an.says("Dự 11/12 buổi", "/menu")
    await an.taps("Bản kiểm điểm của tôi", "Dữ liệu của tôi", "Không đồng ý")
    assert an.inbox[-1] == (
        "Không đồng ý thì bản nháp của đồng chí (đã trả lời 1/13 câu) sẽ bị xóa hẳn, kể cả các lần sửa trước. "
        "Đồng chí chắc chắn?"
    )
    assert an.labels == ["Không, giữ bản nháp", "Đúng, xóa bản nháp"]
    await an.taps("Không, giữ bản nháp")
    assert "Đã ghi (13 ký tự): Dự 11/12 buổi" in an.inbox[-1].splitlines()
    await an.says("/menu")
    await an.taps("Bản kiểm điểm của tôi", "Dữ liệu của tôi", "Không đồng ý")
    await an.says("dung, xoa ban nhap")
    assert an.inbox[-1] == f"{say('vi', 'consent.declined')}\n\nBản nháp của đồng chí (đã trả lời 1/13 câu) đã bị xóa."
    with sqlite.transaction(read_only=True) as db:
        assert db.scalar(sa.select(sa.func.count(m.Answer.id))) == 0
    await an.taps("Đọc lại và chọn", "Đồng ý")
    assert an.labels == ["Đúng", "Sửa"]


async def test_an_old_yes_to_erasing_erases_nothing_that_was_written_since(world: World, sqlite: Database) -> None:
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý", "Đúng")
    await an.says("Dự 11/12 buổi")
    await an.does(Tapped("consent.show"))
    await an.taps("Không đồng ý")
    yes = an.button("Đúng, xóa bản nháp")
    await an.does(Tapped("fill.open"))
    await an.says("Thêm một ý")
    await an.does(Tapped(yes))
    await an.does(Tapped("consent.show"))
    await an.does(Tapped(yes))
    with sqlite.transaction(read_only=True) as db:
        assert db.scalar(sa.select(sa.func.count(m.Answer.id)).where(m.Answer.question == "a1_1")) == 2


async def test_consent_taken_back_while_a_submitted_review_is_changed_drops_the_changes_alone(
    world: World, sqlite: Database
) -> None:
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý", "Đúng")
    await an.says("Dự 11/12 buổi")
    with sqlite.transaction() as db:
        row = db.execute(sa.select(m.Assessment.id).join(m.Person).where(m.Person.code == AN)).scalar_one()
        db.execute(sa.update(m.Assessment).where(m.Assessment.id == row).values(state=m.SUBMITTED, place="submitted"))
        now = assessments.answers(db, row)
        assessments.submit(db, row, snapshot=now, receipt="ABCD", late=False, level=None, score=None, now=world.clock())
    await an.does(Tapped("mine.reopen"))
    await an.says("1", "Thêm một ý")
    await an.does(Tapped("consent.show"))
    await an.taps("Không đồng ý")
    assert an.inbox[-1] == (
        "Không đồng ý thì phần đang sửa (1 câu đã đổi) sẽ bị xóa; bản nộp lúc 09:00 ngày 25/11/2026 vẫn có hiệu lực. "
        "Đồng chí chắc chắn?"
    )
    await an.taps("Đúng, xóa phần đang sửa")
    assert an.inbox[-1] == (
        "Đã ghi nhận đồng chí không đồng ý. Bản nộp lúc 09:00 ngày 25/11/2026 vẫn có hiệu lực; trợ lý không hỏi và "
        "không lưu thêm câu trả lời nào. Đồng chí đổi ý lúc nào cũng được.\n\nPhần đang sửa (1 câu đã đổi) đã bị xóa."
    )
    with sqlite.transaction(read_only=True) as db:
        found = assessments.by_id(db, row)
        assert found is not None
        assert (found.state, found.reopened, assessments.answers(db, row)) == (m.SUBMITTED, False, now)
        assert db.scalar(sa.select(sa.func.count(m.Answer.id)).where(m.Answer.question == "a1_1")) == 1


def submits(world: World, **values: object) -> int:
    """What An has answered is submitted now; the assessment's id. *values*: what is stored besides."""
    with world.database.transaction() as db:
        row = db.execute(sa.select(m.Assessment.id).join(m.Person).where(m.Person.code == AN)).scalar_one()
        now = assessments.answers(db, row)
        assessments.submit(db, row, snapshot=now, receipt="ABCD", late=False, level=None, score=None, now=world.clock())
        stored = {"state": m.SUBMITTED, "place": "submitted", "remind_at": None} | values
        db.execute(sa.update(m.Assessment).where(m.Assessment.id == row).values(stored))
    return row


async def test_of_a_returned_review_whose_member_declines_the_last_submission_counts(database: Database) -> None:
    world = World(database)
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý", "Đúng")
    await an.says("Dự 11/12 buổi")
    row = submits(world, state=m.RETURNED, place="review/1", remind_at=world.cycle.due)
    await an.says("/menu")
    await an.taps("Viết tiếp bản kiểm điểm")
    await an.says("1", "Thêm một ý")
    await an.does(Tapped("consent.show"))
    await an.taps("Không đồng ý")
    assert an.inbox[-1] == (
        "Không đồng ý thì phần đang sửa (1 câu đã đổi) sẽ bị xóa; bản nộp lúc 09:00 ngày 25/11/2026 vẫn có hiệu lực. "
        "Đồng chí chắc chắn?"
    )
    await an.taps("Đúng, xóa phần đang sửa")
    assert an.inbox[-1] == (
        "Đã ghi nhận đồng chí không đồng ý. Bản nộp lúc 09:00 ngày 25/11/2026 vẫn có hiệu lực; phần được đề nghị bổ "
        "sung, đồng chí viết trên giấy và nộp cho bí thư chi bộ. Trợ lý không hỏi và không lưu thêm câu trả lời nào. "
        "Đồng chí đổi ý lúc nào cũng được.\n\nPhần đang sửa (1 câu đã đổi) đã bị xóa."
    )
    for _ in range(2):
        with world.database.transaction(read_only=True) as db:
            found = assessments.by_id(db, row)
            assert found is not None
            assert (found.state, found.reopened, found.remind_at) == (m.SUBMITTED, False, None)
            assert assessments.answers(db, row)["a1_1"] == "Dự 11/12 buổi"
        await an.does(Tapped("consent.show"))
        await an.taps("Đồng ý")
    assert "Sửa và nộp lại" in an.labels
