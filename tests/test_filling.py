"""Filling in a form, as the conversation reads."""

from dataclasses import replace

import pytest

from handlers.filling import step
from handlers.messages import Said
from tests.filling import FORMS, Member, complete, started


def at(place: str, form: str = "mau_2b_2025", lang: str = "vi", **answers: str) -> Member:
    """A member at a place, with some answers."""
    return Member(started(form, place, lang, **answers))


# ---------------------------------------------------------------- the header


def test_the_header_is_one_screen_with_what_the_roster_knows() -> None:
    an = Member()
    assert an.message.text == (
        "BẢN KIỂM ĐIỂM, TỰ ĐÁNH GIÁ, XẾP LOẠI CÁ NHÂN (Cá nhân không giữ chức vụ lãnh đạo, quản lý)\n\n"
        "Thông tin chung\nNăm: 2026\nHọ và tên: Nguyễn Văn An\nNgày sinh: 05/11/1979\nĐơn vị công tác: Sở A\n"
        "Chi bộ: Chi bộ 1\n\nĐồng chí xem giúp, thông tin trên đã đúng chưa?"
    )
    assert an.moves == ["Đúng", "Sửa"]


def test_confirming_the_header_writes_all_its_fields_once() -> None:
    an = Member()
    an.taps("Đúng")
    assert an.place == "a1_1"
    assert an.written == [
        ("nam", "2026", True),
        ("ho_ten", "Nguyễn Văn An", True),
        ("ngay_sinh", "1979-11-05", True),
        ("don_vi_cong_tac", "Sở A", True),
        ("chi_bo", "Chi bộ 1", True),
    ]
    an.taps("Quay lại", "Đúng")
    assert len(an.written) == 5


def test_a_field_of_the_header_is_changed_by_its_number() -> None:
    an = Member()
    an.taps("Sửa")
    assert an.choices == ["Năm", "Họ và tên", "Ngày sinh", "Đơn vị công tác", "Chi bộ"]
    an.says("4", "Sở B")
    assert an.place == "header"
    assert an.written == [("don_vi_cong_tac", "Sở B", True)]
    assert "Đơn vị công tác: Sở B\n" in an.message.text


def test_a_wrong_field_is_asked_again_in_plain_words() -> None:
    an = at("header/ngay_sinh")
    assert an.says("31/2/1979") == (
        "Chỗ này cần ngày/tháng/năm có thật, ví dụ 5/11/1979. Mời đồng chí nhập lại.\n\nNgày sinh\n\n"
        "Đã ghi: 05/11/1979\n\nĐồng chí nhập ngày/tháng/năm, ví dụ 5/11/1979."
    )
    assert (an.place, an.written) == ("header/ngay_sinh", [])


def test_a_required_field_that_nobody_knows_is_asked_before_going_on() -> None:
    an = Member(
        replace(started(), facts={"year": "2026", "name": "An", "birth_date": "1979-11-05", "unit": "Chi bộ 1"})
    )
    an.returns()
    assert an.moves == ["Điền Đơn vị công tác", "Sửa"]
    an.taps("Điền Đơn vị công tác")
    an.says("Sở A")
    assert an.moves == ["Đúng", "Sửa"]


def test_an_optional_field_may_be_left_empty() -> None:
    an = at("header/chuc_vu_doan_the", "mau_2a_2025")
    assert an.moves == ["Bỏ qua", "Quay lại"]
    an.taps("Bỏ qua")
    assert an.written == [("chuc_vu_doan_the", "", True)]
    assert "Chức vụ đoàn thể: (để trống)" in an.message.text


# ---------------------------------------------------------------- questions


def test_a_question_says_how_far_one_is_its_wording_and_which_facts_help() -> None:
    assert at("a2_1", **complete(a2_1="")).message.text == (
        "Câu 4/13 · A.II\n\nHạn chế, khuyết điểm và nguyên nhân\n\n1. Hạn chế, khuyết điểm.\n\n"
        "Gợi ý: Việc nào chưa làm được, chậm hoặc sai: việc gì, khi nào, ảnh hưởng đến đâu. Mỗi hạn chế một ý.\n\n"
        "Ví dụ: 2/40 hồ sơ chậm 3 ngày (tháng 6); vắng 1 buổi sinh hoạt (tháng 7); 6/12 buổi không phát biểu\n\n"
        "Đồng chí nhắn câu trả lời, dài ngắn tùy ý, một hay nhiều tin đều được."
    )


