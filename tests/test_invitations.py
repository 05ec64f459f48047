"""Invitations and granted roles, as an operator makes them."""

import csv
import stat
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import invitations, named, roles, tables
from bot.invitations import Invited
from storage import models as m
from storage import people
from storage.database import Database
from tests.joining import AN, START, Chat, World

LASTS = timedelta(days=30)


@pytest.fixture
def world(sqlite: Database) -> World:
    """The sample roster."""
    return World(sqlite)


def invited(world: World, *, unit: str | None = None, person: str | None = None) -> list[Invited]:
    """New invitations as the command makes them."""
    with world.database.transaction() as db:
        return invitations.invited(
            db,
            invitations.whom(db, unit=unit, person=person),
            START,
            lasts=LASTS,
            username="kiemdiem_bot",
            public_url="https://kiemdiem.example/",
        )


def test_everybody_a_unit_or_one_person_is_invited(world: World) -> None:
    assert len(invited(world)) == 120
    assert {each.unit for each in invited(world, unit="chi bo sinh vien")} == {
        "Đảng bộ Khối mẫu/Đảng bộ cơ sở Trường Đại học B/Chi bộ Sinh viên"
    }
    assert len({each.unit for each in invited(world, unit="Đảng bộ Khối mẫu/Đảng bộ cơ sở Sở A")}) == 4
    assert [each.name for each in invited(world, person=AN.lower())] == ["Nguyễn Văn Kiên"]


def test_nobody_hands_out_a_slip_for_a_member_who_died_or_moved_away(world: World) -> None:
    with world.database.transaction() as db:
        gone = sa.update(m.Person).where(m.Person.code == AN)
        db.execute(gone.values(exempt_reason="từ trần"))
    assert len(invited(world)) == 119
    assert [each.code for each in invited(world, person=AN)] == [AN]


def test_an_invitation_is_handed_out_as_a_code_and_two_links_that_work(world: World) -> None:
    (an,) = invited(world, person=AN)
    code = an.invitation.replace("-", "")

    assert (len(code), an.invitation[5]) == (10, "-")
    assert an.telegram == f"https://t.me/kiemdiem_bot?start={code}"
    assert an.web == f"https://kiemdiem.example/chat/{code}"
    chat = Chat(world)
    chat.joins(an.invitation, "28/7/1973")
    assert chat.person == AN


def test_the_table_of_invitations_is_its_owners_alone(world: World, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("old")
    file.chmod(0o644)
    handed = invited(world, unit="Chi bộ Sinh viên")
    invitations.write_table(file, handed)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [Invited(**row) for row in rows] == handed


def test_the_sheets_to_print_escape_what_they_show(tmp_path: Path) -> None:
    guest = Invited("../../x", "<b>An</b>", "Chi bộ 1", "ABCDE-FGHJK", "", "https://a.example/chat/ABCDEFGHJK")
    page = invitations.write_sheets(tmp_path / "qr", [guest], "vi")

    assert sorted(file.name for file in page.parent.iterdir()) == ["00001.png", "invitations.html"]
    assert (page.parent / "00001.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert {stat.S_IMODE(file.stat().st_mode) for file in page.parent.iterdir()} == {0o600}
    text = page.read_text("utf-8-sig")
    assert (text.count("<h2>&lt;b&gt;An&lt;/b&gt;</h2>"), text.count("<b>An")) == (1, 0)


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠x"])
def test_a_cell_that_a_spreadsheet_would_run_is_made_inert(words: str) -> None:
    assert (tables.safe_cell(words), tables.safe_cell("Nguyễn Văn An")) == (f"'{words}", "Nguyễn Văn An")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("Chi bộ 9", "Không có tổ chức đảng: Chi bộ 9."),
        ("Chi bộ 1", "Có 2 tổ chức đảng cùng tên Chi bộ 1; ghi cả đường dẫn, ví dụ: Đảng bộ A/Chi bộ 1."),
    ],
)
def test_a_unit_that_is_not_clear_is_not_guessed(world: World, path: str, said: str) -> None:
    with world.database.transaction() as db, pytest.raises(named.NotFound) as refused:
        named.unit(db, path)
    assert refused.value.sentence("vi") == said


def test_a_role_is_granted_once_and_revoked_once(world: World) -> None:
    with world.database.transaction() as db:
        said = [
            roles.granted(db, "KM-0028", "officer", "Đảng bộ Khối mẫu", START, "vi"),
            roles.granted(db, "KM-0028", "officer", "Đảng bộ Khối mẫu", START, "vi"),
        ]
        person = people.by_code(db, "KM-0028")
        assert person is not None
        assert ("officer", 1) in person.roles
        said.append(roles.revoked(db, "KM-0028", "officer", "Đảng bộ Khối mẫu", START, "vi"))
        with pytest.raises(named.NotFound):
            roles.revoked(db, "KM-0028", "officer", "Đảng bộ Khối mẫu", START, "vi")
        with pytest.raises(named.NotFound):
            roles.granted(db, "KM-0028", "king", "Đảng bộ Khối mẫu", START, "vi")
        actions = db.execute(sa.select(m.Audit.action).order_by(m.Audit.id)).scalars().all()
    assert [sentence.split(" vai trò")[0] for sentence in said] == [
        "Đã giao",
        f"Đồng chí {person.name} đã có",
        "Đã thôi giao",
    ]
    assert actions == ["roster.imported", "role.granted", "role.revoked"]
