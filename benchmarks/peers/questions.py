"""The form that both peers ask: fifteen questions, ten answered in words and five by a button."""

N = 15
CHOICES = ("Rất tốt", "Tốt", "Khá", "Trung bình", "Kém")
DONE = "Cảm ơn, đã nhận đủ."


def by_button(number: int) -> bool:
    """Whether a question is answered by a button."""
    return number % 3 == 2


def question(number: int) -> str:
    """A question's words."""
    return f"Câu {number + 1}/{N}: Đồng chí tự đánh giá việc thực hiện nhiệm vụ thứ {number + 1} thế nào?"
