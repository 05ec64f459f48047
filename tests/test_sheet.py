"""The table of a cycle: everybody, every answer as it was typed, and nothing in it that a spreadsheet would run."""

import csv
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from openpyxl import load_workbook

from bot.documents import sheet
from bot.documents.sheet import FACTS, XLSX_CELL, columns, export
from bot.mistakes import Mistake
from bot.tables import RUNS
from handlers import forms
from handlers.forms import Form, Kind, Option, Question, Section
from handlers.words import clean
from storage import assessments, exports
from storage import models as m
from storage.database import Database
from tests.seeded import CYCLE, seed

NOW = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
SMALL = Form(
    "small",
    "Bản kiểm điểm",
    "vi",
    (
        Section("s1", "A.I", "Kết quả", (Question("done", "text", "1. Việc đã làm trong năm"),)),
        Section(
            "s2",
            "B.I",
            "Điểm",
            (
                Question("score", "number", "2. Điểm: …/100", decimals=1),
                Question("level", "choice", "3. Mức", options=(Option("good", "Tốt"), Option("fair", "Khá"))),
                Question("since", "date", "4. Từ ngày"),
            ),
        ),
    ),
)
TYPED = [
    "12 đề tài, 1 sáng kiến",
    "=1+1",
    '=HYPERLINK("http://xấu.vn","bấm")',
    "+84",
    "-5 điểm",
    "@SUM(A1)",
    "\t=1",
    "＝1+1",
    "'=1",
    "'trong nháy'",
    "dòng một\n\n=dòng hai",
    '"nháy", phẩy; chấm phẩy',
    "_x0041_ <b>&",
    "hoà và hòa 👍🏽",
    " cách đầu và cuối ",
    "007",
    "https://example.vn",
]


@pytest.fixture
def season(database: Database) -> Database:
    """Each of TYPED submitted by somebody; one more person has a draft."""
    people = tuple((f"KM-{n}", f"Người {n:02}", 1) for n in range(len(TYPED) + 1))
    seed(database, form=forms.dumps(SMALL), people=people)
    for number, words in enumerate(TYPED, 1):
        submit(database, number, words)
    with database.transaction() as db:
        draft = assessments.by_id(db, len(TYPED) + 1)
        assert draft is not None
        assessments.save(
            db,
            assessments.Step(
                draft,
                writes=[("done", "bản nháp của riêng tôi", True)],
                place="score",
                state=m.IN_PROGRESS,
                remind_at=None,
                now=NOW,
                address_id=None,
            ),
        )
    return database


def submit(database: Database, assessment: int, words: str, **also: str) -> None:
    with database.transaction() as db:
        db.execute(sa.update(m.Assessment).where(m.Assessment.id == assessment).values(state=m.SUBMITTED))
        assessments.submit(
            db, assessment, snapshot={"done": words, "score": "28.5", "level": "good", "since": "2011-05-19"} | also,
            receipt="7K2P", late=False, level="good", score=28.5, now=datetime(2026, 12, 1, 17, 30, 5, tzinfo=UTC),
        )  # fmt: skip


def read_csv(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.reader(text))


