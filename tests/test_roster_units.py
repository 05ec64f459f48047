"""Units whose names differ by diacritics, and codes that stand before other people's names."""

import unicodedata
from pathlib import Path

import pytest

from bot import named, roster
from bot.mistakes import Mistake
from bot.roster_preview import Preview
from storage import people, units
from storage.database import Database
from tests.test_roster import NOW, TODAY, taken_in, written

EAST, COPPER = "Khối/Chi bộ thôn Đông", "Khối/Chi bộ thôn Đồng"
SECRETARY = {"role": "secretary"}


def cells(database: Database) -> dict[str, str]:
    """Everybody's cell, by member code."""
    with database.transaction() as db:
        names = {unit.id: unit.name for unit in units.by_keys(db).values()}
        return {code: names[person.unit_id] for code, person in people.by_codes(db).items()}


def said(preview: Preview) -> list[tuple[int, str, str]]:
    """What is said of the records."""
    return [(f.number, f.mark, f.key.removeprefix("roster.")) for f in preview.findings]


def test_cells_that_differ_by_their_tone_are_two_and_a_secretary_sees_one(database: Database, tmp_path: Path) -> None:
    file = written(tmp_path, {"unit_path": EAST} | SECRETARY, {"unit_path": COPPER} | SECRETARY)
    preview = taken_in(database, file)
    assert said(preview) == [(2, "warning", "unit_alike")]
    assert preview.findings[0].sentence("vi") == (
        "Bản ghi 2 (KM-2): LƯU Ý. Chi bộ thôn Đồng chỉ khác dấu với Chi bộ thôn Đông; được coi là hai đơn vị. "
        "Nếu là một, sửa tệp cho giống nhau trước khi ghi."
    )
    assert cells(database) == {"KM-1": "Chi bộ thôn Đông", "KM-2": "Chi bộ thôn Đồng"}
    with database.transaction() as db:
        stored = people.by_codes(db)
        assert {code: person.roles for code, person in stored.items()} == {
            code: (("secretary", person.unit_id),) for code, person in stored.items()
        }
    assert not taken_in(database, file).changes


def test_two_cells_that_version_0_1_made_one_are_parted_by_the_next_import(database: Database, tmp_path: Path) -> None:
    taken_in(database, written(tmp_path, {"unit_path": EAST}, {"unit_path": EAST}))
    again = taken_in(database, written(tmp_path, {"unit_path": EAST}, {"unit_path": COPPER}))
    assert said(again) == [(2, "warning", "unit_alike")]
    assert cells(database) == {"KM-1": "Chi bộ thôn Đông", "KM-2": "Chi bộ thôn Đồng"}


@pytest.mark.parametrize("spelling", ["KHỐI/CHI BỘ  HÒA BÌNH", "Khối/Chi bộ Hoà Bình", "Khối/Chi bộ Hòa Bình", "NFD"])
def test_a_cell_spelled_in_another_way_stays_one(sqlite: Database, tmp_path: Path, spelling: str) -> None:
    usual = "Khối/Chi bộ Hòa Bình"
    spelling = unicodedata.normalize("NFD", usual) if spelling == "NFD" else spelling
    taken_in(sqlite, written(tmp_path, {"unit_path": usual}, {"unit_path": usual}, {"unit_path": spelling}))
    assert cells(sqlite) == dict.fromkeys(("KM-1", "KM-2", "KM-3"), "Chi bộ Hòa Bình")


@pytest.mark.parametrize("stored", [False, True])
def test_a_name_without_any_diacritics_is_refused_where_one_with_them_is_known(
    sqlite: Database, tmp_path: Path, stored: bool
) -> None:
    usual, bare = {"unit_path": EAST}, {"unit_path": "Khoi/Chi bo thon Dong"}
    if stored:
        taken_in(sqlite, written(tmp_path, usual))
    preview = taken_in(sqlite, written(tmp_path, usual, bare))
    assert (said(preview), preview.rejected) == ([(2, "rejected", "unit_bare")], 1)
    assert preview.findings[0].sentence("vi") == (
        "Bản ghi 2 (KM-2): TỪ CHỐI. Khoi viết không dấu, trong khi có Khối. Ghi tên đơn vị đủ dấu rồi nhập lại."
    )
    assert cells(sqlite) == {"KM-1": "Chi bộ thôn Đông"}


