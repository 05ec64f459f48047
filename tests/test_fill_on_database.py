"""Filling in, turn by turn on the real database: what is stored, submitted, reopened and discarded."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from handlers import fill, forms, mine
from handlers.cycles import Consent, Cycle, Slot
from handlers.messages import Event, Message, Said, Tapped, heard
from handlers.turn import Turn, group_of
from storage import addresses, assessments, outbox, people
from storage import models as m
from storage.assessments import Assessment
from storage.database import Database, Db
from tests.filling import FORMS, LEVELS

START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # 09:00 in Vietnam
CYCLE = Cycle(
    id=1,
    code="2026",
    name="Kiểm điểm năm 2026",
    year=2026,
    zone=ZoneInfo("Asia/Ho_Chi_Minh"),
    opens=START - timedelta(days=1),
    due=START + timedelta(days=7),
    closes=START + timedelta(days=14),
    admitted_before=None,
    consent=Consent("1", "Đồng chí có đồng ý không?"),
    levels=LEVELS,
    forms=(("2B", "mau_2b_2025"),),
    slots=(Slot(-3, time(8, 0)), Slot(-1, time(8, 0))),
    days_off=frozenset(),
    days_on=frozenset(),
)
THIRD_DAY_BEFORE = datetime(2026, 11, 30, 1, 0, tzinfo=UTC)  # 28 November is a Saturday


@dataclass
class Member:
    """A member of a cell with an assessment in the open cycle, and a chat."""

    database: Database
    now: datetime = START
    cycle: Cycle | None = CYCLE
    message: Message = field(default_factory=lambda: Message(""))
    keys: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        with self.database.transaction() as db:
            self.address_id = _world(db)

    def says(self, *texts: str) -> str:
        """Type; the words that came back last."""
        for text in texts:
            self._turn(Said(text))
        return self.message.text

    def taps(self, *labels: str) -> str:
        """Press buttons on offer, by their labels."""
        for label in labels:
            event = heard(self.message, Said(label))
            assert isinstance(event, Tapped), f"{label} is not on offer: {self.message}"
            self._turn(event)
        return self.message.text

    def presses(self, value: str) -> str:
        """Press a button, on offer or not."""
        self._turn(Tapped(value))
        return self.message.text

    def forward(self, **step: float) -> None:
        """Let time pass."""
        self.now += timedelta(**step)

    @property
    def assessment(self) -> Assessment:
        """As it stands in the database."""
        with self.database.transaction(read_only=True) as db:
            found = assessments.of(db, 1, 1)
            assert found is not None
            return found

    @property
    def answers(self) -> dict[str, str]:
        """All answers as they count now."""
        with self.database.transaction(read_only=True) as db:
            return assessments.answers(db, 1)

    def count(self, table: type[m.Base]) -> int:
        """How many rows a table has."""
        with self.database.transaction(read_only=True) as db:
            return db.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()

    def set(self, **values: object) -> None:
        """Change the assessment's row from outside."""
        with self.database.transaction() as db:
            db.execute(sa.update(m.Assessment).values(**values))

    def _turn(self, event: Event) -> None:
        with self.database.transaction() as db:
            address, person = addresses.by_id(db, self.address_id), people.by_id(db, 1)
            assert address is not None
            group = group_of(db, [1], self.cycle)
            turn = Turn(db, self.now, f"test:{next(self.keys)}", event, address, person, self.cycle, "vi", group)
            tapped = event.value.partition(".")[0] if isinstance(event, Tapped) else address.place.partition("/")[0]
            [self.message] = mine.handle(turn) if tapped == "mine" else fill.handle(turn)
            group.write()