def test_the_heading_is_said_with_the_first_question_of_a_section_only() -> None:
    assert "\n\nHạn chế, khuyết điểm và nguyên nhân\n\n" not in at("a2_2").message.text


def test_a_heading_that_is_the_question_is_said_once() -> None:
    wording = "Phương hướng, biện pháp khắc phục hạn chế, khuyết điểm"
    assert at("a6_1").message.text.count(wording) == 1


def test_an_introduction_is_said_before_the_first_question_of_its_section() -> None:
    intro = "The work of the past year. Facts help most: what, how much, by when."
    assert intro in at("results", "self_review_en", "en").message.text
    assert intro not in at("proudest", "self_review_en", "en").message.text


def test_several_messages_make_one_answer() -> None:
    an = at("a1_1")
    assert an.says("11/12 buổi sinh hoạt") == "Đã ghi. Viết thêm thì nhắn tiếp; xong thì chọn Tiếp."
    assert an.moves == ["Tiếp", "Viết lại", "Quay lại", "Xem lại"]
    an.says("4 đợt học nghị quyết")
    assert an.written == [("a1_1", "11/12 buổi sinh hoạt", True), ("a1_1", "4 đợt học nghị quyết", False)]
    assert an.filling.answers["a1_1"] == "11/12 buổi sinh hoạt\n\n4 đợt học nghị quyết"
    assert an.place == "a1_1"
    an.says("tiep")
    assert an.place == "a1_2"


def test_what_was_written_is_shown_when_one_comes_back() -> None:
    an = at("a1_1")
    an.says("Việc\nđã làm " * 60)
    shown = an.returns().text
    assert "Đã ghi (720 ký tự): Việc đã làm Việc đã làm" in shown
    assert "…\n\nViết thêm thì nhắn tiếp; xong thì chọn Tiếp." in shown


def test_writing_it_again_keeps_the_old_answer_until_new_words_come() -> None:
    an = at("a1_1", a1_1="Cũ")
    an.taps("Viết lại")
    assert an.moves == ["Giữ câu cũ", "Quay lại", "Xem lại"]
    an.taps("Giữ câu cũ")
    assert (an.place, an.written) == ("a1_1", [])
    an.taps("Viết lại")
    an.says("Mới", "và thêm")
    assert an.written == [("a1_1", "Mới", True), ("a1_1", "và thêm", False)]
    assert an.filling.answers["a1_1"] == "Mới\n\nvà thêm"


def test_the_longest_answer_counts_all_its_messages() -> None:
    an = at("a1_1")
    an.says("x" * 15_000)
    assert an.says("y" * 5_000).startswith(
        "Phần vừa gửi chưa được ghi: cả câu sẽ dài 20.002 ký tự, nhiều nhất là 20.000. Đồng chí rút ngắn rồi gửi lại."
    )
    assert [words[0] for _, words, _ in an.written] == ["x"]
    an.says("y" * 4_998)
    assert len(an.filling.answers["a1_1"]) == 20_000


def test_a_required_question_may_wait_but_not_be_passed_over() -> None:
    an = at("a1_1")
    assert an.moves == ["Để sau", "Quay lại", "Xem lại"]
    assert an.says("Bỏ qua").startswith("Câu này không bỏ qua được. Đồng chí có thể để sau.\n\nCâu 1/13 · A.I")
    assert an.says("Tiếp").startswith("Câu này chưa có trả lời.")
    an.taps("Để sau")
    assert (an.place, an.written) == ("a1_2", [])


def test_an_optional_question_may_be_passed_over_and_answered_later() -> None:
    an = at("a4_1")
    assert an.moves == ["Bỏ qua", "Quay lại", "Xem lại"]
    an.taps("Bỏ qua")
    assert (an.place, an.written) == ("a5_1", [("a4_1", "", True)])
    an.taps("Quay lại")
    assert "Đồng chí đã bỏ qua câu này; vẫn trả lời được." in an.message.text
    an.says("Có một vấn đề")
    assert an.written[1:] == [("a4_1", "Có một vấn đề", True)]


def test_an_optional_answer_may_be_emptied_again() -> None:
    an = at("a4_1", a4_1="Có")
    an.taps("Viết lại")
    assert an.moves == ["Giữ câu cũ", "Bỏ qua", "Quay lại", "Xem lại"]
    an.taps("Bỏ qua", "Xóa và bỏ qua")
    assert (an.place, an.filling.answers["a4_1"]) == ("a5_1", "")


