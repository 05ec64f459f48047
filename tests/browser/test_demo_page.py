"""The demo's start page as whoever tries it uses it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from bot import roster
from bot.channels.web import application
from bot.demo import Demo
from tests.browser.conftest import PHONE, Opened, serving
from tests.echo import Echo
from tests.test_demo import DEMO, Stage, season


@pytest.fixture
def base(echo: Echo) -> Iterator[str]:
    """The address of the demo over the echo."""
    with echo.database.transaction() as db:
        roster.import_roster(db, roster.read(DEMO / "roster.csv", today=date(2026, 11, 24)), echo.clock())
        season(db, echo.clock())
    stage = Stage(echo)
    demo = Demo(stage.web, stage.move_to, stage.reset)
    with serving(application(stage.web, demo.routes())) as address:
        yield address


def test_four_people_chat_side_by_side_and_the_fifth_waits(opened: Opened, echo: Echo) -> None:
    page = opened("/")
    for number in range(5):
        page.click(f".part >> nth={number}")
        page.locator("iframe").nth(min(number, 3)).wait_for()
    assert page.locator("iframe").count() == 4
    assert page.inner_text("#said") == "Mở được bốn vai một lúc. Đóng bớt một vai trước."
    for number, words in ((0, "tôi là người thứ nhất"), (3, "tôi là người thứ tư")):
        pane = page.frame_locator("iframe").nth(number)
        pane.locator("#text").fill(words)
        pane.locator("#writing button").click()
        pane.locator(".state.saved").wait_for()
    assert echo.heard[-2:] == ["tôi là người thứ nhất", "tôi là người thứ tư"]
    page.reload()
    page.locator("iframe").nth(3).wait_for()
    page.get_by_role("button", name="Đóng vai").first.click()
    assert page.locator("iframe").count() == 3


def test_the_clock_says_what_was_put_out(opened: Opened) -> None:
    page = opened("/")
    page.click("text='Ngày mai 08:00'")
    page.wait_for_selector("text=Vừa gửi 3 lời nhắc, 1 bản tổng hợp.")
    assert page.inner_text("#now") == "08:00 · Thứ Tư 25/11/2026"


def test_on_a_phone_one_chat_is_seen_at_a_time(opened: Opened) -> None:
    page = opened("/", **PHONE)
    for number in (0, 1):
        page.click("#tabs button >> nth=0")
        page.click(f".part >> nth={number}")
        page.locator("iframe").nth(number).wait_for()
    seen = "all => all.filter(one => one.offsetParent).length"
    assert page.eval_on_selector_all(".pane", seen) == 1
    page.click("#tabs button >> nth=1")
    assert page.eval_on_selector_all("iframe", seen) == 1
    assert page.evaluate("document.documentElement.scrollWidth") == 360