def _world(db: Db) -> int:
    """Sở A with Chi bộ 1 and its secretary An, who owes form 2B."""
    units: list[dict[str, object]] = [
        {"id": 1, "parent_id": None, "kind": "committee", "name": "Đảng bộ Khối mẫu", "key": "k", "path": "1."},
        {"id": 2, "parent_id": 1, "kind": "organisation", "name": "Đảng bộ cơ sở Sở A", "key": "k/a", "path": "1.2."},
        {"id": 3, "parent_id": 2, "kind": "cell", "name": "Chi bộ 1", "key": "k/a/1", "path": "1.2.3."},
    ]
    for unit in units:
        db.execute(sa.insert(m.Unit), unit)
    an = {
        "id": 1,
        "code": "KM-0001",
        "name": "Nguyễn Văn An",
        "name_key": "nguyen van an",
        "birth_date": date(1979, 11, 5),
        "position": "Chuyên viên",
        "form": "2B",
        "unit_id": 3,
    }
    db.execute(sa.insert(m.Person), an)
    db.execute(sa.insert(m.Role), {"person_id": 1, "unit_id": 3, "name": "secretary", "granted": False})
    db.execute(sa.insert(m.Cycle), {"id": 1, "code": "2026", "opened_at": START, "rules": "{}", "digest": ""})
    body = forms.dumps(FORMS["mau_2b_2025"])
    form = {"cycle_id": 1, "key": "2B", "form_id": "mau_2b_2025", "body": body, "digest": forms.digest(body), "id": 1}
    db.execute(sa.insert(m.CycleForm), form)
    row = {"id": 1, "cycle_id": 1, "person_id": 1, "unit_id": 3, "form_id": 1, "state": m.NOT_STARTED}
    db.execute(sa.insert(m.Assessment), row | {"remind_at": THIRD_DAY_BEFORE})
    address = addresses.ensured(db, "telegram", "", "1", START)
    addresses.bind(db, address.id, 1, START)
    return address.id


@pytest.fixture
def an(database: Database) -> Member:
    """An, before the first word."""
    return Member(database)


def fills_in(an: Member) -> None:
    """From the beginning to the last confirmation."""
    an.presses("fill.open")
    an.taps("Đúng")
    for _ in range(6):
        an.says("Việc đã làm")
        an.taps("Tiếp")
    an.taps("Bỏ qua", "Bỏ qua")
    an.says("Sẽ khắc phục trong quý I")
    an.taps("Tiếp")
    an.says("28", "64,5", "1")
    an.taps("Bỏ qua", "Nộp")


def test_the_header_knows_year_name_cell_and_workplace(an: Member) -> None:
    assert an.presses("fill.open").split("\n\n")[1] == (
        "Thông tin chung\nNăm: 2026\nHọ và tên: Nguyễn Văn An\nNgày sinh: 05/11/1979\nĐơn vị công tác: Sở A\n"
        "Chi bộ: Chi bộ 1"
    )
    assert an.assessment.state == m.NOT_STARTED


def test_an_answer_is_stored_with_its_turn_and_the_place_with_it(an: Member) -> None:
    an.presses("fill.open")
    an.taps("Đúng")
    an.says("11/12 buổi sinh hoạt", "4 đợt học")
    assert an.answers["a1_1"] == "11/12 buổi sinh hoạt\n\n4 đợt học"
    assert (an.assessment.state, an.assessment.place, an.assessment.revision) == (m.IN_PROGRESS, "a1_1", 3)
    assert (an.assessment.active_at, an.assessment.remind_at) == (START, THIRD_DAY_BEFORE)


def test_answers_are_rows_that_are_only_added(an: Member) -> None:
    an.presses("fill.open")
    an.taps("Đúng")
    an.says("Cũ")
    an.taps("Viết lại")
    an.says("Mới")
    with an.database.transaction(read_only=True) as db:
        rows = db.execute(
            sa.select(m.Answer.number, m.Answer.starts, m.Answer.words)
            .where(m.Answer.question == "a1_1")
            .order_by(m.Answer.id)
        )
        assert [tuple(row) for row in rows] == [(2, True, b"\0C\xc5\xa9"), (3, True, "\0Mới".encode())]
    assert an.answers["a1_1"] == "Mới"


def test_words_find_the_form_again_after_a_break(an: Member) -> None:
    an.presses("fill.open")
    an.taps("Đúng")
    an.forward(days=5)
    an.says("Việc đã làm")
    assert an.answers["a1_1"] == "Việc đã làm"