def test_passing_over_an_answered_question_asks_before_it_empties_the_answer() -> None:
    an = at("a4_1", a4_1="Có một vấn đề")
    an.says("Thêm một vấn đề")
    assert an.presses("12.skip=a4_1").endswith(  # the button of the question when it was empty
        "Câu này đã có trả lời. Nếu bỏ qua, câu trả lời đã ghi sẽ bị xóa khỏi bản đang viết. Đồng chí chắc chắn?"
    )
    assert an.moves == ["Giữ câu cũ", "Xóa và bỏ qua", "Quay lại", "Xem lại"]
    assert an.filling.answers["a4_1"] == "Có một vấn đề\n\nThêm một vấn đề"
    an.taps("Giữ câu cũ")
    assert (an.place, an.moves[0]) == ("a4_1", "Tiếp")
    an.presses("12.clear=a4_1")  # made while the question was asked; not asked any more
    assert an.filling.answers["a4_1"] == "Có một vấn đề\n\nThêm một vấn đề"
    an.presses("12.skip=a4_1")
    an.says("Và thêm nữa")
    assert an.filling.answers["a4_1"].endswith("\n\nVà thêm nữa")


def test_an_optional_field_of_the_header_is_emptied_only_after_a_question() -> None:
    an = at("header/chuc_vu_doan_the", "mau_2a_2025", chuc_vu_doan_the="Chủ tịch Công đoàn")
    an.taps("Bỏ qua")
    assert an.moves == ["Giữ câu cũ", "Xóa và bỏ qua", "Quay lại"]
    assert an.written == []
    an.taps("Giữ câu cũ", "Bỏ qua", "Xóa và bỏ qua")
    assert (an.place, an.written) == ("header", [("chuc_vu_doan_the", "", True)])


def test_a_number_moves_on_at_once() -> None:
    an = at("b1_1")
    assert an.says("27,5").startswith("Đã ghi: 27,5\n\nCâu 11/13 · B.I\n\n2. Nhóm tiêu chí về kết quả")
    assert an.written == [("b1_1", "27.5", True)]


def test_a_wrong_number_is_explained_with_the_question() -> None:
    an = at("b1_1")
    assert an.says("31") == (
        "Số phải từ 0 đến 30. Mời đồng chí nhập lại.\n\nCâu 10/13 · B.I\n\n1. Nhóm tiêu chí chung: …/30\n\n"
        "Đồng chí nhập một số từ 0 đến 30."
    )
    assert (an.place, an.written) == ("b1_1", [])


@pytest.mark.parametrize(
    "typed", ["2", "Hoàn thành tốt nhiệm vụ", "hoan thanh tot nhiem vu", "HOÀN THÀNH TỐT NHIỆM VỤ!"]
)
def test_a_choice_is_typed_by_number_or_label(typed: str) -> None:
    an = at("b2_1")
    an.says(typed)
    assert (an.place, an.written) == ("b2_phu_luc", [("b2_1", "good", True)])


def test_several_choices_are_tapped_on_and_off_or_typed_at_once() -> None:
    ann = at("areas", "self_review_en", "en")
    ann.taps("Projects", "Clients")
    assert ann.choices == ["✓ Clients", "✓ Projects", "Supporting colleagues", "Administration"]
    ann.says("1")
    assert ann.filling.answers["areas"] == "projects"
    ann.taps("Next")
    assert ann.place == "trained"
    ann.taps("Back")
    assert ann.says("1, 4").startswith("Noted: Clients; Administration\n\nQuestion 4/")
    assert ann.written[-1] == ("areas", "clients,administration", True)


def test_a_condition_adds_its_question_and_takes_it_away() -> None:
    ann = at("trained", "self_review_en", "en")
    ann.taps("Yes")
    assert ann.place == "training"
    ann.says("First aid, 2 days")
    ann.taps("Back")
    ann.taps("No")
    assert ann.place == "last_talk"
    assert "First aid" not in ann.taps("Review")


# ---------------------------------------------------------------- score and level


def test_the_level_is_chosen_with_the_score_in_sight() -> None:
    an = at("b2_1", b1_1="28", b1_2="64.5")
    assert "Tổng điểm đồng chí tự chấm: 92,5, trong khung điểm của mức Hoàn thành xuất sắc nhiệm vụ." in an.message.text


