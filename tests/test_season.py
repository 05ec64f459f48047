"""Opening a season on a roster, rehearsing it, following the roster, moving its deadline, forgetting what is old."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import jobs, season
from bot.opening import Opening
from bot.public_days import public_days
from bot.roster import import_roster, read
from bot.season_follows import Synced, sync_assessments
from handlers.cycle_files import load
from handlers.cycles import Cycle
from handlers.form_files import forms_in
from handlers.forms import Problem
from handlers.texts import LANGUAGES
from storage import enrolments, job_runs
from storage import models as m
from storage.database import Database
from tests.season import CYCLE, FORM, SAIGON, World

ROOT = Path(__file__).parent.parent
FORMS, _ = forms_in(ROOT / "forms", "vi")
NOW = datetime(2026, 11, 24, 9, tzinfo=SAIGON)


def real_season() -> Cycle:
    """The season that comes with the program."""
    found = load((ROOT / "cycles/2026.toml").read_text("utf-8"), "2026.toml", FORMS, public_days=public_days)
    assert isinstance(found, Cycle)
    return found


@pytest.fixture
def sample(database: Database) -> Database:
    """The sample roster, nobody linked."""
    with database.transaction() as db:
        import_roster(db, read(ROOT / "cycles/demo/roster.csv", today=date(2026, 11, 24)), NOW)
    return database


def test_of_the_sample_roster_113_owe_and_7_are_told_why_they_need_not(sample: Database) -> None:
    with sample.transaction() as db:
        opening = season.open_cycle(db, real_season(), FORMS, NOW)
    assert isinstance(opening, Opening)
    assert opening.lines("vi")[:-1] == [
        "Kiểm điểm, đánh giá, xếp loại chất lượng đảng viên năm 2026 (2026)",
        "Mở 08:00 ngày 25/11/2026; hạn nộp 17:00 ngày 15/12/2026; đóng 17:00 ngày 18/12/2026.",
        "120 người trong danh sách; 113 phải nộp (theo mẫu: 2A 21, 2B 72, 2C 20).",
        "7 không kiểm điểm kỳ này: miễn công tác và sinh hoạt đảng 3; mới kết nạp chưa đủ 6 tháng 3; "
        "đình chỉ sinh hoạt đảng 1.",
        "Liên lạc: 0 có kênh nhắn tin; 0 chỉ dùng trang web; 113 chưa liên kết; 0 không liên lạc được.",
        "Bản tổng hợp: 15 bí thư, phó bí thư; 4 cán bộ phụ trách.",
        *(f"Nhắc 08:00 ngày {day:02}/12/2026: nhiều nhất 0 người." for day in (1, 8, 11, 14, 15, 16)),
    ]
    with sample.transaction(read_only=True) as db:
        exact = sa.select(m.Assessment.state).join(m.Person).where(m.Person.admitted_on == date(2026, 6, 1))
        assert db.scalars(exact).all() == ["not_started"]  # exactly six months


def test_a_rehearsal_says_what_opening_would_and_changes_nothing(sqlite: Database) -> None:
    world = World(sqlite)
    world.block("An")
    world.person("Mai", unit=3, linked="")
    world.person("Nga", unit=3, linked="web")
    world.person("Sơn", unit=3, form=None)
    now = datetime(2026, 12, 9, 9, tzinfo=SAIGON)
    found = season.rehearse(sqlite, CYCLE, now)
    assert isinstance(found, Opening)
    assert found.lines("vi")[2:10] == [
        "11 người trong danh sách; 11 phải nộp (theo mẫu: 2B 10).",
        "Chưa có mẫu, nên chưa làm được: KM-0011. Điền cột form rồi nhập lại danh sách.",
        "Liên lạc: 8 có kênh nhắn tin; 1 chỉ dùng trang web; 1 chưa liên kết; 1 không liên lạc được.",
        "Bản tổng hợp: 3 bí thư, phó bí thư; 1 cán bộ phụ trách.",
        "Nhắc 08:00 ngày 01/12/2026: đã qua, sẽ không gửi.",
        "Nhắc 08:00 ngày 08/12/2026: đã qua, sẽ không gửi.",
        "Nhắc 08:00 ngày 11/12/2026: nhiều nhất 8 người.",
        "Nhắc 08:00 ngày 14/12/2026: nhiều nhất 8 người.",
    ]
    assert all(found.lines(lang) for lang in LANGUAGES)
    with sqlite.transaction(read_only=True) as db:
        rows = [db.scalar(sa.select(sa.func.count()).select_from(t)) for t in (m.Cycle, m.CycleForm, m.Assessment)]
        assert rows == [0, 0, 0]


def test_the_first_notice_goes_to_those_already_linked_who_owe(sqlite: Database) -> None:
    world = World(sqlite)
    world.roster("Hoa", exempt_reason="đình chỉ sinh hoạt đảng")
    world.block("Lan")
    world.opens()
    world.tick()
    assert world.everybody() == {"An": 1, "Hoa": 0, "Lan": 0, "Tú": 1}
    assert [message.text for message in world.messages["Chi"]] == [
        "Kiểm điểm năm 2026 đã bắt đầu. Hạn nộp bản kiểm điểm: 17:00 ngày 15/12/2026.\n\n"
        "Đồng chí trả lời lần lượt từng câu ngay tại đây, dừng lúc nào cũng được; câu nào trả lời rồi là được lưu."
    ]


def test_a_season_opened_at_night_says_so_in_the_morning(sqlite: Database) -> None:
    world = World(sqlite)
    world.now = datetime(2026, 11, 27, 22, tzinfo=SAIGON)  # a Friday
    world.opens()
    world.tick()
    world.at("2026-11-29 12:00")
    assert world.everybody(["An"]) == {"An": 0}
    world.at("2026-11-30 07:30")
    assert world.everybody(["An"]) == {"An": 1}


def test_one_season_is_open_at_a_time_and_a_code_is_used_once(sqlite: Database) -> None:
    world = World(sqlite)
    world.opens()

    def again(code: str) -> str:
        with sqlite.transaction() as db:
            found = season.open_cycle(db, replace(CYCLE, code=code), {"short": FORM}, world.now)
        return found.key if isinstance(found, Problem) else "opened"

    assert again("2027") == "season.another_open"
    with sqlite.transaction() as db:
        season.close_cycle(db, world.cycle, world.now)
    assert again("2026") == "season.same_code"
    assert again("2027") == "opened"


def sync(world: World) -> Synced:
    """The open season follows the roster."""
    with world.database.transaction() as db:
        return sync_assessments(db, world.cycle, world.now)


def test_the_open_season_follows_the_roster(database: Database) -> None:
    world = World(database, replace(CYCLE, forms=(("2B", "short"), ("2A", "other"))))
    with database.transaction() as db:
        season.open_cycle(db, world.rules, {"short": FORM, "other": replace(FORM, id="other")}, world.now)
    assert sync(world) == Synced()
    world.put("Hoa", state=m.IN_PROGRESS, place="more", active_at=world.now)
    world.submits("Lan")
    world.roster("An", unit_id=4, form="2A")
    world.put("An", place="more", active_at=world.now)  # has looked at the form and answered nothing
    world.roster("Hoa", form="2A")
    world.roster("Lan", exempt_reason="từ trần")
    world.roster("Tú", exempt_reason="đình chỉ sinh hoạt đảng")
    world.roster("Em", form="9Z")
    world.person("Mai", unit=3)
    found = sync(world)
    assert found == Synced(
        added=1,
        moved=1,
        exempted=1,
        forms_changed=2,
        kept=("KM-0002",),
        submitted=("KM-0003",),
        without_form=("KM-0006",),
    )
    assert found.lines("vi") == [
        "Kỳ đang mở: thêm 1, chuyển chi bộ 1, không kiểm điểm thêm 1, kiểm điểm lại 0, đổi mẫu 2.",
        "Đã bắt đầu nên giữ mẫu cũ: KM-0002.",
        "Đã nộp nhưng danh sách ghi là không kiểm điểm; không đổi gì: KM-0003.",
        "Chưa có mẫu, nên chưa làm được: KM-0006. Điền cột form rồi nhập lại danh sách.",
    ]
    assert world.assessment("An").place == ""
    first = datetime(2026, 12, 1, 8, tzinfo=SAIGON)
    assert {name: (world.assessment(name).state, world.assessment(name).remind_at) for name in world.ids} == {
        "An": ("not_started", first),
        "Hoa": ("in_progress", first),
        "Lan": ("submitted", None),
        "Tú": ("exempt", None),
        "Bình": ("not_started", first),
        "Em": ("not_started", None),
        "Chi": ("not_started", first),
        "Dung": ("not_started", first),
        "Mai": ("not_started", first),
    }
    world.roster("Tú", exempt_reason=None)
    world.roster("Em", form="2B")
    assert (sync(world).resumed, world.assessment("Tú").remind_at, world.assessment("Em").remind_at) == (
        1,
        first,
        first,
    )


def test_a_closed_season_follows_no_roster(sqlite: Database) -> None:
    world = World(sqlite)
    world.opens()
    with sqlite.transaction() as db:
        season.close_cycle(db, world.cycle, world.now)
    world.roster("An", unit_id=4)
    assert sync(world) == Synced()
    assert world.assessment("An").unit_id == 3


def test_a_season_closes_itself_once_nobody_may_be_typing(sqlite: Database) -> None:
    world = World(sqlite)
    world.opens()
    closed = []
    for time in ("17:00", "18:59", "19:00", "19:01"):
        world.at(f"2026-12-18 {time}")
        closed.append(world.cycle.closed)
    assert closed == [False, False, False, True]
    assert world.assessment("An").remind_at is None


def test_a_deadline_before_the_opening_is_refused(sqlite: Database) -> None:
    world = World(sqlite)
    world.opens()
    with sqlite.transaction() as db:
        found = season.move_deadline(db, world.cycle, CYCLE.opens, CYCLE.closes, world.now)
    assert found == Problem("season.wrong_order", {})


def test_who_declines_is_on_paper_and_comes_back_with_a_yes(sqlite: Database) -> None:
    world = World(sqlite)
    world.opens()
    cycle = world.cycle
    with sqlite.transaction() as db:
        enrolments.on_paper(db, world.ids["An"], cycle.id)
    assert (world.assessment("An").state, world.assessment("An").remind_at) == (m.PAPER, None)
    with sqlite.transaction() as db:
        enrolments.off_paper(db, world.ids["An"], cycle.id, cycle.due)
    assert (world.assessment("An").state, world.assessment("An").remind_at) == (m.NOT_STARTED, cycle.due)


@pytest.mark.parametrize("state", [m.RETURNED, m.PAPER])
def test_who_submitted_before_declining_is_submitted_then_and_after_a_yes(database: Database, state: str) -> None:
    world = World(database)
    world.opens()
    cycle = world.cycle
    world.submits("An")
    world.put("An", state=state, place="review/1", remind_at=cycle.due)
    with database.transaction() as db:
        if state == m.RETURNED:
            enrolments.on_paper(db, world.ids["An"], cycle.id)
        else:  # as version 0.1 left it
            enrolments.off_paper(db, world.ids["An"], cycle.id, cycle.due)
    found = world.assessment("An")
    assert (found.state, found.reopened, found.remind_at) == (m.SUBMITTED, False, None)
    with database.transaction() as db:
        enrolments.off_paper(db, world.ids["An"], cycle.id, cycle.due)
    assert world.assessment("An") == found


def test_who_submitted_and_declines_while_exempt_is_submitted_afterwards(sqlite: Database) -> None:
    world = World(sqlite)
    world.opens()
    cycle = world.cycle
    world.submits("An")
    world.put("An", state=m.EXEMPT, state_before=m.RETURNED, place="review/1")
    with sqlite.transaction() as db:
        enrolments.on_paper(db, world.ids["An"], cycle.id)
    row = sa.select(m.Assessment.state, m.Assessment.state_before, m.Assessment.place)
    with sqlite.transaction(read_only=True) as db:
        assert db.execute(row.where(m.Assessment.person_id == world.ids["An"])).one() == (m.EXEMPT, m.SUBMITTED, "")


def test_what_is_no_longer_needed_is_forgotten_in_its_time(sqlite: Database) -> None:
    world = World(sqlite)
    world.opens()
    world.tick()
    with sqlite.transaction() as db:
        season.close_cycle(db, world.cycle, world.now)
        db.execute(
            sa.insert(m.IncomingKey),
            [
                {"key": "old", "at": world.now, "failed": None},
                {"key": "failed", "at": world.now, "failed": "ValueError"},
            ],
        )

    def left(after: timedelta) -> tuple[int | None, list[str]]:
        with sqlite.transaction() as db:
            jobs.tidy(db, world.now + after)
        with sqlite.transaction(read_only=True) as db:
            words = db.scalar(sa.select(sa.func.count()).where(m.Outgoing.body.is_not(None)))
            return words, sorted(db.scalars(sa.select(m.IncomingKey.key)))

    assert left(timedelta(days=7)) == (9, ["failed", "old"])  # eight first notices and a digest
    assert left(timedelta(days=7, seconds=1)) == (0, ["failed", "old"])
    assert left(timedelta(days=30)) == (0, ["failed"])


def test_each_job_leaves_its_heartbeat_and_its_last_busy_counts(sqlite: Database) -> None:
    world = World(sqlite)
    world.opens()
    world.at("2026-12-01 08:00")
    world.at("2026-12-01 09:00")
    with sqlite.transaction(read_only=True) as db:
        runs = job_runs.newest(db)
    at = datetime(2026, 12, 1, 2, tzinfo=UTC)
    assert runs == {"close": (at, 0, 0), "remind": (at, 8, 8), "digest": (at, 1, 0), "tally": (at, 0, 0)}
