"""The pictures of the README, taken from the demo as it runs: ``make pictures`` keeps them in docs/images."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.server import free_port
from tests.browser.conftest import DESK, PHONE, Opened

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page

ANSWER = "Dự 11/12 buổi sinh hoạt chi bộ, vắng 1 buổi do đi công tác, có báo cáo.\n\nHọc đủ 4 chuyên đề trong năm."


@pytest.fixture
def base() -> Iterator[str]:
    """The demo, as ``make demo`` starts it."""
    port = free_port("127.0.0.1", 18700)
    command = [sys.executable, "-m", "bot", "demo", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        while "http://" not in (line := demo.stdout.readline()):
            assert demo.poll() is None
        yield line.split()[-1].rstrip("/")
        demo.terminate()
        assert demo.wait(15) == 0


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Where the pictures go."""
    folder = Path(os.environ.get("PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def plays(page: Page, part: int) -> FrameLocator:
    """Open the chat of one of the five, in the demo's page."""
    page.locator(".part").nth(part).click()
    pane = page.frame_locator(".pane:last-child iframe")
    pane.locator("#text").wait_for()
    return pane


def begins(chat: Page | FrameLocator) -> None:
    """Go on by the first button until the first question, and answer it."""
    question = chat.locator(".bot", has_text="Câu 1/13")
    while not question.count():
        before = chat.locator(".mine").count()
        chat.locator(".turn:not(.past) > .buttons button").first.click()
        chat.locator(".mine").nth(before).locator(".state.saved").wait_for()
    chat.locator("#text").fill(ANSWER)
    chat.locator("#writing button").click()
    chat.locator(".bot", has_text="Đã ghi").last.wait_for()


def picture(page: Page, file: Path) -> None:
    """What is seen once everything stands still."""
    page.wait_for_timeout(700)
    page.screenshot(path=file)
    assert file.stat().st_size > 10_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_the_chat(opened: Opened, album: Path, scheme: str) -> None:
    page = opened("/", **PHONE, color_scheme=scheme)
    begins(plays(page, 0))
    page.goto(page.locator("iframe").get_attribute("src") or "")
    picture(page, album / f"chat-phone-{scheme}.png")
    page.set_viewport_size({"width": 1280, "height": 800})
    picture(page, album / f"chat-desktop-{scheme}.png")


def test_pictures_of_the_door_and_the_demo(opened: Opened, album: Path) -> None:
    picture(opened("/chat/K7P2M4QX", **PHONE), album / "door-phone.png")
    page = opened("/", **DESK)
    picture(page, album / "demo-start.png")
    begins(plays(page, 0))
    plays(page, 3)
    plays(page, 4)
    page.click("[data-to=before]")
    page.locator("#said", has_text="Vừa gửi").wait_for()
    page.click("[data-to=digest]")
    page.locator("#now", has_text="17:00").wait_for()
    page.wait_for_timeout(2500)
    picture(page, album / "demo-four.png")


def answered(page: Page, *labels: str, text: str = "") -> None:
    """Type and send, or press buttons, and wait each time for what is said to it."""
    for label in labels or ("",):
        before = page.locator(".bot").count()
        if text:
            page.fill("#text", text)
            page.click("#writing button")
        else:
            page.locator(".turn:not(.past) > .buttons button", has_text=label).first.click()
        page.locator(".bot").nth(before).wait_for()


def answers_the_rest(page: Page) -> None:
    """Answer whatever is asked until the whole form is read back."""
    while "Xem lại bản kiểm điểm" not in (asked := page.locator(".bot").last.inner_text()):
        if "một số từ" in asked:
            answered(page, text="28" if "đến 30" in asked else "64")
        elif "nhắn câu trả lời" not in asked:
            answered(page, "Hoàn thành tốt nhiệm vụ")
        else:
            answered(page, text="Đã hoàn thành 12/12 việc được giao.")
            answered(page, "Tiếp")


def test_pictures_of_the_guides(opened: Opened, album: Path) -> None:
    page = opened("/", **PHONE)
    plays(page, 0)
    page.goto(page.locator("iframe").get_attribute("src") or "")
    answered(page, "Bắt đầu")
    picture(page, album / "member-consent.png")
    answered(page, "Đồng ý")
    picture(page, album / "member-header.png")
    answered(page, "Đúng")
    answers_the_rest(page)
    picture(page, album / "member-review.png")
    answered(page, "Trang sau", "Nộp", "Đúng, nộp")
    picture(page, album / "member-receipt.png")
    page.goto("/")
    plays(page, 3)
    page.goto(page.locator("iframe").get_attribute("src") or "")
    answered(page, "Tình hình chi bộ")
    picture(page, album / "secretary-cell.png")