def test_a_stored_name_without_diacritics_is_put_right_by_the_file(database: Database, tmp_path: Path) -> None:
    taken_in(database, written(tmp_path, {"unit_path": "Khoi/So A/Chi bo 1"}, {"unit_path": "Khoi/So A/Chi bo 1"}))
    with database.transaction() as db:
        before = [unit.id for unit in units.by_keys(db).values()]
    right = {"unit_path": "Khối/Sở A/Chi bộ 1"}
    again = taken_in(database, written(tmp_path, right, right))
    assert (said(again), list(again.units_new)) == ([], [])
    with database.transaction() as db:
        tree = units.by_keys(db).values()
        assert [(unit.id, unit.name) for unit in tree] == list(zip(before, ("Khối", "Sở A", "Chi bộ 1"), strict=True))
    assert not taken_in(database, written(tmp_path, right, right)).changes


def test_operators_name_units_without_diacritics_where_only_one_is_meant(sqlite: Database, tmp_path: Path) -> None:
    rows = EAST, COPPER, "Khối/Chi bộ thôn Tây", "Khối/Sở A/Chi bộ 1"
    taken_in(sqlite, written(tmp_path, *({"unit_path": path} for path in rows)))
    with sqlite.transaction() as db:
        assert named.unit(db, "chi bo thon tay").name == "Chi bộ thôn Tây"
        assert named.unit(db, "khoi/so a/chi bo 1").name == "Chi bộ 1"
        assert named.unit(db, "chi bộ thôn đồng").name == "Chi bộ thôn Đồng"
        with pytest.raises(Mistake) as refused:
            named.unit(db, "chi bo thon dong")
    assert refused.value.key == "named.many_units"


# ------------------------------------------------------------------ codes before other people's names

AN = {"full_name": "Nguyễn Văn An", "birth_date": "1985-06-15"}
BINH = {"full_name": "Trần Thị Bình", "birth_date": "1977-03-03"}


def test_a_code_before_another_persons_name_and_birth_date_is_refused(database: Database, tmp_path: Path) -> None:
    taken_in(database, written(tmp_path, AN, BINH))
    sorted_apart = written(tmp_path, BINH, AN)
    preview = taken_in(database, sorted_apart)
    assert (said(preview), preview.rejected) == (
        [(1, "rejected", "somebody_else"), (2, "rejected", "somebody_else")],
        2,
    )
    assert preview.findings[0].sentence("vi") == (
        "Bản ghi 1 (KM-1): TỪ CHỐI. Mã này là của Nguyễn Văn An, sinh 15/06/1985; tệp ghi Trần Thị Bình, sinh "
        "03/03/1977. Có thể cột mã bị lệch. Nếu đúng là một người, thêm --same KM-1."
    )
    with database.transaction() as db:
        assert people.by_codes(db)["KM-1"].name == "Nguyễn Văn An"


def test_a_new_name_and_birth_date_go_in_for_the_codes_that_the_operator_names(
    sqlite: Database, tmp_path: Path
) -> None:
    taken_in(sqlite, written(tmp_path, AN, BINH))
    with sqlite.transaction() as db:
        read = roster.read(written(tmp_path, BINH, AN), today=TODAY, same=["km-1"])
        preview = roster.import_roster(db, read, NOW)
    assert said(preview) == [(2, "rejected", "somebody_else")]
    with sqlite.transaction() as db:
        assert [person.name for person in people.by_codes(db).values()] == ["Trần Thị Bình", "Trần Thị Bình"]


def test_the_preview_shows_every_change_from_old_to_new_by_column(sqlite: Database, tmp_path: Path) -> None:
    taken_in(sqlite, written(tmp_path, {}, {}, {}))
    changed = written(
        tmp_path,
        {"full_name": "Nguyễn Văn Ân", "phone": "0500000009"},
        {"unit_path": "Khối/Chi bộ 2", "role": "secretary"},
        {"birth_date": "1985-06-16", "exempt_reason": "từ trần"},
    )
    with sqlite.transaction() as db:
        lines = roster.compared(db, roster.read(changed, today=TODAY)).lines("vi")
    assert lines[:13] == [
        "unit_path: 1 thay đổi",
        "  KM-2: Đảng bộ Khối mẫu/Đảng bộ cơ sở Sở A/Chi bộ 1 → Khối/Chi bộ 2",
        "full_name: 1 thay đổi",
        "  KM-1: Nguyễn Văn An → Nguyễn Văn Ân",
        "birth_date: 1 thay đổi",
        "  KM-3: 15/06/1985 → 16/06/1985",
        "phone: 1 thay đổi",
        "  KM-1: …001 → …009",
        "role: 1 thay đổi",
        "  KM-2: - → secretary",
        "exempt_reason: 1 thay đổi",
        "  KM-3: - → từ trần",
        "Tổ chức đảng mới: 2.",
    ]