def read_xlsx(file: Path) -> list[list[Any]]:
    sheet = load_workbook(file).active
    assert sheet is not None
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def test_the_table_has_everybody_and_of_a_draft_only_its_state(season: Database, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert export(season, "2026", out, NOW, "vi") == 18
    heading, ids, first, *others = read_csv(out)
    assert heading == [
        "Đơn vị", "Mã đảng viên", "Họ và tên", "Mẫu", "Tình trạng", "Nộp lần đầu lúc (giờ Asia/Ho_Chi_Minh)",
        "Nộp muộn", "Nộp lần cuối lúc (giờ Asia/Ho_Chi_Minh)", "Lần nộp", "Mức tự xếp loại", "Điểm tự chấm",
        "Mã biên nhận", "A.I 1. Việc đã làm trong năm", "B.I 2. Điểm: …/100", "B.I 3. Mức", "B.I 4. Từ ngày",
    ]  # fmt: skip
    assert ids == [*FACTS, "done", "score", "level", "since"]
    assert first == [
        "Đảng bộ A/Chi bộ 1", "KM-0", "Người 00", "small", "đã nộp", "2026-12-02 00:30:05", "",
        "2026-12-02 00:30:05", "1", "good", "28.5", "7K2P", TYPED[0], "28.5", "Tốt", "2011-05-19",
    ]  # fmt: skip
    assert others[-2] == ["Đảng bộ A/Chi bộ 1", "KM-17", "Người 17", "small", "đang viết", *[""] * 11]
    assert others[-1] == ["Số người trong bảng: 18"]


def test_every_answer_is_in_the_csv_as_it_was_typed_and_none_is_a_formula(season: Database, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    export(season, "2026", out, NOW, "vi")
    cells = [row[12] for row in read_csv(out)[2 : 2 + len(TYPED)]]
    assert [cell[1:] if RUNS.match(cell) else cell for cell in cells] == TYPED
    assert [cell for cell in cells if cell[:1] in "=+-@\t\r＝＋－＠"] == []


def test_every_answer_is_in_the_workbook_as_it_was_typed_and_none_is_a_formula(
    season: Database, tmp_path: Path
) -> None:
    out = tmp_path / "out.xlsx"
    assert export(season, "2026", out, NOW, "vi") == 18
    sheet = load_workbook(out).active
    assert sheet is not None
    rows = list(sheet.iter_rows(min_row=3, max_row=2 + len(TYPED)))
    assert [row[12].value for row in rows] == [words.replace("_x0041_", "_x005F_x0041_") for words in TYPED]
    assert {row[12].data_type for row in rows} == {"s"}
    assert [cell.value for cell in rows[0]][5:] == [
        datetime(2026, 12, 2, 0, 30, 5), None, datetime(2026, 12, 2, 0, 30, 5), 1, "good", 28.5, "7K2P", TYPED[0],
        28.5, "Tốt", datetime(2011, 5, 19),
    ]  # fmt: skip
    assert sheet.cell(3 + len(TYPED) + 1, 1).value == "Số người trong bảng: 18"


def test_plain_csv_has_no_mark_at_its_start(season: Database, tmp_path: Path) -> None:
    export(season, "2026", tmp_path / "marked.csv", NOW, "vi")
    export(season, "2026", tmp_path / "plain.csv", NOW, "vi", plain=True)
    marked, plain = ((tmp_path / f"{name}.csv").read_bytes() for name in ("marked", "plain"))
    assert marked == b"\xef\xbb\xbf" + plain


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
def test_the_file_is_for_its_owner_alone_and_each_export_is_on_record(
    season: Database, tmp_path: Path, name: str
) -> None:
    export(season, "2026", tmp_path / name, NOW, "vi")
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.glob("out*")] == [name]
    with season.transaction(read_only=True) as db:
        assert [tuple(row) for row in db.execute(sa.select(m.Audit.action, m.Audit.cycle_id))] == [
            ("cycle.exported", 1)
        ]


def test_nobody_waits_for_an_export_and_it_shows_one_moment(season: Database) -> None:
    with season.transaction(read_only=True) as reading:
        found = exports.rows(reading, 1)
        first = next(found)
        submit(season, len(TYPED) + 1, "nộp trong lúc xuất")
        states = [first.state, *(row.state for row in found)]
    assert states == [m.SUBMITTED] * len(TYPED) + [m.IN_PROGRESS]


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [
        ("2031", "out.csv", "There is no cycle 2031. There are: 2026."),
        ("2026", "out.ods", "The file's name must end in .csv or .xlsx."),
    ],
)
def test_an_unknown_cycle_or_kind_of_file_is_refused(
    sqlite: Database, tmp_path: Path, code: str, name: str, said: str
) -> None:
    seed(sqlite)
    with pytest.raises(Mistake) as error:
        export(sqlite, code, tmp_path / name, NOW, "vi")
    assert error.value.sentence("en") == said
    assert list(tmp_path.glob("out*")) == []