def test_submitting_keeps_a_snapshot_and_gives_a_receipt(an: Member) -> None:
    fills_in(an)
    with an.database.transaction() as db:
        outbox.put(db, key="reminder:1:x", kind=m.REMINDER, address_id=an.address_id, now=START, assessment_id=1)
    text = an.taps("Đúng, nộp")
    with an.database.transaction(read_only=True) as db:
        submitted = assessments.last_submission(db, 1)
        assert submitted is not None
        state, why = db.execute(sa.select(m.Outgoing.state, m.Outgoing.why)).one()
    assert text == (
        f"Cảm ơn đồng chí, đã nhận bản kiểm điểm lúc 09:00 ngày 24/11/2026. Mã biên nhận: {submitted.receipt}.\n\n"
        "Tiếp theo: bí thư chi bộ thấy đồng chí đã nộp và chuẩn bị họp kiểm điểm. Trợ lý không nhắc đồng chí nữa.\n\n"
        "Cần đổi, đồng chí vẫn sửa và nộp lại được đến 09:00 ngày 08/12/2026."
    )
    assert [move.label for move in an.message.moves] == ["Đọc bản đã nộp", "Tải bản Word", "Sửa và nộp lại"]
    assert submitted.snapshot == an.answers
    assert (submitted.number, submitted.late, submitted.level, submitted.score) == (1, False, "excellent", 92.5)
    assert len(submitted.receipt) == 4
    assert (an.assessment.state, an.assessment.submitted_at, an.assessment.remind_at) == (m.SUBMITTED, START, None)
    assert (state, why) == (m.WITHDRAWN, "submitted")


def test_a_second_tap_on_the_confirmation_submits_nothing_more(an: Member) -> None:
    fills_in(an)
    an.taps("Đúng, nộp")
    revision = an.assessment.revision
    assert an.presses(f"1.submit={revision}").startswith("Đồng chí đã nộp bản kiểm điểm lúc 09:00 ngày 24/11/2026.")
    assert an.count(m.Submission) == 1


def test_what_was_submitted_is_read_page_by_page(an: Member) -> None:
    fills_in(an)
    an.taps("Đúng, nộp", "Đọc bản đã nộp")
    assert an.message.text.startswith("Bản đã nộp, trang 1/2\n\n■ Thông tin chung\nNăm: 2026\n")
    an.says("trang sau")
    assert "[12] Đề xuất xếp loại mức chất lượng\nHoàn thành xuất sắc nhiệm vụ" in an.message.text
    an.taps("Quay lại")
    assert [move.label for move in an.message.moves] == ["Đọc bản đã nộp", "Tải bản Word", "Sửa và nộp lại"]


REOPENED = (
    "Đồng chí đang sửa bản kiểm điểm. Chừng nào chưa nộp lại, bản đã nộp lúc 09:00 ngày 24/11/2026 vẫn có hiệu lực."
)


def test_a_reopened_review_stays_submitted_until_a_new_submission_replaces_it(an: Member) -> None:
    fills_in(an)
    an.taps("Đúng, nộp")
    an.forward(days=1)
    assert an.taps("Sửa và nộp lại").startswith(f"{REOPENED}\n\nXem lại bản kiểm điểm")
    assert (an.assessment.state, an.assessment.remind_at) == (m.SUBMITTED, None)
    an.says("10", "30")
    assert (an.assessment.state, an.assessment.remind_at) == (m.SUBMITTED, None)
    assert (an.assessment.submitted_at, an.count(m.Submission)) == (START, 1)
    an.taps("Nộp")
    an.says("Đúng, nộp")
    assert (an.assessment.state, an.assessment.remind_at, an.count(m.Submission)) == (m.SUBMITTED, None, 2)
    assert an.presses("mine.open").startswith(
        "Đồng chí đã nộp bản kiểm điểm 2 lần: lần đầu lúc 09:00 ngày 24/11/2026, lần cuối lúc 09:00 ngày 25/11/2026."
    )
    with an.database.transaction(read_only=True) as db:
        scores = list(db.scalars(sa.select(m.Submission.score).order_by(m.Submission.number)))
    assert scores == [92.5, 94.5]


