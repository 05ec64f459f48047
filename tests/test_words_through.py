"""Whatever is typed arrives as it was typed, cleaned once at the door: markup, emoji, both directions, controls."""

import itertools
import json
import re

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.channels.telegram import Telegram
from handlers.words import clean
from storage import assessments
from storage import models as m
from storage.database import Database
from tests.attack import Season
from tests.echo import LEVEL, Echo
from tests.surfing import Browser, texts
from tests.world import AN

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60) | st.text("<b>&\"'{}%*_`/\\\n\t\x00\u202e👩‍🌾")
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_numbers = itertools.count(1)


@pytest.fixture
def season(sqlite: Database) -> Season:
    made = Season(sqlite)
    with sqlite.transaction() as db:
        db.execute(sa.update(m.Address).where(m.Address.chat == AN).values(chat="87"))
    return made


@QUICK
@given(text=ANYTHING)
@example("</script><!--<b>&amp;'\"")
@example("\u202eabc\u2066 👩‍🌾 \ud83d \x00\x1b[31m \r\n hoa\u0300 ða\u0302u")
async def test_the_page_shows_the_words_and_nothing_but_the_words(echo: Echo, browser: Browser, text: str) -> None:
    chat = await browser.joins()
    answer = await browser.says(chat, text, after=2)
    if not clean(text).strip():
        assert answer.status_code == 422
        return
    assert texts(answer) == [f"Đã ghi: {clean(text)}", LEVEL]
    html = (await browser.http.get(chat)).text
    found = re.search(r'<script id="past"[^>]*>(.*?)</script>', html, re.DOTALL)
    assert found is not None
    assert json.loads(found[1])[2]["text"] == f"Đã ghi: {clean(text)}"


@QUICK
@given(text=ANYTHING.filter(lambda text: clean(text).strip() and not clean(text).strip().startswith("/")))
@example("=1+1 <b>&\"' */_`[a](b) \ud800\x00 hoa\u0300")
async def test_an_answer_that_comes_by_the_webhook_is_stored_as_it_was_typed(season: Season, text: str) -> None:
    telegram = Telegram("1:token", secret="secret")
    mine = season.assessments[AN]
    with season.database.transaction() as db:
        db.execute(sa.update(m.Assessment).where(m.Assessment.id == mine).values(place="a1_1/anew"))
        db.execute(sa.update(m.Address).where(m.Address.chat == "87").values(place="fill"))
    message = {"message_id": 1, "date": 0, "chat": {"id": 87, "type": "private"}, "text": text}
    update = json.dumps({"update_id": next(_numbers), "message": message}).encode()
    assert await telegram.webhook(update, "secret", season.inbox.receive) == (200, b"")
    await season.delivery.drain()
    with season.database.transaction(read_only=True) as db:
        assert assessments.answers(db, mine)["a1_1"] == clean(text)
    assert season.inbox.kept == 0
