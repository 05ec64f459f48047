"""A member gets their own review as a file: on a channel with files as one, elsewhere behind a link that expires."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docx
import httpx2
import pytest
import sqlalchemy as sa

from bot.channels import File
from bot.channels.telegram import Telegram
from bot.channels.web import Web, application
from bot.channels.web.talk import Talk
from bot.delivery import Delivery
from bot.documents import Documents, NotTheirs
from handlers import forms
from handlers.form_files import forms_in
from handlers.messages import Document, Message, Move, dumps
from storage import assessments, outbox
from storage import models as m
from storage.database import Database
from tests.botapi import TOKEN, BotApi
from tests.fakes import FakeChannel, FakeClock
from tests.seeded import ZONE, seed

NOW = datetime(2026, 12, 8, 3, 0, tzinfo=UTC)
MINE = Document("review.docx", 1)
FORM = forms_in(Path("forms"), "vi")[0]["mau_2b_2025"]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def documents(sqlite: Database, clock: FakeClock) -> Documents:
    """An (person 1) has submitted, Bình (person 2) has not."""
    seed(sqlite, form=forms.dumps(FORM))
    with sqlite.transaction() as db:
        assessments.submit(
            db, 1, snapshot={"ho_ten": "Nguyễn Văn An", "a1_1": "12 đề tài"}, receipt="7K2P", late=False,
            level=None, score=None, now=NOW,
        )  # fmt: skip
    return Documents(sqlite, clock, "a secret", "https://kiemdiem.example/", "vi")


def words(file: File) -> str:
    document = docx.Document(io.BytesIO(file.data))
    return "\n".join(paragraph.text for paragraph in document.paragraphs)


async def test_it_is_ones_own_submitted_review_and_taking_it_is_on_record(
    documents: Documents, sqlite: Database
) -> None:
    file = await documents.built(MINE, 1)
    assert file.name == "ban-kiem-diem-2026.docx"
    assert "12 đề tài" in words(file)
    with sqlite.transaction(read_only=True) as db:
        found = db.execute(sa.select(m.Audit.action, m.Audit.actor_id, m.Audit.person_id))
        assert [tuple(row) for row in found] == [("review.downloaded", 1, 1)]


@pytest.mark.parametrize(
    ("document", "person"),
    [
        (MINE, 2),
        (MINE, None),
        (Document("review.docx", 2), 2),
        (Document("review.docx", 99), 1),
        (Document("../../etc/passwd", 1), 1),
    ],
)
async def test_nobody_elses_unsubmitted_or_unknown_document_is_built(
    documents: Documents, document: Document, person: int | None
) -> None:
    with pytest.raises(NotTheirs):
        await documents.built(document, person)


def put(database: Database, key: str = "reply:a:0") -> None:
    """A reply to An with the review."""
    message = Message("Bản Word", moves=(Move("mine.open", "Quay lại"),), document=MINE)
    with database.transaction() as db:
        outbox.put(db, key=key, kind=m.REPLY, address_id=1, person_id=1, now=NOW, body=dumps(message))


async def delivered(database: Database, channel: FakeChannel, documents: Documents, clock: FakeClock) -> None:
    delivery = Delivery(
        database, channel, run="run", now=clock, word=lambda db, row, now: None, pace=1000, documents=documents
    )
    await delivery.deliver_replies()
    await delivery.drain()


async def test_a_channel_with_files_gets_the_file(documents: Documents, sqlite: Database, clock: FakeClock) -> None:
    put(sqlite)
    channel = FakeChannel("telegram")
    channel.files = True
    await delivered(sqlite, channel, documents, clock)
    assert [message.text for message in channel.inbox["71"]] == ["Bản Word"]
    assert [file.name for file in channel.sent_files] == ["ban-kiem-diem-2026.docx"]


async def test_a_channel_without_files_gets_a_link_that_gives_the_file_once_a_button_is_pressed(
    documents: Documents, sqlite: Database, clock: FakeClock
) -> None:
    put(sqlite)
    channel = FakeChannel("telegram")
    await delivered(sqlite, channel, documents, clock)
    text, link = channel.inbox["71"][0].text.split("https://kiemdiem.example")
    assert text == "Bản Word\n\nMở liên kết này để tải tệp, trong vòng 1 giờ; đừng gửi cho ai:\n"
    async with browser(documents) as an:
        seen = await an.get(link)
        assert (seen.status_code, "12 đề tài" in seen.text) == (200, False)
        file = await an.post(link)
        again = await an.post(link)
    assert "12 đề tài" in words(File("", file.content))
    assert file.headers["content-disposition"] == 'attachment; filename="ban-kiem-diem-2026.docx"'
    assert again.status_code == 200


async def test_a_link_that_is_altered_expired_or_another_persons_gives_nothing(
    documents: Documents, clock: FakeClock
) -> None:
    mine = documents.path(MINE, 1)
    theirs = documents.path(MINE, 2)
    middle = len(mine) // 2
    altered = mine[:middle] + ("a" if mine[middle] != "a" else "b") + mine[middle + 1 :]
    forged = Documents(documents.database, clock, "another secret", "", "vi").path(MINE, 1)
    async with browser(documents) as an:
        refused = [(await an.post(link)).status_code for link in (theirs, altered, forged, "/file/x")]
        clock.forward(minutes=60)
        in_time = (await an.post(mine)).status_code
        clock.forward(seconds=1)
        late = await an.post(mine)
    assert (refused, in_time, late.status_code) == ([404] * 4, 200, 404)
    assert "Tải bản Word" in late.text


def page(documents: Documents) -> Web:
    """The web chat, to which nobody writes."""

    async def receive(came: object) -> None:
        raise AssertionError

    return Web(
        documents.database, receive, documents.now, lambda db, row, now: None, "a secret", ZONE, documents,
        public_url="https://kiemdiem.example",
    )  # fmt: skip


def browser(documents: Documents) -> httpx2.AsyncClient:
    """A browser at our page."""
    transport = httpx2.ASGITransport(application(page(documents)))
    return httpx2.AsyncClient(transport=transport, base_url="https://kiemdiem.example")


def test_the_page_gets_a_link_of_its_own_with_the_message(
    documents: Documents, sqlite: Database, clock: FakeClock
) -> None:
    put(sqlite)
    with sqlite.transaction(read_only=True) as db:
        row = outbox.read(db, db.execute(sa.select(*outbox.COLUMNS).join(m.Address)).one())
    shown = Talk(page(documents)).shown(row)
    assert (shown["text"], shown["file"], "document" in shown) == ("Bản Word", documents.path(MINE, 1), False)


async def test_a_file_that_cannot_be_built_is_refused_and_shown_and_stops_nobody(
    documents: Documents, sqlite: Database, clock: FakeClock
) -> None:
    put(sqlite)
    with sqlite.transaction() as db:
        db.execute(sa.update(m.Outgoing).values(person_id=2))
        outbox.put(
            db, key="reply:b:0", kind=m.REPLY, address_id=1, person_id=1, now=NOW, body=dumps(Message("Tiếp theo"))
        )
    channel = FakeChannel("telegram")
    channel.files = True
    await delivered(sqlite, channel, documents, clock)
    await delivered(sqlite, channel, documents, clock)
    assert [message.text for message in channel.inbox["71"]] == ["Tiếp theo"]
    with sqlite.transaction(read_only=True) as db:
        rows = db.execute(sa.select(m.Outgoing.state, m.Outgoing.why).order_by(m.Outgoing.id))
        assert [tuple(row) for row in rows] == [(m.REFUSED, "NotTheirs"), (m.SENT, None)]


async def test_telegram_takes_the_file_with_its_words_and_buttons() -> None:
    async with BotApi() as api:
        an = api.user(7)
        telegram = Telegram(TOKEN, api_url=api.url)
        message = Message("Bản Word để in và ký", moves=(Move("mine.open", "Quay lại"),))
        await telegram.send("7", message, file=File("ban-kiem-diem-2026.docx", b"PK"))
        await telegram.close()
    (call,) = an.received
    assert (call["caption"], call["document"].name, call["document"].content) == (
        "Bản Word để in và ký",
        "ban-kiem-diem-2026.docx",
        b"PK",
    )
    assert call["reply_markup"]["inline_keyboard"] == [[{"text": "Quay lại", "callback_data": "mine.open"}]]


async def test_an_hour_is_what_the_words_about_the_link_say() -> None:
    from bot.documents import LASTS

    assert timedelta(hours=1) == LASTS
