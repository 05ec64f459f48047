"""The review as a Word file: official wording, every word of the member's, and blanks for those who sign later."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.documents.word import DOTS, Facts, review
from handlers.form_files import forms_in
from handlers.forms import Form
from handlers.words import clean

FORMS, _ = forms_in(Path("forms"), "vi")
FACTS = Facts(
    units=("Đảng bộ Khối mẫu", "Đảng bộ cơ sở Sở A", "Chi bộ 1"),
    name="Nguyễn Văn An",
    zone=ZoneInfo("Asia/Ho_Chi_Minh"),
    submitted_at=datetime(2026, 12, 1, 17, 30, tzinfo=UTC),
    receipt="7K2P",
)
ANSWERS = {
    "nam": "2026",
    "ho_ten": "Nguyễn Văn An",
    "ngay_sinh": "1985-06-15",
    "don_vi_cong_tac": "Sở A",
    "chi_bo": "Chi bộ 1",
    "a1_1": "11/12 buổi sinh hoạt.\n4 đợt học nghị quyết.",
    "a1_2": '44/40 hồ sơ <b>&"đúng hạn"',
    "a1_3": "4/5 điều",
    "a2_1": "2 hồ sơ chậm",
    "a2_2": "thiếu người",
    "a3_1": "Không có",
    "a4_1": "",
    "a5_1": "",
    "a6_1": "nhắc trước hạn 5 ngày",
    "b1_1": "28.5",
    "b1_2": "65",
    "b2_1": "excellent",
    "b2_phu_luc": "",
}


def opened(form: Form, answers: dict[str, str]) -> Any:
    return docx.Document(io.BytesIO(review(form, FACTS, answers)))


def lines(document: Any) -> list[str]:
    """Every paragraph from top to bottom, those in tables cell by cell."""
    found = []
    for block in document.iter_inner_content():
        cells = [block] if hasattr(block, "text") else [cell for row in block.rows for cell in row.cells]
        for cell in cells:
            found += [cell.text] if not hasattr(cell, "paragraphs") else [p.text for p in cell.paragraphs]
    return [line for line in found if line.strip()]


def test_the_file_is_the_form_2b_with_the_answers_and_the_blanks_of_those_who_sign_later() -> None:
    assert lines(opened(FORMS["mau_2b_2025"], ANSWERS)) == [
        "ĐẢNG BỘ CƠ SỞ SỞ A",
        "CHI BỘ 1",
        "*",
        "ĐẢNG CỘNG SẢN VIỆT NAM",
        "…………, ngày 02 tháng 12 năm 2026",
        "BẢN KIỂM ĐIỂM, TỰ ĐÁNH GIÁ, XẾP LOẠI CÁ NHÂN",
        "(Cá nhân không giữ chức vụ lãnh đạo, quản lý)",
        "Mẫu 02B-HD KĐ.ĐG 2025, Hướng dẫn 43-HD/BTCTW ngày 31/10/2025; Quy định 366-QĐ/TW ngày 30/8/2025 (Phụ lục 4)",
        "Năm: 2026",
        "Họ và tên: Nguyễn Văn An",
        "Ngày sinh: 15/06/1985",
        "Đơn vị công tác: Sở A",
        "Chi bộ: Chi bộ 1",
        "A.I. Ưu điểm, kết quả đạt được",
        "1. Về phẩm chất chính trị, đạo đức, lối sống; tinh thần đoàn kết, thống nhất trong nội bộ; ý thức tổ chức "
        "kỷ luật, trách nhiệm nêu gương, việc thực hiện những điều đảng viên không được làm; tác phong, lề lối làm "
        'việc. Liên hệ các biểu hiện về suy thoái, "tự diễn biến", "tự chuyển hoá".',
        "11/12 buổi sinh hoạt.",
        "4 đợt học nghị quyết.",
        "2. Việc thực hiện nhiệm vụ, quyền hạn và kết quả thực hiện các chỉ tiêu, nhiệm vụ được giao trong năm, gắn "
        "với hiệu quả, tiến độ, chất lượng công việc.",
        '44/40 hồ sơ <b>&"đúng hạn"',
        "3. Việc thực hiện cam kết tu dưỡng, rèn luyện, phấn đấu của cá nhân theo quy định.",
        "4/5 điều",
        "A.II. Hạn chế, khuyết điểm và nguyên nhân",
        "1. Hạn chế, khuyết điểm.",
        "2 hồ sơ chậm",
        "2. Nguyên nhân của hạn chế, khuyết điểm.",
        "thiếu người",
        "A.III. Kết quả khắc phục những hạn chế, khuyết điểm đã được cấp có thẩm quyền kết luận hoặc được chỉ ra ở "
        "các kỳ kiểm điểm trước",
        "Kiểm điểm rõ từng hạn chế, khuyết điểm (đã được khắc phục; đang khắc phục, mức độ khắc phục; chưa được khắc "
        "phục); những khó khăn, vướng mắc (nếu có); trách nhiệm của cá nhân.",
        "Không có",
        "A.IV. Giải trình những vấn đề được gợi ý kiểm điểm (nếu có)",
        "Giải trình từng vấn đề được gợi ý kiểm điểm, nêu nguyên nhân, xác định trách nhiệm của cá nhân đối với từng "
        "vấn đề được gợi ý kiểm điểm.",
        DOTS,
        "A.V. Làm rõ trách nhiệm của cá nhân đối với những hạn chế, khuyết điểm của tập thể (nếu có)",
        DOTS,
        "A.VI. Phương hướng, biện pháp khắc phục hạn chế, khuyết điểm",
        "nhắc trước hạn 5 ngày",
        "B.I. Đánh giá theo các nhóm tiêu chí",
        "1. Nhóm tiêu chí chung: 28,5/30",
        "2. Nhóm tiêu chí về kết quả thực hiện nhiệm vụ: 65/70",
        "Tổng điểm: 93,5/100",
        "B.II. Đề xuất xếp loại mức chất lượng",
        "☒ Hoàn thành xuất sắc nhiệm vụ",
        "☐ Hoàn thành tốt nhiệm vụ",
        "☐ Hoàn thành nhiệm vụ",
        "☐ Không hoàn thành nhiệm vụ",
        "Phụ lục về kết quả thực hiện nhiệm vụ trong đó thể hiện sản phẩm, tiến độ, chất lượng cụ thể (gửi kèm, theo "
        "hướng dẫn của các cấp uỷ, tổ chức đảng)",
        DOTS,
        "NGƯỜI TỰ KIỂM ĐIỂM",
        "(Ký, ghi rõ họ tên)",
        "Nguyễn Văn An",
        "Đánh giá, xếp loại chất lượng đảng viên của chi bộ",
        "Nhận xét, đánh giá của chi ủy:",
        DOTS,
        DOTS,
        DOTS,
        "Chi bộ đề xuất xếp loại mức chất lượng:",
        "☐ Hoàn thành xuất sắc nhiệm vụ",
        "☐ Hoàn thành tốt nhiệm vụ",
        "☐ Hoàn thành nhiệm vụ",
        "☐ Không hoàn thành nhiệm vụ",
        "T/M CHI ỦY (CHI BỘ)",
        "(Ký, ghi rõ họ tên)",
        "Đánh giá, xếp loại chất lượng đảng viên của cấp có thẩm quyền",
        "Đảng ủy, chi ủy cơ sở xếp loại mức chất lượng:",
        "☐ Hoàn thành xuất sắc nhiệm vụ",
        "☐ Hoàn thành tốt nhiệm vụ",
        "☐ Hoàn thành nhiệm vụ",
        "☐ Không hoàn thành nhiệm vụ",
        "T/M ĐẢNG ỦY (CHI ỦY)",
        "(Ký, ghi rõ họ tên)",
    ]


def test_it_is_a4_in_times_new_roman_14_with_the_receipt_under_every_page() -> None:
    document = opened(FORMS["mau_2b_2025"], ANSWERS)
    page, normal = document.sections[0], document.styles["Normal"]
    assert (round(page.page_width.mm), round(page.page_height.mm)) == (210, 297)
    assert (page.left_margin.mm, page.right_margin.mm) == pytest.approx((30, 20), abs=0.1)
    assert (normal.font.name, normal.font.size.pt) == ("Times New Roman", 14)
    assert page.footer.paragraphs[0].text == "Nộp lúc 00:30 02/12/2026. Mã biên nhận: 7K2P."


def test_a_cell_that_is_an_organisation_itself_has_the_committee_above_it() -> None:
    facts = Facts(("Đảng bộ Khối mẫu", "Chi bộ cơ sở B"), "An", FACTS.zone, FACTS.submitted_at, "7K2P")
    document = docx.Document(io.BytesIO(review(FORMS["mau_2b_2025"], facts, ANSWERS)))
    assert lines(document)[:2] == ["ĐẢNG BỘ KHỐI MẪU", "CHI BỘ CƠ SỞ B"]


@pytest.mark.parametrize("form_id", sorted(FORMS))
def test_every_form_becomes_a_file_with_all_its_questions(form_id: str) -> None:
    form = FORMS[form_id]
    text = "\n".join(lines(opened(form, {})))
    for section in form.sections:
        for question in section.questions:
            if question.when is None:
                assert question.label.partition("…")[0] in text


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_categories=())).map(clean))
def test_whatever_was_typed_stands_in_the_file_and_the_file_opens(words: str) -> None:
    form = FORMS["mau_2b_2025"]
    found = lines(opened(form, ANSWERS | {"a2_1": words}))
    kept = [line.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd") for line in words.split("\n") if line.strip()]
    start = found.index("1. Hạn chế, khuyết điểm.") + 1
    assert found[start : start + max(1, len(kept))] == (kept or ([DOTS] if not words else found[start : start + 1]))