def test_while_it_is_reopened_the_submitted_one_is_read_as_it_was(an: Member) -> None:
    fills_in(an)
    an.taps("Đúng, nộp", "Sửa và nộp lại")
    an.says("10", "3")
    assert "[10] 1. Nhóm tiêu chí chung: …/30\n28" in an.presses("mine.read=2")
    assert an.taps("Quay lại").split("\n\n")[1] == (
        "Đồng chí đang sửa lại; bản nộp lúc 09:00 ngày 24/11/2026 vẫn có hiệu lực cho đến khi đồng chí nộp lại. "
        "Nộp lại được đến 09:00 ngày 08/12/2026."
    )
    assert [move.label for move in an.message.moves] == [
        "Sửa tiếp",
        "Đọc bản đã nộp",
        "Tải bản Word",
        "Giữ bản đã nộp",
        "Dữ liệu của tôi",
    ]
    an.says("sua tiep")
    assert an.message.text.startswith("Xem lại bản kiểm điểm, trang 2/2")


def test_a_reopened_review_is_not_put_off_and_its_edits_cannot_be_discarded_as_a_draft(an: Member) -> None:
    fills_in(an)
    an.set(reminded=1, reminded_at=START)
    an.taps("Đúng, nộp", "Sửa và nộp lại")
    for tap in ("1.tonight", "1.tomorrow", "mine.withdraw", f"mine.discard={an.assessment.revision}"):
        an.presses(tap)
    an.presses("fill.open")
    an.says("Tối nay")
    assert (an.assessment.snoozed_until, an.assessment.remind_at) == (None, None)
    assert (an.assessment.state, an.answers["b1_1"]) == (m.SUBMITTED, "28")


def test_old_buttons_of_a_submitted_review_change_nothing(an: Member) -> None:
    fills_in(an)
    old = an.assessment.revision
    an.taps("Đúng, nộp")
    answers, before = an.answers, an.assessment
    for tap in ("1.b2_1=good", "1.next=a1_1", "1.rewrite=a1_1", "1.confirm", f"1.submit={old}", "1.a1_1", "1.tonight"):
        an.presses(tap)
    an.says("Việc đã làm")
    assert (an.answers, an.assessment, an.count(m.Submission)) == (answers, before, 1)


def test_a_correction_after_the_deadline_does_not_make_an_on_time_submission_late(an: Member) -> None:
    fills_in(an)
    an.taps("Đúng, nộp")
    an.forward(days=8)
    an.taps("Sửa và nộp lại")
    an.says("10", "30")
    assert an.taps("Nộp").startswith(
        "Đã quá hạn 09:00 ngày 01/12/2026. Đồng chí đã nộp lần đầu đúng hạn nên bản sửa không bị ghi là nộp muộn; nộp "
        "lại được đến 09:00 ngày 08/12/2026."
    )
    assert an.taps("Đúng, nộp").startswith("Cảm ơn đồng chí, đã nhận bản kiểm điểm lúc 09:00 ngày 02/12/2026. Mã biên")
    assert an.message.text.split("\n\n")[1] == (
        "Bản này thay bản nộp trước. Đồng chí nộp lần đầu lúc 09:00 ngày 24/11/2026, đúng hạn."
    )
    with an.database.transaction(read_only=True) as db:
        found = list(db.scalars(sa.select(m.Submission.late).order_by(m.Submission.number)))
        last = assessments.last_submission(db, 1)
    assert last is not None
    assert (found, last.first_late, last.first_at) == ([False, True], False, START)
    assert an.presses("mine.open").split("\n\n")[0].endswith(" Lần đầu đúng hạn nên không ghi là nộp muộn.")


