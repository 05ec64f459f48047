"""The guard before the web app: hosts, origins, sizes, headers, and what the page is made of."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from bot.channels.web import application
from tests.echo import CODE, Echo, web
from tests.surfing import BORN, HERE, Browser


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "169.254.1.1:8000"])
async def test_a_foreign_host_is_refused(browser: Browser, host: str) -> None:
    assert (await browser.http.get("/chat/", headers={"Host": host})).status_code == 400


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:9999", "http://localhost.evil"])
async def test_a_foreign_origin_changes_nothing(echo: Echo, browser: Browser, origin: str) -> None:
    chat = await browser.joins()
    answer = await browser.http.post(f"{chat}say", headers={"Origin": origin}, json={})
    assert answer.status_code == 403
    assert (await browser.http.post(f"/chat/{CODE}", headers={"Origin": origin}, data=BORN)).status_code == 403


async def test_a_cross_site_request_without_an_origin_changes_nothing(echo: Echo) -> None:
    transport = httpx2.ASGITransport(application(web(echo)))
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers={"Sec-Fetch-Site": "cross-site"}) as http:
        assert (await http.post(f"/chat/{CODE}", data=BORN)).status_code == 403


async def test_a_form_of_another_kind_is_no_message(browser: Browser) -> None:
    chat = await browser.joins()
    assert (await browser.http.post(f"{chat}say", content=b"{}")).status_code == 415


async def test_a_body_over_a_megabyte_is_refused_with_or_without_its_length(browser: Browser) -> None:
    chat = await browser.joins()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100_000

    kind = {"Content-Type": "application/json"}
    assert (await browser.http.post(f"{chat}say", content=b" " * 1_000_001, headers=kind)).status_code == 413
    assert (await browser.http.post(f"{chat}say", content=pieces(), headers=kind)).status_code == 413


async def test_every_answer_carries_the_strict_headers(browser: Browser) -> None:
    chat = await browser.joins()
    for path in (chat, "/chat/", "/nothing", "/static/chat.js"):
        headers = (await browser.http.get(path)).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


async def test_a_page_has_no_script_or_style_of_its_own_and_escapes_words(browser: Browser) -> None:
    chat = await browser.joins()
    await browser.says(chat, "</script><script>alert(1)</script>")
    page = (await browser.http.get(chat)).text
    assert "<script>" not in page
    assert "style=" not in page
    assert page.count("</script>") == 4


async def test_the_whole_page_weighs_less_than_forty_kilobytes(browser: Browser) -> None:
    chat = await browser.joins()
    page = (await browser.http.get(chat)).text
    files = [part.split('"')[0] for part in page.split('"/static/')[1:]]
    weights = [len((await browser.http.get(f"/static/{file}")).content) for file in files]
    assert len(weights) == 4
    assert len(page.encode()) + sum(weights) < 40_000


async def test_a_static_file_with_its_version_may_be_kept_for_ever(browser: Browser) -> None:
    page = (await browser.http.get("/chat/")).text
    name = next(part.split('"')[0] for part in page.split('"/static/')[1:] if part.startswith("chat.css"))
    assert "immutable" in (await browser.http.get(f"/static/{name}")).headers["cache-control"]
    assert (await browser.http.get("/static/chat.css?v=old")).headers["cache-control"] == "no-cache"
    assert (await browser.http.get("/static/../pages.py")).status_code == 404
