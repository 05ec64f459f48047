"""A real browser in front of a real server: ``make browser``. Chromium is the system's."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.types import ASGIApp

from bot.channels.web import application
from bot.server import free_port, server
from storage.database import Database
from tests.conftest import sqlite_database
from tests.echo import Echo, member, web

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 800}}
Opened = Callable[..., "Page"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs Chromium."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "Chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def echo(tmp_path: Path, sqlite_template: bytes) -> Iterator[Echo]:
    """The conversation behind the page."""
    database: Database = sqlite_database(tmp_path, sqlite_template)
    yield Echo(database, member(database))
    database.close()


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """The address of a server that runs meanwhile."""
    port = free_port("127.0.0.1", 18800)
    served = server(app, "127.0.0.1", port)
    thread = threading.Thread(target=lambda: asyncio.run(served.serve()))
    thread.start()
    while not served.started:
        pass
    yield f"http://127.0.0.1:{port}"
    served.stop()
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def base(echo: Echo) -> Iterator[str]:
    """The address of the web chat over the echo."""
    with serving(application(web(echo))) as address:
        yield address


@pytest.fixture
def opened(chromium: Browser, base: str) -> Iterator[Opened]:
    """``opened(path, **context)``: a page in a browser of its own. What it complains of fails the test."""
    complaints: list[str] = []
    contexts = []

    def complain(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def open_page(path: str, **context: Any) -> Page:
        made = chromium.new_context(base_url=base, **(context or DESK))
        made.set_default_timeout(5000)
        contexts.append(made)
        page = made.new_page()
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        return page

    yield open_page
    for made in contexts:
        made.close()
    assert complaints == []