def test_who_was_late_the_first_time_stays_late(an: Member) -> None:
    fills_in(an)
    an.forward(days=8)
    an.presses("1.confirm")
    an.taps("Đúng, nộp", "Sửa và nộp lại", "Nộp", "Đúng, nộp")
    assert an.message.text.split("\n\n")[1] == (
        "Bản này thay bản nộp trước. Đồng chí nộp lần đầu lúc 09:00 ngày 02/12/2026, ghi là nộp muộn."
    )
    assert an.presses("mine.open").split("\n\n")[0].endswith(" Ghi là nộp muộn.")


def test_who_only_looked_keeps_what_was_submitted(an: Member) -> None:
    fills_in(an)
    an.taps("Đúng, nộp", "Sửa và nộp lại")
    rows = an.count(m.Answer)
    an.taps("Giữ bản đã nộp")
    assert (an.assessment.state, an.assessment.place, an.count(m.Submission)) == (m.SUBMITTED, "submitted", 1)
    assert an.count(m.Answer) == rows
    assert [move.label for move in an.message.moves] == ["Đọc bản đã nộp", "Tải bản Word", "Sửa và nộp lại"]


def test_edits_are_given_up_only_after_a_question_and_never_the_submission(an: Member) -> None:
    fills_in(an)
    an.taps("Đúng, nộp", "Sửa và nộp lại")
    an.says("10", "3")
    an.presses("mine.open")
    assert an.taps("Giữ bản đã nộp") == (
        "Bỏ phần đang sửa (1 câu đã đổi) và giữ nguyên bản nộp lúc 09:00 ngày 24/11/2026?"
    )
    old = an.assessment.revision
    an.taps("Không, sửa tiếp")
    assert (an.answers["b1_1"], an.assessment.place) == ("3", "review/2")
    an.says("10", "4")
    an.presses(f"mine.keep={old}")
    assert an.answers["b1_1"] == "4"
    an.taps("Giữ bản đã nộp", "Đúng, giữ bản đã nộp")
    assert an.message.text.startswith("Đã bỏ phần sửa. Bản nộp lúc 09:00 ngày 24/11/2026 được giữ nguyên.")
    assert (an.assessment.state, an.assessment.remind_at, an.count(m.Submission)) == (m.SUBMITTED, None, 1)
    with an.database.transaction(read_only=True) as db:
        submitted = assessments.last_submission(db, 1)
        assert submitted is not None
        assert {q: words for q, words in assessments.answers(db, 1).items() if words} == {
            q: words for q, words in submitted.snapshot.items() if words
        }


def test_reopening_begins_from_what_was_submitted(an: Member) -> None:
    """Version 0.1 emptied the answers when a draft was discarded after it had been submitted and reopened."""
    fills_in(an)
    an.taps("Đúng, nộp")
    with an.database.transaction() as db:
        db.execute(sa.update(m.Answer).where(m.Answer.question == "b1_1").values(words=b"\0"))
    an.taps("Sửa và nộp lại")
    assert an.answers["b1_1"] == "28"


def test_a_late_submission_is_taken_and_marked(an: Member) -> None:
    fills_in(an)
    an.forward(days=8)
    assert an.presses("1.confirm").startswith(
        "Đã quá hạn 09:00 ngày 01/12/2026. Đồng chí vẫn nộp được đến 09:00 ngày 08/12/2026, và bản này ghi là nộp muộn."
    )
    assert "ghi là nộp muộn" in an.taps("Đúng, nộp")
    with an.database.transaction(read_only=True) as db:
        submitted = assessments.last_submission(db, 1)
    assert submitted is not None
    assert submitted.late


def test_after_the_end_nothing_is_taken_and_the_draft_stays(an: Member) -> None:
    fills_in(an)
    an.forward(days=15)
    assert an.taps("Đúng, nộp") == (
        "Kỳ kiểm điểm đã đóng lúc 09:00 ngày 08/12/2026.\n\nBản nháp (đã trả lời 10/13 câu) chưa nộp nên không được "
        "tính. Bản nháp vẫn được giữ; đồng chí đọc lại được. Nếu cần nộp, đề nghị đồng chí liên hệ bí thư chi bộ."
    )
    assert (an.assessment.state, an.count(m.Submission)) == (m.IN_PROGRESS, 0)


