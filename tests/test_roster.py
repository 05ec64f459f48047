"""The roster: what a file says becomes people, units and roles; what is wrong in it is said record by record."""

import csv
import io
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from bot import roster
from bot.roster_file import COLUMNS, Unreadable, records
from bot.roster_preview import Preview
from bot.season import open_cycle
from bot.season_follows import Synced
from handlers.texts import texts
from storage import people, roles, units
from storage.database import Database
from tests.season import CYCLE, FORM

SAMPLE = Path("cycles/demo/roster.csv")
BAD = Path("tests/data/roster_bad.csv")
TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)

GOOD = {
    "unit_path": "Đảng bộ Khối mẫu/Đảng bộ cơ sở Sở A/Chi bộ 1",
    "member_code": "KM-1",
    "full_name": "Nguyễn Văn An",
    "birth_date": "1985-06-15",
    "gender": "nam",
    "phone": "0500000001",
    "position": "Chuyên viên",
    "form": "2B",
    "role": "member",
    "admitted_on": "2012-05-19",
    "exempt_reason": "",
}


def taken_in(database: Database, file: Path) -> Preview:
    """The file imported as the operator would."""
    with database.transaction() as db:
        return roster.import_roster(db, roster.read(file, today=TODAY), NOW)


def written(folder: Path, *rows: dict[str, str], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    """A CSV roster of GOOD records, each with its changes."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, delimiter=delimiter)
    table.writeheader()
    table.writerows(GOOD | {"member_code": f"KM-{number}"} | row for number, row in enumerate(rows, 1))
    file = folder / "roster.csv"
    file.write_bytes(text.getvalue().encode(encoding))
    return file


def as_xlsx(folder: Path, rows: list[list[object]]) -> Path:
    """The rows as a workbook."""
    from openpyxl import Workbook

    book = Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    file = folder / "roster.xlsx"
    book.save(file)
    return file


def found(file: Path) -> list[tuple[int, str, str]]:
    """What is said of a file: (record, mark, key)."""
    return [(f.number, f.mark, f.key.removeprefix("roster.")) for f in roster.read(file, today=TODAY).findings]


def test_the_sample_roster_imports_whole(database: Database) -> None:
    preview = taken_in(database, SAMPLE)

    assert preview.findings == ()
    assert (len(preview.new), preview.rejected, len(preview.units_new)) == (120, 0, 11)
    with database.transaction() as db:
        tree = units.by_keys(db)
        assert len(people.by_codes(db)) == 120
        assert [(unit.kind, unit.path.count("."), unit.name) for unit in tree.values()] == [
            ("committee", 1, "Đảng bộ Khối mẫu"),
            ("organisation", 2, "Đảng bộ cơ sở Sở A"),
            ("organisation", 2, "Đảng bộ cơ sở Trường Đại học B"),
            ("base_cell", 2, "Chi bộ cơ sở Công ty C"),
            ("cell", 3, "Chi bộ 1"),
            ("cell", 3, "Chi bộ 2"),
            ("cell", 3, "Chi bộ 3"),
            ("cell", 3, "Chi bộ 4"),
            ("cell", 3, "Chi bộ 1"),
            ("cell", 3, "Chi bộ 2"),
            ("cell", 3, "Chi bộ Sinh viên"),
        ]
        paths = {unit.id: unit.path for unit in tree.values()}
        for unit in tree.values():
            assert unit.path == f"{paths[unit.parent_id] if unit.parent_id else ''}{unit.id}."


def test_importing_the_same_file_again_changes_nothing(database: Database) -> None:
    taken_in(database, SAMPLE)
    with database.transaction() as db:
        before = people.by_codes(db), units.by_keys(db)
    again = taken_in(database, SAMPLE)

    assert (again.changes, again.unchanged) == (False, 120)
    assert again.lines("vi")[-1] == "Không có gì thay đổi."
    with database.transaction() as db:
        assert (people.by_codes(db), units.by_keys(db)) == before


def test_two_imports_at_once_end_as_one(database: Database) -> None:
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda file: taken_in(database, file), (SAMPLE, SAMPLE)))
    assert sorted(len(preview.new) for preview in both) == [0, 120]


def test_an_officer_serves_the_organisation_of_the_own_cell(sqlite: Database) -> None:
    taken_in(sqlite, SAMPLE)
    with sqlite.transaction() as db:
        names = {unit.id: unit.name for unit in units.by_keys(db).values()}
        held = [(name, names[unit]) for p in people.by_codes(db).values() for name, unit in p.roles]
    assert sorted(unit for name, unit in held if name == "officer") == [
        "Chi bộ cơ sở Công ty C",
        "Đảng bộ cơ sở Sở A",
        "Đảng bộ cơ sở Sở A",
        "Đảng bộ cơ sở Trường Đại học B",
    ]
    assert sum(1 for name, _ in held if name == "secretary") == 8


BY_RECORD = [
    (2, "rejected", "no_name"),
    (3, "rejected", "code_twice"),
    (4, "warning", "day_or_month"),
    (5, "fixed", "date_read"),
    (5, "fixed", "date_read"),
    (6, "fixed", "date_read"),
    (6, "fixed", "date_read"),
    (7, "rejected", "no_such_day"),
    (8, "rejected", "unknown_role"),
    (9, "fixed", "tidied"),
    (10, "fixed", "tidied"),
    (10, "fixed", "role_read"),
    (11, "rejected", "formula"),
    (12, "warning", "formula_kept"),
    (13, "fixed", "tidied"),
    (13, "fixed", "unit_spelled"),
    (14, "fixed", "tidied"),
    (15, "warning", "second_secretary"),
    (16, "rejected", "too_long"),
    (17, "rejected", "unknown_form"),
    (18, "warning", "gender_dropped"),
    (18, "warning", "no_form"),
    (19, "warning", "phone_dropped"),
    (20, "rejected", "too_few_cells"),
    (21, "rejected", "too_many_cells"),
    (22, "fixed", "tidied"),
    (23, "rejected", "admitted_before_birth"),
    (24, "skipped", "empty"),
    (25, "rejected", "unknown_reason"),
    (25, "warning", "unit_not_made"),
]


def test_the_bad_roster_is_treated_record_by_record(database: Database) -> None:
    preview = taken_in(database, BAD)

    assert [(f.number, f.mark, f.key.removeprefix("roster.")) for f in preview.findings] == BY_RECORD
    assert preview.rejected == 11
    with database.transaction() as db:
        stored, tree = people.by_codes(db), units.by_keys(db)
        secretaries = [code for code, person in stored.items() if ("secretary", person.unit_id) in person.roles]
    assert [unit.name for unit in tree.values()] == ["Đảng bộ Khối mẫu", "Đảng bộ cơ sở Sở A", "Chi bộ 1", "Chi bộ 2"]
    assert {code: person.name for code, person in stored.items()} == {
        "KM-9001": "Đặng Quốc Khánh Toàn",
        "KM-9004": "Hồ Minh Lộc",
        "KM-9005": "Võ Thị Cẩm Nhung",
        "KM-9006": "Trịnh Công Ước",
        "KM-9009": "Nguyễn Thị Tuyết Nhung",
        "KM-9010": "Trần Thị Mai",
        "KM-9012": "Ngô Thị Thơ",
        "KM-9013": "Dương Văn Bảy",
        "KM-9014": "Đặng Văn Sỹ",
        "KM-9015": "Huỳnh Thị Mỹ Ngà",
        "KM-9018": "Mai Thị Sương",
        "KM-9019": "Cao Hữu Tài",
        "KM-9022": "Đỗ Thị Hạnh",
    }
    assert secretaries == ["KM-9001", "KM-9015"]
    assert stored["KM-9004"].birth_date == date(1979, 11, 5)
    assert (stored["KM-9005"].birth_date, stored["KM-9005"].admitted_on) == (date(1982, 12, 31), date(2010, 9, 2))
    assert (stored["KM-9006"].birth_date, stored["KM-9006"].admitted_on) == (date(1980, 1, 1), date(2011, 5, 1))
    assert (stored["KM-9018"].gender, stored["KM-9018"].form, stored["KM-9019"].phone) == (None, None, None)


def test_a_workbook_says_the_same_as_the_csv_file(sqlite: Database, tmp_path: Path) -> None:
    with SAMPLE.open(encoding="utf-8", newline="") as lines:
        rows: list[list[object]] = [list(row) for row in csv.reader(lines)]
    for row in rows[1:]:
        row[3] = datetime.fromisoformat(str(row[3]))  # as Excel holds a day
    file = as_xlsx(tmp_path, rows)

    assert roster.read(file, today=TODAY) == roster.read(SAMPLE, today=TODAY)
    taken_in(sqlite, SAMPLE)
    assert not taken_in(sqlite, file).changes


def test_numbers_in_a_workbook_are_read_as_excel_means_them(tmp_path: Path) -> None:
    row = GOOD | {"birth_date": 29221, "phone": 500000001.0}
    file = as_xlsx(tmp_path, [list(COLUMNS), [row[column] for column in COLUMNS]])

    (member,) = roster.read(file, today=TODAY).members
    assert (member.birth_date, member.phone) == (date(1980, 1, 1), "0500000001")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_separator_and_mark_of_a_csv_file_do_not_matter(tmp_path: Path, delimiter: str, encoding: str) -> None:
    read = roster.read(written(tmp_path, {}, delimiter=delimiter, encoding=encoding), today=TODAY)
    assert (read.findings, [member.name for member in read.members]) == ((), ["Nguyễn Văn An"])


def test_the_other_date_of_a_record_settles_which_is_the_day(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        {"birth_date": "05/11/1979"},
        {"birth_date": "05/11/1979", "admitted_on": "31/12/2010"},
        {"birth_date": "05/05/1979"},
    )
    assert found(file) == [
        (1, "warning", "day_or_month"),
        (2, "fixed", "date_read"),
        (2, "fixed", "date_read"),
        (3, "fixed", "date_read"),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"birth_date": ""}, ("rejected", "no_birth_date")),
        ({"birth_date": "1985"}, ("rejected", "no_such_day")),
        ({"birth_date": "2026-11-24", "admitted_on": ""}, ("rejected", "born_later")),
        ({"admitted_on": "2026-12-01"}, ("warning", "admitted_later")),
        ({"member_code": ""}, ("rejected", "no_code")),
        ({"member_code": "../../x"}, ("rejected", "bad_code")),
        ({"unit_path": " / "}, ("rejected", "no_unit")),
        ({"unit_path": "Khối/=1+1"}, ("rejected", "formula")),
        ({"full_name": "Nguyễn \u202eAn"}, ("rejected", "hidden_signs")),
        ({"phone": "+84 500 000 001"}, ("fixed", "phone_read")),
        ({"phone": "12"}, ("warning", "phone_dropped")),
        ({"role": "bí thư chi bộ"}, ("fixed", "role_read")),
    ],
)
def test_what_is_odd_is_said(tmp_path: Path, change: dict[str, str], said: tuple[str, str]) -> None:
    named = [(number, mark, key) for number, mark, key in found(written(tmp_path, change)) if key != "tidied"]
    assert [item for item in named if item[2] != "unit_not_made"] == [(1, *said)]


def test_a_changed_record_changes_that_person_only(sqlite: Database, tmp_path: Path) -> None:
    taken_in(sqlite, written(tmp_path, {}, {}))
    moved = GOOD["unit_path"].replace("Chi bộ 1", "Chi bộ 2")
    again = taken_in(sqlite, written(tmp_path, {}, {"unit_path": moved, "role": "secretary"}))

    assert [member.code for member in again.changed] == ["KM-2"]
    with sqlite.transaction() as db:
        person = people.by_codes(db)["KM-2"]
        cell = units.by_id(db, person.unit_id)
    assert cell is not None
    assert (cell.name, person.roles) == ("Chi bộ 2", (("secretary", cell.id),))


def test_who_is_absent_from_a_file_stays(sqlite: Database, tmp_path: Path) -> None:
    taken_in(sqlite, written(tmp_path, {}, {}))
    again = taken_in(sqlite, written(tmp_path, {}))

    assert (again.changes, again.absent) == (False, 1)
    with sqlite.transaction() as db:
        assert sorted(people.by_codes(db)) == ["KM-1", "KM-2"]


def test_a_roster_takes_its_own_roles_back_and_leaves_granted_ones(sqlite: Database, tmp_path: Path) -> None:
    taken_in(sqlite, written(tmp_path, {"role": "secretary"}))
    with sqlite.transaction() as db:
        root = units.root(db)
        person = people.by_codes(db)["KM-1"]
        assert root is not None
        assert roles.grant(db, person.id, "officer", root.id)
        assert not roles.grant(db, person.id, "officer", root.id)
    taken_in(sqlite, written(tmp_path, {"role": "member"}))

    with sqlite.transaction() as db:
        assert people.by_codes(db)["KM-1"].roles == (("officer", root.id),)


def test_the_secretary_who_is_only_stored_is_named_too(sqlite: Database, tmp_path: Path) -> None:
    taken_in(sqlite, written(tmp_path, {"role": "secretary"}))
    again = taken_in(sqlite, written(tmp_path, {"member_code": "KM-7", "role": "secretary"}))

    assert [finding.sentence("vi") for finding in again.findings] == [
        "Bản ghi 1 (KM-7): LƯU Ý. Chi bộ 1 đã có bí thư KM-1; nay có hai bí thư. Xin kiểm tra lại."
    ]


def test_a_cell_that_gets_units_below_it_is_a_cell_no_more(sqlite: Database, tmp_path: Path) -> None:
    taken_in(sqlite, written(tmp_path, {"unit_path": "Khối/Sở A"}))
    taken_in(sqlite, written(tmp_path, {"unit_path": "Khối/Sở A/Bộ phận/Chi bộ 1"}))
    with sqlite.transaction() as db:
        assert [unit.kind for unit in units.by_keys(db).values()] == ["committee", "organisation", "division", "cell"]


def test_most_records_decide_how_a_unit_is_spelled(sqlite: Database, tmp_path: Path) -> None:
    odd, usual = {"unit_path": "KHỐI/Chi bộ Hoà Bình"}, {"unit_path": "Khối/Chi bộ Hòa Bình"}
    taken_in(sqlite, written(tmp_path, odd))
    taken_in(sqlite, written(tmp_path, odd, usual, usual))
    with sqlite.transaction() as db:
        assert [unit.name for unit in units.by_keys(db).values()] == ["Khối", "Chi bộ Hòa Bình"]


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"", "roster.no_column"),
        (b"member_code,full_name\n", "roster.no_column"),
        (b"unit_path,member_code,full_name,birth_date,full_name\n", "roster.column_twice"),
        ("unit_path,member_code,full_name,birth_date\nĐ".encode("utf-16"), "roster.not_utf8"),
        (b"PK\x03\x04 not a zip", "roster.not_xlsx"),
    ],
)
def test_a_file_that_is_no_roster_is_refused_whole(tmp_path: Path, content: bytes, key: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(Unreadable) as refused:
        records(file)
    assert refused.value.key == key
    assert key in texts("vi")


def hostile(file: Path, change: str) -> None:
    """The workbook made hostile in one way."""
    with ZipFile(file) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    if change == "bomb":
        parts[sheet] = parts[sheet].replace(b"</sheetData>", b" " * 50_000_000 + b"</sheetData>")
    elif change == "entries":
        parts |= {f"xl/media/{number}.png": b"" for number in range(300)}
    elif change == "path":
        parts["../../evil"] = b"x"
    elif change == "entities":
        lols = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 12))
        parts[sheet] = b'<!DOCTYPE w [<!ENTITY l0 "lol">' + lols + b"]><worksheet>&l11;</worksheet>"
    elif change == "not xml":
        parts[sheet] = b"<worksheet><sheetData><row>"
    with ZipFile(file, "w", ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    if change == "lying":  # the packing list says the sheet is small, what is packed is not
        with ZipFile(file, "w", ZIP_DEFLATED) as packed:
            for name, content in parts.items():
                packed.writestr(name, content + (b" " * 30_000_000 if name == sheet else b""))
            packed.getinfo(sheet).file_size = 500


@pytest.mark.parametrize("change", ["bomb", "entries", "path", "entities", "not xml", "lying"])
def test_a_hostile_workbook_is_refused_at_once(tmp_path: Path, change: str) -> None:
    file = as_xlsx(tmp_path, [list(COLUMNS), [GOOD[column] for column in COLUMNS]])
    hostile(file, change)
    began = time.monotonic()
    with pytest.raises(Unreadable):
        records(file)
    assert time.monotonic() - began < 2


def test_a_cell_at_the_far_end_of_a_sheet_costs_nothing(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    assert book.active is not None
    book.active.append(list(COLUMNS))
    book.active.append([GOOD[column] for column in COLUMNS])
    book.active["XFD1048576"] = "x"
    book.save(tmp_path / "far.xlsx")
    assert [record.cells["member_code"] for record in records(tmp_path / "far.xlsx")] == ["KM-1"]


def test_every_finding_is_a_sentence_in_both_languages() -> None:
    read = roster.read(BAD, today=TODAY)
    for lang in ("vi", "en"):
        assert all(finding.sentence(lang) for finding in read.findings)


KILLED = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from bot import checkpoints, roster
from storage.database import Database
from tests.season import CYCLE, FORM

checkpoints.arm("", int(sys.argv[2]))
with Database(sys.argv[1]).transaction() as db:
    roster.import_roster(db, roster.read(Path("cycles/demo/roster.csv"), today=date(2026, 11, 24)), datetime.now(UTC))
"""


@pytest.mark.parametrize("step", [1, 2, 3])
def test_an_import_that_is_killed_leaves_nothing_behind(sqlite: Database, step: int) -> None:
    url = sqlite.url.render_as_string()
    killed = subprocess.run([sys.executable, "-c", KILLED, url, str(step)], check=False, timeout=60)

    assert killed.returncode == -signal.SIGKILL
    with sqlite.transaction() as db:
        assert (people.by_codes(db), units.by_keys(db)) == ({}, {})
    assert len(taken_in(sqlite, SAMPLE).new) == 120


def test_the_open_cycle_follows_the_roster(database: Database, tmp_path: Path) -> None:
    taken_in(database, written(tmp_path, {}, {}))
    with database.transaction() as db:
        open_cycle(db, CYCLE, {"short": FORM}, NOW)
    moved = GOOD["unit_path"].replace("Chi bộ 1", "Chi bộ 2")
    again = taken_in(database, written(tmp_path, {"unit_path": moved}, {"exempt_reason": "Từ trần"}, {}))

    assert again.synced == Synced(added=1, moved=1, exempted=1)
    assert taken_in(database, written(tmp_path, {"unit_path": moved}, {"exempt_reason": "Từ trần"}, {})).synced is None
