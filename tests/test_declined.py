"""Who declined after submitting: what they submitted stays theirs to read, and nothing more is asked."""

import pytest
import sqlalchemy as sa

from handlers.messages import Tapped
from storage import assessments
from storage import models as m
from storage.database import Database
from tests.world import AN, Member, World

NAME = "Kiểm điểm, đánh giá, xếp loại chất lượng đảng viên năm 2026 (chạy thử)"
GREETING = "Chào đồng chí Nguyễn Văn Đông.\n\n"
SUBMITTED = "Đồng chí đã nộp bản kiểm điểm lúc 09:00 ngày 25/11/2026. Mã biên nhận: ABCD."
TO_CHANGE = (
    "Đồng chí đã chọn Không đồng ý nên bây giờ không sửa được. Muốn sửa và nộp lại, mời đồng chí đọc lại lời giải "
    "thích về dữ liệu rồi chọn."
)


@pytest.fixture
def world(sqlite: Database) -> World:
    return World(sqlite)


async def declines(world: World) -> tuple[Member, int]:
    """An has answered one question, submitted and declined; and the assessment's id."""
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý", "Đúng")
    await an.says("Dự 11/12 buổi")
    with world.database.transaction() as db:
        row = db.execute(sa.select(m.Assessment.id).join(m.Person).where(m.Person.code == AN)).scalar_one()
        values = {"state": m.SUBMITTED, "place": "submitted", "remind_at": None}
        db.execute(sa.update(m.Assessment).where(m.Assessment.id == row).values(values))
        now = assessments.answers(db, row)
        assessments.submit(db, row, snapshot=now, receipt="ABCD", late=False, level=None, score=None, now=world.clock())
    await an.does(Tapped("consent.show"))
    await an.taps("Không đồng ý")
    return an, row


async def test_what_was_submitted_is_read_and_had_as_word_and_no_change_is_promised(world: World) -> None:
    an, row = await declines(world)
    await an.says("/menu")
    assert an.inbox[-1] == f"{GREETING}{NAME}\nĐồng chí đã nộp bản kiểm điểm; bản đã nộp vẫn có hiệu lực."
    assert an.labels == ["Xem bản đã nộp", "Đọc lại và chọn", "Trợ giúp"]
    await an.taps("Xem bản đã nộp")
    assert an.inbox[-1] == f"{SUBMITTED}\n\n{TO_CHANGE}"
    assert an.labels == ["Đọc bản đã nộp", "Tải bản Word", "Đọc lại và chọn", "Về danh mục"]
    await an.taps("Đọc bản đã nộp")
    assert "\nDự 11/12 buổi\n" in an.inbox[-1]
    await an.taps("Trang sau")
    await an.says("Quay lại")
    await an.taps("Tải bản Word")
    document = an.messages[-1].document
    assert document is not None
    assert document.assessment == row


@pytest.mark.parametrize("tap", ["mine.reopen", "mine.keep", "1.continue"])
async def test_no_button_of_before_lets_it_be_changed(world: World, tap: str) -> None:
    an, row = await declines(world)
    await an.taps("Tiếp tục", "Xem bản đã nộp")
    await an.does(Tapped(tap.replace("1", str(row))))
    with world.database.transaction(read_only=True) as db:
        found = assessments.by_id(db, row)
        assert found is not None
        assert (found.state, found.reopened) == (m.SUBMITTED, False)


async def test_after_accepting_again_it_may_be_changed_and_submitted_again(world: World) -> None:
    an, _ = await declines(world)
    await an.taps("Tiếp tục", "Xem bản đã nộp", "Đọc lại và chọn", "Đồng ý")
    assert an.labels == ["Đọc bản đã nộp", "Tải bản Word", "Sửa và nộp lại"]


async def test_who_declined_before_submitting_is_asked_first(world: World) -> None:
    an = world.at_chat(AN)
    await an.does(Tapped("mine.open"))
    await an.taps("Không đồng ý")
    await an.does(Tapped("mine.open"))
    assert an.labels == ["Đồng ý", "Không đồng ý"]


async def test_who_declines_while_exempt_has_the_draft_erased_as_they_are_told(world: World) -> None:
    an = world.at_chat(AN)
    await an.says("/menu")
    await an.taps("Bắt đầu viết bản kiểm điểm", "Đồng ý", "Đúng")
    await an.says("Dự 11/12 buổi")
    with world.database.transaction() as db:
        values = {"state": m.EXEMPT, "state_before": m.IN_PROGRESS, "remind_at": None}
        theirs = sa.select(m.Person.id).where(m.Person.code == AN).scalar_subquery()
        db.execute(sa.update(m.Assessment).where(m.Assessment.person_id == theirs).values(values))
    await an.does(Tapped("consent.show"))
    await an.taps("Không đồng ý", "Đúng, xóa bản nháp")
    assert an.inbox[-1].split("\n\n")[1] == "Bản nháp của đồng chí (đã trả lời 1/13 câu) đã bị xóa."
    with world.database.transaction(read_only=True) as db:
        assert db.scalar(sa.select(sa.func.count(m.Answer.id))) == 0
        states = sa.select(m.Assessment.state, m.Assessment.state_before).where(m.Assessment.person_id == theirs)
        assert db.execute(states).one() == (m.EXEMPT, m.PAPER)