def test_nobody_is_cut_off_while_typing(an: Member) -> None:
    fills_in(an)
    an.set(active_at=CYCLE.closes - timedelta(minutes=5))
    an.now = CYCLE.closes + timedelta(minutes=10)
    an.taps("Đúng, nộp")
    assert an.assessment.state == m.SUBMITTED
    assert "Sửa và nộp lại" not in [move.label for move in an.message.moves]
    assert an.message.text.split("\n\n")[2:] == []  # nothing about changing it


def test_who_may_only_submit_once_more_is_not_told_that_it_may_be_changed(an: Member) -> None:
    fills_in(an)
    assert an.message.text.startswith(
        "Đồng chí nộp bản kiểm điểm này? Nộp rồi vẫn sửa và nộp lại được khi kỳ chưa đóng.\n\n"
    )
    an.set(active_at=CYCLE.closes - timedelta(minutes=5))
    an.now = CYCLE.closes + timedelta(minutes=10)
    assert an.presses("fill.open").startswith(
        "Đã hết thời gian nhận bản kiểm điểm (09:00 ngày 08/12/2026). Đồng chí đang viết dở nên vẫn nộp được nếu nộp "
        "ngay; bản này sẽ được ghi là nộp muộn.\n\nĐồng chí nộp bản kiểm điểm này? Nộp rồi thì không sửa được nữa.\n\n"
    )


def test_what_a_reminder_offers_is_typed_as_well_as_tapped(an: Member) -> None:
    an.presses("fill.open")
    an.taps("Đúng")
    an.set(reminded=1, reminded_at=START)
    an.says("Tối nay")
    assert an.assessment.snoozed_until == datetime(2026, 11, 24, 12, 30, tzinfo=UTC)  # 19:30 in Vietnam
    an.presses("1.tomorrow")
    assert an.assessment.snoozed_until == datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
    assert an.says("tiếp tục").startswith("Câu 1/13 · A.I")
    assert "a1_1" not in an.answers


def test_before_the_opening_one_is_told_when(an: Member) -> None:
    an.now = CYCLE.opens - timedelta(hours=1)
    assert an.presses("fill.open") == "Kỳ kiểm điểm mở lúc 09:00 ngày 23/11/2026. Đến lúc đó trợ lý sẽ báo đồng chí."


def test_discarding_a_draft_is_confirmed_and_deletes_nothing(an: Member) -> None:
    an.presses("fill.open")
    an.taps("Đúng")
    an.says("Việc đã làm")
    rows = an.count(m.Answer)
    an.presses("mine.open")
    assert an.message.text == (
        "Bản kiểm điểm của đồng chí đang viết dở: đã trả lời 1/13 câu. Hạn nộp: 09:00 ngày 01/12/2026."
    )
    assert an.taps("Bỏ bản nháp") == (
        "Bỏ bản nháp này (đã trả lời 1/13 câu) và bắt đầu lại từ đầu? Mọi câu trả lời sẽ bị xóa khỏi bản đang viết; "
        "các lần sửa trước vẫn được lưu theo quy định."
    )
    assert [move.label for move in an.message.moves] == ["Không, giữ lại", "Đúng, bỏ bản nháp"]
    an.taps("Không, giữ lại", "Bỏ bản nháp", "Đúng, bỏ bản nháp")
    assert set(an.answers.values()) == {""}
    assert an.count(m.Answer) == rows + 6
    assert (an.assessment.state, an.assessment.remind_at) == (m.NOT_STARTED, THIRD_DAY_BEFORE)
    an.taps("Bắt đầu")
    assert "Họ và tên: Nguyễn Văn An" in an.message.text
    fills_in(an)
    an.taps("Đúng, nộp")
    assert an.assessment.state == m.SUBMITTED


def test_an_old_confirmation_discards_nothing(an: Member) -> None:
    an.presses("fill.open")
    an.taps("Đúng")
    old = an.assessment.revision
    an.says("Việc đã làm")
    an.presses(f"mine.discard={old}")
    assert an.answers["a1_1"] == "Việc đã làm"


