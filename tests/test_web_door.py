"""The door of the web chat: two factors open it, and looking at it uses nothing up."""

import sqlalchemy as sa

from storage import addresses
from storage import models as m
from storage.database import Database
from tests.echo import CODE, WELCOME, WRONG, Echo
from tests.surfing import BORN, Browser


def addresses_there(database: Database) -> int:
    with database.transaction(read_only=True) as db:
        return db.execute(sa.select(sa.func.count()).select_from(m.Address)).scalar_one()


async def test_a_robot_may_look_three_times_and_the_link_still_opens(echo: Echo, browser: Browser) -> None:
    for _ in range(3):
        assert (await browser.http.get(f"/chat/{CODE}", headers={"User-Agent": "TelegramBot"})).status_code == 200
    assert addresses_there(echo.database) == 0
    chat = await browser.joins()
    page = await browser.http.get(chat)
    assert page.status_code == 200
    assert WELCOME in page.text


async def test_the_bare_address_leads_to_the_door(browser: Browser) -> None:
    answer = await browser.http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/chat/")


async def test_the_door_looks_the_same_whatever_the_code(browser: Browser) -> None:
    right, wrong = [(await browser.http.get(f"/chat/{code}")).text for code in (CODE, "ABCD-9999")]
    assert right.replace(CODE, "") == wrong.replace("ABCD-9999", "")


async def test_a_wrong_code_and_a_wrong_birth_date_are_answered_alike(browser: Browser) -> None:
    wrong_code = await browser.http.post("/chat/ABCD-9999", data=BORN)
    browser.http.cookies.clear()
    wrong_date = await browser.http.post(f"/chat/{CODE}", data=BORN | {"day": "29"})
    assert (wrong_code.status_code, wrong_date.status_code) == (403, 403)
    assert wrong_code.text.replace("ABCD-9999", "") == wrong_date.text.replace(CODE, "")
    assert WRONG in wrong_date.text


async def test_the_tries_of_one_browser_come_from_one_address(echo: Echo, browser: Browser) -> None:
    for day in ("1", "2", "3"):
        await browser.http.post("/chat/", data=BORN | {"code": CODE, "day": day})
    assert addresses_there(echo.database) == 1


async def test_a_second_person_in_the_same_browser_gets_an_address_of_their_own(browser: Browser) -> None:
    first, second = await browser.joins(), await browser.joins()
    assert first != second
    assert (await browser.http.get(first)).status_code == 200
    assert (await browser.http.get(second)).status_code == 200


async def test_a_chat_that_was_ended_is_nobody_elses_later(echo: Echo, browser: Browser) -> None:
    await browser.http.post(f"/chat/{CODE}", data=BORN | {"day": "1"})
    door = browser.http.cookies["kiemdiem_door"]
    ended = await browser.joins()
    with echo.database.transaction() as db:
        addresses.release(db, db.scalars(sa.select(m.Address.id)).one(), "ended")
    browser.http.cookies.set("kiemdiem_door", door)
    assert await browser.joins() != ended
    assert (await browser.http.get(ended)).status_code == 404


async def test_a_code_typed_at_the_door_opens_like_a_link(browser: Browser) -> None:
    answer = await browser.http.post("/chat/", data=BORN | {"code": f" {CODE} "})
    assert answer.status_code == 303


async def test_an_empty_field_is_asked_for_again(echo: Echo, browser: Browser) -> None:
    assert (await browser.http.post("/chat/", data={"code": CODE, "day": "28"})).status_code == 422
    assert addresses_there(echo.database) == 0


async def test_the_door_says_that_nothing_was_saved(echo: Echo, browser: Browser) -> None:
    echo.broken = True
    assert (await browser.http.post(f"/chat/{CODE}", data=BORN)).status_code == 503


async def test_the_browser_inside_a_messenger_is_offered_the_real_one(browser: Browser) -> None:
    agent = "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537 Zalo android/12"
    page = (await browser.http.get(f"/chat/{CODE}", headers={"User-Agent": agent})).text
    assert f'href="intent://localhost/chat/{CODE}#Intent;scheme=http;end"' in page


async def test_the_cookie_is_for_its_chat_alone_and_out_of_reach_of_scripts(echo: Echo) -> None:
    browser = Browser(echo, public_url="https://kiemdiem.example")
    answer = await browser.http.post(f"/chat/{CODE}", data=BORN)
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("kiemdiem="))
    parts = {part.strip() for part in cookie.split(";")[1:]}
    assert parts >= {"HttpOnly", "Secure", "SameSite=lax", f"Path={answer.headers['location']}"}
