"""One notice that cannot be opened or worded, or an error that passes, silences no other page of the process."""

import json
from dataclasses import replace
from pathlib import Path

import httpx2
import sqlalchemy as sa

from bot.channels.web import application
from bot.channels.web.talk import Talk
from bot.channels.web.watch import Page
from handlers.messages import Document, Message, dumps
from storage import models as m
from storage.database import Database
from storage.outbox import Outgoing
from storage.sealing import Sealer
from tests.echo import WELCOME, Echo, member, web
from tests.surfing import HERE, Browser, texts

OTHER_KEY = Sealer([b"b" * 32])


def state(database: Database, key: str) -> tuple[str, str | None]:
    """The state of a notice and why."""
    with database.transaction(read_only=True) as db:
        row = db.execute(sa.select(m.Outgoing.state, m.Outgoing.why).where(m.Outgoing.key == key)).one()
        return row.state, row.why


def seal_with_a_lost_key(database: Database, key: str) -> None:
    """The words of a row, sealed under a key that this process does not have."""
    with database.transaction() as db:
        sealed = OTHER_KEY.seal(dumps(Message("Không mở được")), f"outgoing/{key}")
        db.execute(sa.update(m.Outgoing).where(m.Outgoing.key == key).values(body=sealed))


def address_of(database: Database, chat: str) -> int:
    """The id of a chat's address."""
    with database.transaction(read_only=True) as db:
        return db.execute(sa.select(m.Address.id).where(m.Address.chat == chat)).scalar_one()


async def test_a_notice_that_cannot_be_opened_is_refused_alone_and_the_other_pages_get_theirs(
    database: Database,
) -> None:
    echo = Echo(database, member(database))
    first, second = [(await Browser(echo).joins())[6:-1] for _ in range(2)]
    echo.notice(first, "sealed", dumps(Message("...")))
    echo.notice(first, "after", dumps(Message("Sau đó")))
    echo.notice(second, "other", dumps(Message("Trang khác")))
    seal_with_a_lost_key(database, "sealed")
    talk = Talk(web(echo))
    pages = [Page(address_of(database, chat), 2) for chat in (first, second)]
    talk.watch.pages.update(pages)
    await talk.watch.ring()
    assert [state(database, key)[0] for key in ("sealed", "after", "other")] == [m.REFUSED, m.SENT, m.SENT]
    assert [page.bell.is_set() for page in pages] == [True, True]


async def test_an_error_that_passes_refuses_nothing_and_keeps_no_other_page_waiting(database: Database) -> None:
    echo = Echo(database, member(database))
    first, second = [(await Browser(echo).joins())[6:-1] for _ in range(2)]
    echo.notice(first, "later", None)
    echo.notice(second, "other", dumps(Message("Trang khác")))
    away = True

    def word(db: object, outgoing: Outgoing, now: object) -> str | None:
        if outgoing.key == "other":
            return outgoing.body
        if away:
            raise sa.exc.OperationalError("SELECT", {}, Exception("deadlock detected"))
        return dumps(Message("Có lời"))

    talk = Talk(web(echo, word))
    talk.watch.pages.update(Page(address_of(database, chat), 2) for chat in (first, second))
    await talk.watch.ring()
    assert [state(database, key)[0] for key in ("later", "other")] == [m.QUEUED, m.SENT]
    away = False
    await talk.watch.ring()
    assert state(database, "later")[0] == m.SENT


async def test_a_page_opens_while_what_is_due_for_it_cannot_be_given(echo: Echo) -> None:
    def word(db: object, outgoing: Outgoing, now: object) -> str:
        raise sa.exc.OperationalError("SELECT", {}, Exception("locked"))

    browser = Browser(echo, word=word)
    chat = await browser.joins()
    echo.notice(chat[6:-1], "later", None)
    assert (await browser.http.get(chat)).status_code == 200
    assert texts(await browser.http.get(f"{chat}since?after=1")) == [WELCOME]
    assert state(echo.database, "later")[0] == m.QUEUED


async def test_a_file_that_cannot_be_built_now_is_answered_with_a_page_that_says_so(echo: Echo, tmp_path: Path) -> None:
    served = web(echo)
    away = replace(served.documents, database=Database(f"sqlite:///{tmp_path}/away/none.db"))
    app = application(replace(served, documents=away))
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=HERE, headers={"Origin": HERE})
    link = away.path(Document("review.docx", 1), echo.person)
    answer = await http.post(link)
    assert answer.status_code == 503
    assert "Tệp lúc này chưa tạo được. Đồng chí thử lại sau ít phút." in answer.text
    assert (await http.get(link)).status_code == 200


async def test_said_words_that_cannot_be_opened_any_more_leave_the_page_and_its_stream_open(
    echo: Echo, browser: Browser
) -> None:
    chat = await browser.joins()
    await browser.says(chat, "một")
    with echo.database.transaction(read_only=True) as db:
        key = db.execute(sa.select(m.Outgoing.key).where(m.Outgoing.seq == 3)).scalar_one()
    seal_with_a_lost_key(echo.database, key)
    assert (await browser.http.get(chat)).status_code == 200
    cannot = "Có tin lúc này chưa mở được. Đồng chí bấm Danh mục để làm tiếp, và báo cho cán bộ quản trị."
    answer = await browser.http.get(f"{chat}since?after=2")
    assert [message["seq"] for message in answer.json()["messages"]] == [3, 4]
    assert texts(answer)[0] == cannot
    events = Talk(web(echo)).events(Page(address_of(echo.database, chat[6:-1]), 2))
    assert json.loads((await anext(events)).data or "")["text"] == cannot
    await events.aclose()