def test_many_new_units_and_changes_are_counted_and_written_whole_to_the_report(
    sqlite: Database, tmp_path: Path
) -> None:
    taken_in(sqlite, written(tmp_path, *({} for _ in range(30))))
    moved = written(tmp_path, *({"unit_path": f"Khối/Sở {n % 2}/Chi bộ {n}"} for n in range(30)))
    with sqlite.transaction() as db:
        preview = roster.compared(db, roster.read(moved, today=TODAY))
    lines = preview.lines("vi")
    assert (len(lines), lines[21], lines[22:26]) == (
        27,
        "  … và 10 thay đổi nữa; xem đủ: --report TỆP",
        [
            "Tổ chức đảng mới: 33.",
            "  Khối: 1 đơn vị mới, 30 người trong tệp",
            "  Khối/Sở 0: 16 đơn vị mới, 15 người trong tệp",
            "  Khối/Sở 1: 16 đơn vị mới, 15 người trong tệp",
        ],
    )
    whole = preview.lines("vi", whole=True)
    assert sum(line.startswith("  KM-") for line in whole) == 30
    assert "  Khối/Sở 1/Chi bộ 29: 1 người trong tệp" in whole


# ------------------------------------------------------------------ what a refused record leaves alone


def tree(database: Database) -> dict[str, str]:
    """Every unit's kind by its path."""
    with database.transaction(read_only=True) as db:
        return {"/".join(units.names(db, unit.id)): unit.kind for unit in units.by_keys(db).values()}


def test_a_record_whose_code_is_somebody_elses_changes_no_unit(database: Database, tmp_path: Path) -> None:
    taken_in(database, written(tmp_path, AN | {"unit_path": "Khối/Thôn Đông"}, {"unit_path": "Khối/Chi bộ 2"}))
    before = tree(database)
    below = written(tmp_path, BINH | {"unit_path": "KHỐI/Thôn Đông/Tổ 1"})
    preview = taken_in(database, below)
    assert (
        tree(database) == before == {"Khối": "committee", "Khối/Thôn Đông": "base_cell", "Khối/Chi bộ 2": "base_cell"}
    )
    assert preview.lines("vi")[1:] == [
        "Bản ghi 1 (KM-1): LƯU Ý. Đơn vị Tổ 1 chỉ có ở dòng bị từ chối nên không được tạo.",
        "Đảng viên: 0 mới, 0 thay đổi, 0 giữ nguyên, 1 bản ghi bị từ chối. 1 người không có trong tệp vẫn được giữ.",
        "Không có gì thay đổi.",
    ]


def test_a_record_whose_unit_is_refused_renames_no_unit_above_it(database: Database, tmp_path: Path) -> None:
    taken_in(database, written(tmp_path, {"unit_path": "Khoi/Chi bộ 1"}))
    preview = taken_in(database, written(tmp_path, {"unit_path": "Khối/Chi bo 1"}))
    assert (said(preview), preview.changes) == ([(1, "rejected", "unit_bare")], False)
    assert list(tree(database)) == ["Khoi", "Khoi/Chi bộ 1"]


def test_a_second_secretary_is_told_though_the_firsts_record_is_refused(sqlite: Database, tmp_path: Path) -> None:
    taken_in(sqlite, written(tmp_path, AN | SECRETARY))
    preview = taken_in(sqlite, written(tmp_path, BINH, SECRETARY))
    assert said(preview) == [(1, "rejected", "somebody_else"), (2, "warning", "second_secretary")]


def test_a_unit_is_spelled_as_the_records_that_are_taken_in_do(database: Database, tmp_path: Path) -> None:
    taken_in(database, written(tmp_path, AN, AN))
    loud = {"unit_path": "KHỐI/CHI BỘ 7"}
    preview = taken_in(database, written(tmp_path, BINH | loud, BINH | loud, {"unit_path": "Khối/Chi bộ 7"}))
    assert [each for each in said(preview) if each[1] != "rejected"] == []
    assert cells(database)["KM-3"] == "Chi bộ 7"