def test_the_conditions_of_a_level_are_shown_and_another_band_is_said_once() -> None:
    an = at("b2_1", b1_1="28", b1_2="64.5")
    assert an.taps("Hoàn thành tốt nhiệm vụ").split("\n\n")[0] == (
        "Đã ghi: Hoàn thành tốt nhiệm vụ\n"
        "Điều kiện của mức Hoàn thành tốt nhiệm vụ, để đồng chí tự đối chiếu:\n• Việc xong đúng hạn\n"
        "Xin lưu ý: số điểm nằm trong khung của mức Hoàn thành xuất sắc nhiệm vụ, khác mức đồng chí chọn "
        "(Hoàn thành tốt nhiệm vụ). Đồng chí xem lại nếu cần; không bắt buộc đổi."
    )
    an.taps("Quay lại")
    assert "Xin lưu ý" not in an.taps("Hoàn thành tốt nhiệm vụ")


def test_leaders_see_the_conditions_for_leaders() -> None:
    chi = at("b2_1", "mau_2a_2025", b1_1="28", b1_2="64")
    assert chi.taps("Hoàn thành xuất sắc nhiệm vụ").split("\n\n")[0] == (
        "Đã ghi: Hoàn thành xuất sắc nhiệm vụ\n"
        "Điều kiện của mức Hoàn thành xuất sắc nhiệm vụ, để đồng chí tự đối chiếu:\n• Đơn vị xong 100%"
    )


def test_a_score_that_leaves_the_band_of_the_level_is_pointed_out() -> None:
    an = at("b1_2", b1_1="28", b1_2="60", b2_1="good")
    assert "khung của mức Hoàn thành nhiệm vụ, khác mức đồng chí chọn (Hoàn thành tốt nhiệm vụ)" in an.says("30")


# ---------------------------------------------------------------- review and submitting


def test_the_review_says_what_is_missing_and_leads_there() -> None:
    an = at("review/1", **complete(a1_2="", b1_1=""))
    assert an.message.text.startswith(
        "Xem lại bản kiểm điểm, trang 1/2\n\nĐã trả lời 8/13 câu. Bỏ qua 2 câu.\nCòn thiếu câu: 2, 10.\n\n"
    )
    assert an.moves == ["Trả lời câu 2", "Trang sau", "Quay lại"]
    an.taps("Trả lời câu 2")
    assert an.place == "review>a1_2"
    an.says("Xong 44/40")
    an.taps("Tiếp")
    assert (an.place, an.moves[0]) == ("review/1", "Trả lời câu 10")


def test_a_number_jumps_to_its_question_and_back_to_its_page() -> None:
    an = at("review/1", **complete())
    an.says("10")
    assert an.place == "review>b1_1"
    assert an.says("28").startswith("Đã ghi: 28\n\nXem lại bản kiểm điểm, trang 2/2\n\n")
    an.says("câu 0")
    assert an.place == "review>header"
    an.taps("Đúng")
    assert an.place == "review/1"
    assert an.says("14").startswith("Không có câu số đó. Các câu đánh số từ 1 đến 13.")


def test_long_answers_are_read_back_whole_over_several_pages() -> None:
    words = " ".join(f"việc-{n}" for n in range(1, 900))
    an = at("review/1", **complete(a1_1=words))
    pages = [an.message.text]
    while "Trang sau" in an.moves:
        pages.append(an.taps("Trang sau"))
    assert all(len(page) <= 1_500 for page in pages)
    assert [word for page in pages for word in page.split() if word.startswith("việc-")] == words.split()


def test_submitting_is_confirmed_and_then_done() -> None:
    an = at("review/1", **complete())
    assert an.taps("Nộp") == (
        "Đồng chí nộp bản kiểm điểm này? Nộp rồi vẫn sửa và nộp lại được khi kỳ chưa đóng.\n\n"
        "Tổng điểm tự chấm: 54\nMức tự đề xuất: Hoàn thành tốt nhiệm vụ"
    )
    assert an.moves == ["Đúng, nộp", "Quay lại"]
    an.says("đúng nộp")
    assert an.place == "submitted"


def test_what_is_missing_cannot_be_submitted() -> None:
    an = at("review/1", **complete(a1_2=""))
    an.presses("12.submit=0")
    assert an.place == "review/1"
    an.presses("12.confirm")
    assert an.place == "review/1"