def test_a_draft_sent_back_stays_so_until_it_is_submitted_again(an: Member) -> None:
    fills_in(an)
    an.taps("Đúng, nộp")
    an.set(state=m.RETURNED, place="review/1")
    an.presses("fill.open")
    an.says("10", "29")
    assert an.assessment.state == m.RETURNED
    assert an.presses("mine.open").endswith(
        "Bản kiểm điểm được đề nghị bổ sung. Đồng chí sửa rồi nộp lại; trong lúc đó, bản đã nộp vẫn có hiệu lực. "
        "Hạn nộp: 09:00 ngày 01/12/2026."
    )
    assert [move.label for move in an.message.moves] == [
        "Tiếp tục",
        "Đọc bản đã nộp",
        "Tải bản Word",
        "Dữ liệu của tôi",
    ]


def test_what_the_cell_accepted_is_not_reopened(an: Member) -> None:
    fills_in(an)
    an.taps("Đúng, nộp")
    an.set(state=m.ACCEPTED)
    assert an.presses("mine.reopen").endswith("Chi bộ đã nhận bản này; muốn sửa, đồng chí liên hệ bí thư chi bộ.")
    assert an.assessment.state == m.ACCEPTED


def test_somebody_elses_button_changes_nothing(an: Member) -> None:
    an.presses("fill.open")
    an.taps("Đúng")
    assert an.presses("2.b2_1=good").startswith("Câu 1/13 · A.I")
    assert "b2_1" not in an.answers


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"state": m.EXEMPT, "exempt_reason": "mới kết nạp chưa đủ 6 tháng"},
            "Kỳ này đồng chí không phải làm bản kiểm điểm. Lý do: mới kết nạp chưa đủ 6 tháng. Nếu chưa đúng, đồng chí "
            "báo bí thư chi bộ.",
        ),
        ({"state": m.PAPER}, "Bản kiểm điểm của đồng chí nộp bằng giấy, nên không phải điền ở đây."),
        (
            {"form_id": None},
            "Danh sách chưa ghi đồng chí dùng mẫu nào. Xin đồng chí báo bí thư chi bộ chọn mẫu, rồi quay lại đây.",
        ),
    ],
)
def test_who_has_nothing_to_fill_in_is_told_why(an: Member, values: dict[str, object], said: str) -> None:
    an.set(**values)
    assert an.presses("fill.open") == said
    assert an.presses("mine.open") == said


def test_without_a_cycle_or_a_row_one_is_told_so(an: Member) -> None:
    an.cycle = replace(CYCLE, id=2)
    assert an.presses("fill.open") == ("Đồng chí chưa có tên trong kỳ kiểm điểm này. Xin đồng chí hỏi bí thư chi bộ.")
    an.cycle = None
    assert an.presses("mine.open") == ("Hiện chưa có kỳ kiểm điểm nào đang mở. Khi có kỳ mới, trợ lý sẽ báo đồng chí.")


def test_a_turn_that_fails_leaves_nothing_behind(an: Member) -> None:
    fills_in(an)
    before = an.assessment

    class Outage(Exception):
        pass

    def fails() -> None:
        with an.database.transaction() as db:
            address, person = addresses.by_id(db, an.address_id), people.by_id(db, 1)
            assert address is not None
            tap = Tapped(f"1.submit={before.revision}")
            group = group_of(db, [1], CYCLE)
            fill.handle(Turn(db, an.now, "test:fails", tap, address, person, CYCLE, "vi", group))
            group.write()
            raise Outage

    with pytest.raises(Outage):
        fails()
    assert an.assessment == before
    assert an.count(m.Submission) == 0


def test_the_same_turn_run_again_gives_the_same_receipt() -> None:
    assert fill.receipt_code("telegram::7", 3) == fill.receipt_code("telegram::7", 3)
    assert fill.receipt_code("telegram::7", 3) != fill.receipt_code("telegram::8", 3)