def test_the_preview_shows_which_units_become_of_another_kind(sqlite: Database, tmp_path: Path) -> None:
    taken_in(sqlite, written(tmp_path, {"unit_path": "Khối/Sở A"}))
    preview = taken_in(sqlite, written(tmp_path, {"unit_path": "Khối/Sở A/Chi bộ 1"}))
    assert preview.lines("vi") == [
        "unit_path: 1 thay đổi",
        "  KM-1: Khối/Sở A → Khối/Sở A/Chi bộ 1",
        "Loại tổ chức đảng: 1 thay đổi",
        "  Khối/Sở A: chi bộ cơ sở → đảng bộ cơ sở",
        "Tổ chức đảng mới: 1.",
        "  Khối/Sở A/Chi bộ 1: 1 người trong tệp",
        "Đảng viên: 0 mới, 1 thay đổi, 0 giữ nguyên, 0 bản ghi bị từ chối. 0 người không có trong tệp vẫn được giữ.",
    ]


def test_a_role_that_is_held_in_another_unit_is_shown_with_both(sqlite: Database, tmp_path: Path) -> None:
    taken_in(sqlite, written(tmp_path, {"unit_path": "Khối/Chi bộ 1"} | SECRETARY))
    preview = taken_in(sqlite, written(tmp_path, {"unit_path": "Khối/Chi bộ 2"} | SECRETARY))
    assert preview.lines("vi")[:4] == [
        "unit_path: 1 thay đổi",
        "  KM-1: Khối/Chi bộ 1 → Khối/Chi bộ 2",
        "role: 1 thay đổi",
        "  KM-1: secretary (Khối/Chi bộ 1) → secretary (Khối/Chi bộ 2)",
    ]


# ------------------------------------------------------------------ with and without diacritics in one file

BARE, WITH, OTHER = "Khoi/Thon Dong", "Khối/Thôn Đông", "Khối/Thôn Đồng"


def test_a_stored_name_without_diacritics_is_refused_beside_others_in_the_file(
    database: Database, tmp_path: Path
) -> None:
    taken_in(database, written(tmp_path, *({"unit_path": BARE} for _ in range(3))))
    preview = taken_in(database, written(tmp_path, {"unit_path": BARE}, {"unit_path": WITH}, {"unit_path": WITH}))
    assert said(preview) == [(1, "rejected", "unit_bare")]
    assert cells(database) == dict.fromkeys(
        ("KM-1", "KM-2", "KM-3"), "Thôn Đông"
    )  # the same unit, under its right name
    assert list(tree(database)) == ["Khối", WITH]


def test_members_of_a_stored_cell_without_diacritics_are_not_parted_unsaid(database: Database, tmp_path: Path) -> None:
    taken_in(database, written(tmp_path, *({"unit_path": BARE} for _ in range(3))))
    mixed = {"unit_path": BARE}, {"unit_path": "Khoi/Thôn Đông"}, {"unit_path": OTHER}
    preview = taken_in(database, written(tmp_path, *mixed))
    assert said(preview) == [(1, "rejected", "unit_bare"), (2, "rejected", "unit_bare")]
    assert cells(database) == dict.fromkeys(("KM-1", "KM-2", "KM-3"), "Thôn Đồng")
    assert list(tree(database)) == ["Khối", OTHER]


def test_two_names_for_one_that_is_stored_without_diacritics_are_both_doubtful(
    database: Database, tmp_path: Path
) -> None:
    taken_in(database, written(tmp_path, *({"unit_path": "Khối/Thon Dong"} for _ in range(3))))
    file = written(tmp_path, {"unit_path": "Khối/Thon Dong"}, {"unit_path": WITH}, {"unit_path": OTHER})
    preview = taken_in(database, file)
    assert said(preview) == [(1, "rejected", "unit_bare"), (2, "warning", "unit_alike"), (3, "warning", "unit_alike")]
    assert cells(database) == {"KM-1": "Thon Dong", "KM-2": "Thôn Đông", "KM-3": "Thôn Đồng"}
    again = taken_in(database, file)
    assert (said(again), again.changes) == ([(1, "rejected", "unit_bare")], False)