def test_a_cell_too_long_for_a_workbook_is_told_in_the_file(sqlite: Database, tmp_path: Path) -> None:
    seed(sqlite, form=forms.dumps(SMALL))
    submit(sqlite, 1, "👍" * 20_000)
    export(sqlite, "2026", tmp_path / "out.xlsx", NOW, "en")
    export(sqlite, "2026", tmp_path / "out.csv", NOW, "en")
    rows = read_xlsx(tmp_path / "out.xlsx")
    assert rows[2][12] == "👍" * ((XLSX_CELL - 1) // 2) + "…"
    assert rows[-1][0] == "1 cells were too long for an XLSX file and end early; for all of it export to .csv"
    assert read_csv(tmp_path / "out.csv")[2][12] == "👍" * 20_000


def test_a_question_shared_by_forms_has_one_column_and_an_id_used_twice_has_two() -> None:
    def form(name: str, *questions: Question) -> Form:
        return Form(name, name, "vi", (Section("s", "A", "A", questions),))

    one = form("one", Question("a", "text", "Chung"), Question("b", "text", "Của lãnh đạo"))
    two = form("two", Question("a", "text", "Chung"), Question("b", "text", "Cam kết"), Question("c", "date", "Ngày"))
    fixed = form("one", Question("a", "text", "Chung, đã sửa lời"), Question("b", "text", "Của lãnh đạo"))
    found = columns([(1, one), (2, two), (3, fixed)])
    assert [(column.id, sorted(column.forms)) for column in found] == [
        ("a", [1, 2, 3]),
        ("one.b", [1, 3]),
        ("two.b", [2]),
        ("c", [2]),
    ]


def test_of_who_submitted_again_both_times_are_told_and_the_first_says_whether_it_was_late(
    sqlite: Database, tmp_path: Path
) -> None:
    seed(sqlite, form=forms.dumps(SMALL))
    for at, late in (
        (datetime(2026, 12, 10, 3, 0, tzinfo=UTC), False),
        (datetime(2026, 12, 16, 3, 0, tzinfo=UTC), True),
    ):
        with sqlite.transaction() as db:
            assessments.submit(db, 1, snapshot={}, receipt="7K2P", late=late, level=None, score=None, now=at)
    with sqlite.transaction() as db:
        values = {"state": m.SUBMITTED, "place": "review/1"}
        db.execute(sa.update(m.Assessment).where(m.Assessment.id == 1).values(values))
    export(sqlite, "2026", tmp_path / "out.csv", NOW, "vi")
    assert read_csv(tmp_path / "out.csv")[2][4:9] == [
        "đã nộp (đang sửa lại)", "2026-12-10 10:00:00", "", "2026-12-16 10:00:00", "2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("now", "reason", "told"),
    [
        (CYCLE.closes, None, "đã nộp (đang sửa lại)"),
        (CYCLE.closes, "từ trần", "đã nộp (từ trần; đang sửa lại)"),
        (CYCLE.closes + timedelta(seconds=1), None, "đã nộp"),
        (CYCLE.closes + timedelta(seconds=1), "từ trần", "đã nộp (từ trần)"),
    ],
)
def test_that_a_review_is_being_changed_is_told_beside_the_exemption_and_not_after_the_closing(
    sqlite: Database, tmp_path: Path, now: datetime, reason: str | None, told: str
) -> None:
    seed(sqlite, form=forms.dumps(SMALL))
    submit(sqlite, 1, "việc")
    with sqlite.transaction() as db:
        values = {"place": "review/1", "exempt_reason": reason}
        db.execute(sa.update(m.Assessment).where(m.Assessment.id == 1).values(values))
    export(sqlite, "2026", tmp_path / "out.csv", now, "vi")
    assert read_csv(tmp_path / "out.csv")[2][4] == told


@pytest.mark.parametrize("typed", ["12345678", "0.1234567", "28.50", "123456789012345678901234567890.5", "100000"])
def test_a_number_is_in_the_file_as_it_was_stored(sqlite: Database, tmp_path: Path, typed: str) -> None:
    seed(sqlite, form=forms.dumps(SMALL))
    submit(sqlite, 1, "Việc", score=typed)
    for name in ("out.csv", "out.xlsx"):
        export(sqlite, "2026", tmp_path / name, NOW, "vi")
    assert read_csv(tmp_path / "out.csv")[2][13] == typed
    assert Decimal(str(read_xlsx(tmp_path / "out.xlsx")[2][13])) == Decimal(typed)


def test_a_sum_and_a_score_are_not_rounded(sqlite: Database, tmp_path: Path) -> None:
    parts = (Question("one", "number", "1"), Question("two", "number", "2"))
    total = Question("total", "sum", "Tổng", sum_of=("one", "two"), scores=True)
    seed(sqlite, form=forms.dumps(Form("small", "", "vi", (Section("s", "A", "A", (*parts, total)),))))
    with sqlite.transaction() as db:
        assessments.submit(
            db, 1, snapshot={"one": "12345678.25", "two": "1"}, receipt="7K2P", late=False, level=None,
            score=12345679.25, now=NOW,
        )  # fmt: skip
    export(sqlite, "2026", tmp_path / "out.csv", NOW, "vi")
    row = dict(zip(*read_csv(tmp_path / "out.csv")[1:3], strict=True))
    assert (row["score"], row["one"], row["total"]) == ("12345679.25", "12345678.25", "12345679.25")


def test_what_one_sheet_cannot_hold_goes_on_in_the_next(
    season: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet, "XLSX_ROWS", 10)
    assert export(season, "2026", tmp_path / "out.xlsx", NOW, "vi") == 18
    book = load_workbook(tmp_path / "out.xlsx")
    assert book.sheetnames == ["kiemdiem", "kiemdiem 2", "kiemdiem 3"]
    rows = [[row[1].value for row in page.iter_rows()] for page in book.worksheets]
    assert [len(each) for each in rows] == [10, 10, 5]
    assert {tuple(each[:2]) for each in rows} == {("Mã đảng viên", "code")}
    assert [code for each in rows for code in each[2:] if code] == [f"KM-{n}" for n in range(18)]


def test_forms_that_ask_for_other_kinds_under_one_id_have_a_column_each(sqlite: Database, tmp_path: Path) -> None:
    def form(name: str, question: Question) -> Form:
        return Form(name, name, "vi", (Section("s", "A", "A", (question,)),))

    score, words = Question("a", "number", "Kết quả"), Question("a", "text", "Kết quả")
    seed(sqlite, form=forms.dumps(form("small", score)))
    body = forms.dumps(form("other", words))
    with sqlite.transaction() as db:
        db.execute(
            sa.insert(m.CycleForm).values(id=2, cycle_id=1, key="2A", form_id="other", body=body, digest="other")
        )
        db.execute(sa.update(m.Assessment).where(m.Assessment.id == 2).values(form_id=2))
    submit(sqlite, 1, "", a="28.5")
    submit(sqlite, 2, "", a="bằng lời")
    export(sqlite, "2026", tmp_path / "out.csv", NOW, "vi")
    rows = read_csv(tmp_path / "out.csv")
    assert rows[1][len(FACTS) :] == ["small.a", "other.a"]
    assert [row[len(FACTS) :] for row in rows[2:4]] == [["28.5", ""], ["", "bằng lời"]]


@pytest.mark.parametrize("kind", ["number", "date"])
def test_words_of_an_earlier_version_of_a_form_do_not_stop_the_export(
    sqlite: Database, tmp_path: Path, kind: Kind
) -> None:
    form = Form("small", "", "vi", (Section("s", "A", "A", (Question("a", kind, "Kết quả"),)),))
    seed(sqlite, form=forms.dumps(form))
    submit(sqlite, 1, "", a="khi câu này còn hỏi bằng lời")
    export(sqlite, "2026", tmp_path / "out.csv", NOW, "vi")
    assert read_csv(tmp_path / "out.csv")[2][len(FACTS)] == "khi câu này còn hỏi bằng lời"


def test_thousands_of_long_reviews_fit_in_little_memory(sqlite: Database, tmp_path: Path) -> None:
    seed(sqlite, form=forms.dumps(SMALL), people=())
    with sqlite.transaction() as db:
        people = [
            {
                "id": n,
                "code": f"KM-{n}",
                "name": f"N {n}",
                "name_key": f"n {n}",
                "birth_date": date(1985, 6, 15),
                "unit_id": 1,
            }
            for n in range(1, 2001)
        ]
        db.execute(sa.insert(m.Person), people)
        reviews = [
            {"id": n, "cycle_id": 1, "person_id": n, "unit_id": 1, "form_id": 1, "state": m.SUBMITTED}
            for n in range(1, 2001)
        ]
        db.execute(sa.insert(m.Assessment), reviews)
        words = "Đã hoàn thành nhiệm vụ được giao. " * 300
        for number in range(1, 2001):
            assessments.submit(
                db, number, snapshot={"done": words}, receipt="7K2P", late=False, level=None, score=None, now=NOW
            )
    tracemalloc.start()
    assert export(sqlite, "2026", tmp_path / "out.xlsx", NOW, "vi") == 2000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60_000_000


def test_what_was_typed_is_cleaned_before_it_is_stored_so_nothing_else_reaches_a_file() -> None:
    assert [clean(words) for words in TYPED] == TYPED
