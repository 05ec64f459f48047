"""The chat page as a person uses it: by keyboard, by phone, with an input method, on a bad line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from handlers.messages import Document, Message, dumps
from storage import assessments, outbox
from storage import models as m
from tests.browser.conftest import PHONE, Opened
from tests.echo import ASKED, CODE, LEVEL, LEVELS, WELCOME, Echo
from tests.seeded import EMPTY, cycle

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


def joined(opened: Opened, **context: object) -> Page:
    """The chat of the member, opened by the personal link."""
    page = opened(f"/chat/{CODE}", **context)
    for name, value in (("day", "28"), ("month", "7"), ("year", "1973")):
        page.fill(f"[name={name}]", value)
    page.click("button")
    page.wait_for_selector("#text")
    return page


def said(page: Page) -> list[str]:
    """What stands in the log, without who said it and when."""
    return page.eval_on_selector_all(".bubble > p", "all => all.map(p => p.lastChild.textContent)")  # type: ignore[no-any-return]


def sends(page: Page, text: str) -> None:
    """Type and press Gửi."""
    page.fill("#text", text)
    page.click("#writing button")


def test_the_whole_conversation_by_keyboard_alone(opened: Opened, echo: Echo) -> None:
    page = opened("/chat/")
    for value in (CODE, "28", "7", "1973"):
        page.keyboard.press("Tab")
        page.keyboard.type(value)
    page.keyboard.press("Enter")
    page.wait_for_selector("#text:focus")
    page.keyboard.type("12 đề tài")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("2 sáng kiến")
    page.keyboard.press("Enter")
    page.wait_for_selector(".choice")
    page.keyboard.press("Shift+Tab")  # from the box back into the newest buttons
    assert page.evaluate("document.activeElement.textContent") == "Xem lại"
    for _ in range(5):
        page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.textContent") == "2" + LEVELS[1]
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn:not(.past) > .buttons .main")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("Tiếp")
    page.keyboard.press("Enter")
    page.locator(".mine").nth(2).wait_for()
    page.wait_for_selector(".state.saved")
    assert echo.heard == ["12 đề tài\n2 sáng kiến", "12.level=1", "Tiếp"]


def test_an_input_method_keeps_its_enter(opened: Opened, echo: Echo) -> None:
    page = joined(opened)
    page.focus("#text")
    keys = page.context.new_cdp_session(page)
    keys.send("Input.imeSetComposition", {"text": "tiế", "selectionStart": 3, "selectionEnd": 3})
    page.keyboard.press("Enter")
    keys.send("Input.imeSetComposition", {"text": "tiếng", "selectionStart": 5, "selectionEnd": 5})
    page.keyboard.press("Enter")
    assert page.input_value("#text").strip() == "tiếng"
    assert page.locator(".mine").count() == 0
    keys.send("Input.insertText", {"text": "tiếng Việt"})
    page.keyboard.press("Enter")
    page.wait_for_selector(".state.saved")
    assert [text.strip() for text in echo.heard] == ["tiếng Việt"]


def test_a_screen_reader_is_told_what_is_new_and_what_things_are(opened: Opened) -> None:
    page = joined(opened)
    sends(page, "12 đề tài")
    page.wait_for_selector(".choice")
    log = page.get_by_role("log", name="Cuộc trò chuyện")
    assert log.get_attribute("aria-live") == "polite"
    assert page.get_by_role("textbox", name="Tin nhắn của đồng chí").count() == 1
    assert page.get_by_role("button", name="Hoàn thành tốt nhiệm vụ").count() == 1
    assert [log.inner_text().count(who) for who in ("Trợ lý:", "Đồng chí:")] == [4, 1]
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.evaluate("document.documentElement.lang") == "vi"


def test_a_reload_keeps_the_draft_and_the_history(opened: Opened) -> None:
    page = joined(opened)
    sends(page, "12 đề tài")
    page.wait_for_selector(".choice")
    before = said(page)
    page.fill("#text", "đang viết dở")
    page.reload()
    assert page.input_value("#text") == "đang viết dở"
    assert said(page) == before == [ASKED, WELCOME, "12 đề tài", "Đã ghi: 12 đề tài", LEVEL]
    sends(page, "đang viết dở")
    page.wait_for_selector(".state.saved")
    page.reload()
    assert page.input_value("#text") == ""
    assert page.evaluate("localStorage.length") == 0


def test_words_under_answers_that_are_gone_leave_no_label_behind(opened: Opened, echo: Echo) -> None:
    page = joined(opened)
    sends(page, "12 đề tài")
    page.wait_for_selector(".choice")
    with echo.database.transaction() as db:
        db.execute(sa.update(m.Outgoing).values(body=None))
    page.reload()
    assert said(page) == []
    sends(page, "13 đề tài")
    page.wait_for_selector(".choice")
    page.reload()
    assert said(page) == ["Đã ghi: 13 đề tài", LEVEL]


def test_what_could_not_be_saved_says_so_and_is_sent_again(opened: Opened, echo: Echo) -> None:
    page = joined(opened)
    echo.broken = True
    sends(page, "12 đề tài")
    page.wait_for_selector("text=Chưa gửi được. Đồng chí bấm Gửi lại.")
    assert page.locator("text=Đã lưu").count() == 0
    echo.broken = False
    page.click("text='Gửi lại'")
    page.wait_for_selector("text=Đã lưu")
    assert echo.heard == ["12 đề tài"]


def test_an_answer_lost_on_the_way_is_asked_for_again_without_a_second_effect(opened: Opened, echo: Echo) -> None:
    page = joined(opened)

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/say", lose, times=1)
    sends(page, "12 đề tài")
    page.wait_for_selector("text='Gửi lại'")
    page.reload()  # what waits is sent by itself, with its key
    page.wait_for_selector("text=Đã lưu")
    assert echo.heard == ["12 đề tài"]
    assert said(page).count("Đã ghi: 12 đề tài") == 1


def test_words_written_while_offline_are_sent_in_their_order_once_the_line_is_back(opened: Opened, echo: Echo) -> None:
    page = joined(opened)
    page.context.set_offline(True)
    page.wait_for_selector("text=Mất mạng")
    for text in ("một", "hai", "ba"):
        sends(page, text)
    page.wait_for_selector(".state.failed")
    page.context.set_offline(False)
    page.locator(".choice").nth(11).wait_for(state="attached")
    assert echo.heard == ["một", "hai", "ba"]
    assert page.locator("#banner").is_hidden()


def test_what_nobody_asked_for_arrives_by_itself_once(opened: Opened, echo: Echo) -> None:
    page = joined(opened)
    chat = page.url.rstrip("/").rpartition("/")[2]
    echo.notice(chat, "reminder", dumps(Message("Còn 3 ngày.")))
    page.wait_for_selector("text=Còn 3 ngày.")
    page.reload()
    page.wait_for_selector("text=Còn 3 ngày.")
    assert said(page) == [ASKED, WELCOME, "Còn 3 ngày."]


def test_a_page_behind_others_closes_its_stream_and_catches_up(opened: Opened, echo: Echo) -> None:
    page = joined(opened)
    chat = page.url.rstrip("/").rpartition("/")[2]
    page.evaluate("dispatchEvent(new Event('asleep'))")
    echo.notice(chat, "reminder", dumps(Message("Còn 3 ngày.")))
    with page.expect_response("**/since?after=2"):
        page.evaluate("dispatchEvent(new Event('awake'))")
    page.wait_for_selector("text=Còn 3 ngày.")
    assert said(page) == [ASKED, WELCOME, "Còn 3 ngày."]


def test_a_notice_counts_as_shown_once_the_page_is_looked_at(opened: Opened, echo: Echo) -> None:
    def shown() -> object:
        with echo.database.transaction(read_only=True) as db:
            return db.execute(sa.select(m.Address.shown)).scalar_one()

    page = joined(opened)
    chat = page.url.rstrip("/").rpartition("/")[2]
    page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})")
    echo.notice(chat, "reminder", dumps(Message("Còn 3 ngày.")))
    page.wait_for_selector("text=Còn 3 ngày.")
    assert shown() == 0
    with page.expect_response("**/shown"):
        page.evaluate("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")
    assert shown() == 3


def test_old_buttons_are_quiet_and_still_work(opened: Opened, echo: Echo) -> None:
    page = joined(opened)
    sends(page, "12 đề tài")
    page.click(".choice >> nth=1")
    page.wait_for_selector(".turn:not(.past) > .buttons .main")
    assert page.locator(".choice").first.is_hidden()
    page.get_by_role("button", name="Mở lại các nút của tin này").click()
    page.click(".choice >> nth=0")
    page.locator(".mine").nth(2).wait_for()
    page.wait_for_selector(".state.saved")
    assert echo.heard == ["12 đề tài", "12.level=1", "12.level=0"]


def test_words_are_words_and_never_a_page(opened: Opened) -> None:
    page = joined(opened)
    words = "<img src=x onerror=alert(1)> </script><b>đậm</b>\n  dòng hai"
    sends(page, words)
    page.wait_for_selector(".choice")
    page.reload()
    assert said(page)[2:4] == [words, f"Đã ghi: {words}"]


def test_a_session_that_was_ended_elsewhere_says_so_and_offers_the_door(opened: Opened, echo: Echo) -> None:
    import sqlalchemy as sa

    from storage import models as m

    page = joined(opened)
    with echo.database.transaction() as db:
        db.execute(sa.update(m.Address).values(closed="ended"))
    page.click("#banner a")
    page.wait_for_selector("text=Mã mời")


def test_on_a_phone_enter_begins_a_line_and_everything_can_be_touched(opened: Opened, echo: Echo) -> None:
    page = joined(opened, **PHONE)
    page.focus("#text")
    page.keyboard.type("một")
    page.keyboard.press("Enter")
    page.keyboard.type("hai")
    page.click("#writing button")
    page.click(".choice >> nth=2")
    page.wait_for_selector(".turn:not(.past) > .buttons .main")
    assert echo.heard == ["một\nhai", "12.level=2"]
    for text in ("ba", "bốn", "năm"):
        sends(page, text)
        page.wait_for_selector(".state.saved")
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [360, 740]
    small = (
        "all => all.filter(b => b.offsetParent && (b.offsetHeight < 48 || b.offsetWidth < 48)).map(b => b.outerHTML)"
    )
    assert page.eval_on_selector_all("button, input, textarea, a:not(.skip)", small) == []
    sizes = "all => Math.min(...all.map(p => parseFloat(getComputedStyle(p).fontSize)))"
    assert page.eval_on_selector_all(".bubble p, button, textarea", sizes) >= 17


def test_ones_own_review_comes_as_a_file_by_a_button(opened: Opened, echo: Echo) -> None:
    page = joined(opened)
    with echo.database.transaction() as db:
        cycle(db, EMPTY)
        review = {"id": 1, "cycle_id": 1, "person_id": echo.person, "unit_id": 1, "form_id": 1, "state": m.SUBMITTED}
        db.execute(sa.insert(m.Assessment), review)
        assessments.submit(db, 1, snapshot={}, receipt="7K2P", late=False, level=None, score=None, now=echo.clock())
        outbox.put(
            db, key="reply:word", kind=m.REPLY, address_id=1, person_id=echo.person, now=echo.clock(),
            body=dumps(Message("Bản Word để in và ký.", document=Document("review.docx", 1))),
        )  # fmt: skip
    with page.expect_download() as taken:
        page.click(".file button")
    assert taken.value.suggested_filename == "ban-kiem-diem-2026.docx"
    assert taken.value.path().read_bytes()[:2] == b"PK"
    assert said(page)[-1] == "Bản Word để in và ký."