def test_an_older_confirmation_shows_the_review_again() -> None:
    an = at("review/1", **complete())
    an.taps("Nộp")
    an.presses("12.b2_1=completed")
    assert an.presses("12.submit=0").startswith(
        "Bản này đã thay đổi sau lần đồng chí bấm nộp. Mời đồng chí xem lại rồi nộp.\n\nXem lại bản kiểm điểm"
    )
    an.taps("Nộp", "Đúng, nộp")
    assert an.place == "submitted"


# ---------------------------------------------------------------- the unexpected


@pytest.mark.parametrize(
    ("what", "begins"),
    [
        ("photo", "Trợ lý chưa đọc được ảnh."),
        ("voice", "Trợ lý chưa nghe được lời nói."),
        ("sticker", "Cảm ơn đồng chí."),
        ("edited", "Sửa tin cũ không làm đổi câu đã ghi."),
        ("file", "Trợ lý chỉ đọc được chữ."),
    ],
)
def test_what_is_not_words_is_answered_kindly_with_where_one_is(what: str, begins: str) -> None:
    an = at("a1_1", a1_1="Việc đã làm")
    assert an.sends(what).startswith(begins)
    assert "\n\nCâu 1/13 · A.I\n\n1. Về phẩm chất chính trị" in an.message.text
    assert (an.place, an.written) == ("a1_1", [])


def test_a_double_tap_goes_on_once() -> None:
    an = at("a1_1", a1_1="Việc đã làm")
    an.presses("12.next=a1_1")
    an.presses("12.next=a1_1")
    assert an.place == "a1_2"


def test_an_old_choice_changes_its_own_question_and_shows_where_one_is() -> None:
    an = at("a1_1", b2_1="good")
    assert an.presses("12.b2_1=completed").startswith("Đã đổi câu 12: Hoàn thành nhiệm vụ\n\nCâu 1/13 · A.I")
    assert (an.place, an.written) == ("a1_1", [("b2_1", "completed", True)])


@pytest.mark.parametrize(
    "value",
    [
        "13.b2_1=good", "12.b2_1=best", "12.gone=good", "12.gone", "12.skip=a4_1", "12.rewrite=a1_2", "12.right=header",
        "12.review>a1_1", "12.", "12", "", ".", "=", "x", "12.a1_1=good", "12.next=", "menu.open",
        "12.tong=1", "12.continue", "12.why", "١٢.b2_1=good",
    ],
)  # fmt: skip
def test_a_forged_or_stale_tap_changes_nothing(value: str) -> None:
    an = at("a1_1", a1_1="Việc đã làm")
    an.presses(value)
    assert (an.place, an.written) == ("a1_1", [])
    assert "Câu 1/13 · A.I" in an.message.text


def test_nothing_changes_after_submitting() -> None:
    an = at("submitted", **complete())
    an.presses("12.b2_1=completed")
    assert an.says("thêm một ý") == "Đồng chí đã nộp bản kiểm điểm."
    assert (an.place, an.written) == ("submitted", [])


@pytest.mark.parametrize("place", ["gone", "header/gone", "gone/anew", "review>gone", "x/y/z", "confirm"])
def test_a_place_that_is_gone_leads_to_what_is_still_open(place: str) -> None:
    known = {**complete(), "a1_3": ""}
    del known["a1_3"]
    assert at(place, **known).place == "a1_3"


def test_empty_words_show_the_question_again() -> None:
    an = at("a1_1")
    assert an.says("  \n ").startswith("Câu 1/13")
    assert an.written == []


def test_nobody_can_submit_by_typing_it_as_an_answer() -> None:
    an = at("a1_1")
    assert an.says("Nộp").startswith("Muốn nộp, đồng chí chọn Xem lại, rồi chọn Nộp.")
    assert an.written == []


def test_the_form_of_2019_is_filled_in_by_the_same_steps() -> None:
    an = Member(started("mau_02_2019"))
    an.taps("Đúng")
    an.says("Việc đã làm", "tiếp", "2")
    assert an.place == "s1_2"
    assert len([q for q in FORMS["mau_02_2019"].asked(an.filling.answers) if q.id.startswith("dong_")]) == 0


def test_a_step_leaves_what_it_was_given_untouched() -> None:
    before = started(place="a1_1")
    after, _ = step(before, Said("Việc đã làm"))
    assert (before.answers, before.revision) == ({}, 0)
    assert (after.answers, after.revision) == ({"a1_1": "Việc đã làm"}, 1)
