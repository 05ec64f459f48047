"""A notice on a page counts as sent once the page has shown it, and not before."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from bot import season
from bot.shown import mark_shown
from bot.wording import worded
from handlers import secretary
from handlers.messages import loads
from storage import models as m
from storage import outbox, webchat
from storage.assessments import Assessment
from storage.database import Database
from tests.echo import Echo
from tests.season import CYCLE, SAIGON, World
from tests.surfing import Browser


class Page:
    """The page of somebody who has only the page."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        world.block(name)
        self.address = world.link(name, "web")

    def opens(self, seq: int = 0) -> list[str]:
        """What the page is given now that it is opened: its texts above a number."""
        with self.world.database.transaction() as db:
            webchat.take_due(db, self.address, self.world.now, worded)
            rows = webchat.since(db, self.address, seq, 200, self.world.now)
            return [loads(row.body or "").text for row in rows]

    def shows(self, seq: int) -> None:
        """It says that it has shown everything up to that number."""
        with self.world.database.transaction() as db:
            mark_shown(db, self.address, seq, self.world.now)

    @property
    def review(self) -> Assessment:
        """The review of its person."""
        return self.world.assessment(self.name)

    def shown(self) -> tuple[int, int]:
        """The numbers of the address: the last given, the last shown."""
        with self.world.database.transaction(read_only=True) as db:
            row = db.execute(sa.select(m.Address.seq, m.Address.shown).where(m.Address.id == self.address)).one()
            return row.seq, row.shown


@pytest.fixture
def world(database: Database) -> World:
    """An open season; the first notices are sent and read."""
    made = World(database)
    made.opens()
    made.tick()
    made.messages.clear()
    return made


def test_a_reminder_counts_when_the_page_says_it_was_shown_and_not_when_it_was_given(world: World) -> None:
    page = Page(world, "An")
    world.at("2026-12-01 08:00")
    assert len(page.opens()) == 1
    assert (page.review.reminded, page.review.reminded_at) == (0, None)
    world.now = datetime(2026, 12, 1, 9, tzinfo=SAIGON)
    page.shows(1)
    assert (page.review.reminded, page.review.reminded_at) == (1, world.now)
    assert page.review.remind_at == datetime(2026, 12, 8, 8, tzinfo=SAIGON)


def test_a_report_that_is_repeated_or_forged_counts_nothing_more(world: World) -> None:
    page = Page(world, "An")
    world.at("2026-12-01 08:00")
    page.opens()
    page.shows(7)
    assert (page.review.reminded, page.shown()) == (0, (1, 0))
    for _ in range(3):
        page.shows(1)
    assert (page.review.reminded, page.shown()) == (1, (1, 1))


def test_at_most_one_reminder_waits_for_a_page(world: World) -> None:
    page = Page(world, "An")
    world.at("2026-12-01 08:00")
    assert len(page.opens()) == 1
    now = world.now
    with world.database.transaction() as db:
        for key in ("nudge:one", "snooze:14"):
            outbox.put(
                db, key=f"reminder:{page.review.id}:2026-12-01:{key}", kind=m.REMINDER, address_id=page.address,
                now=now, person_id=world.ids["An"], assessment_id=page.review.id,
            )  # fmt: skip
    assert len(page.opens()) == 1
    page.shows(1)
    assert page.review.reminded == 1


def test_a_secretary_reminds_nobody_again_whose_page_has_not_shown_the_first_one_yet(world: World) -> None:
    for name in ("An", "Hoa", "Lan", "Em"):
        world.submits(name)
    page = Page(world, "Tú")
    world.taps("Bình", "cell.nudge_yes=3", secretary.handle)
    assert len(page.opens()) == 1  # in a tab in the background
    assert world.taps("Bình", "cell.nudge=3", secretary.handle)[0].text == (
        "Lúc này không nhắc thêm được đồng chí nào.\n\nĐã có lời nhắc đang chờ gửi, hoặc chờ đồng chí ấy mở trang: Tú."
    )


def test_what_a_page_has_shown_stays_on_it_once_they_submit(world: World) -> None:
    page = Page(world, "An")
    world.at("2026-12-01 08:00")
    shown = page.opens()
    page.shows(1)
    with world.database.transaction() as db:
        outbox.withdraw_reminders(db, page.review.id, "submitted")
    assert (len(shown), page.opens()) == (1, shown)


def test_what_was_given_and_not_shown_in_its_time_expires_and_never_counts(world: World) -> None:
    page = Page(world, "An")
    world.at("2026-12-01 08:00")
    page.opens()
    world.now = datetime(2026, 12, 2, 9, tzinfo=SAIGON)
    assert page.opens() == []
    page.shows(1)
    assert (page.review.reminded, page.review.reminded_at) == (0, None)
    world.at("2026-12-08 08:00")
    assert len(page.opens()) == 1
    page.shows(2)
    assert page.review.reminded == 1


def test_what_was_given_and_not_shown_is_taken_back_when_the_season_closes(world: World) -> None:
    page = Page(world, "An")
    world.at("2026-12-01 08:00")
    assert len(page.opens()) == 1
    with world.database.transaction() as db:
        season.close_cycle(db, world.cycle, world.now)
    assert page.opens() == []
    page.shows(1)
    assert (page.review.reminded, page.review.remind_at) == (0, None)


def test_a_first_notice_given_and_not_shown_is_worded_anew_when_the_deadline_moves(database: Database) -> None:
    world = World(database)
    page = Page(world, "An")
    world.opens()
    assert ["17:00 ngày 15/12/2026" in text for text in page.opens()] == [True]
    later = timedelta(days=7)
    with database.transaction() as db:
        season.move_deadline(db, world.cycle, CYCLE.due + later, CYCLE.closes + later, world.now)
    assert ["17:00 ngày 22/12/2026" in text for text in page.opens()] == [True]


def test_a_clock_set_back_keeps_nothing_from_a_page_that_is_due(world: World) -> None:
    page = Page(world, "An")
    world.at("2026-12-01 10:00")
    with world.database.transaction() as db:
        key = f"reminder:{page.review.id}:2026-12-01:nudge:1"
        outbox.put_notices(
            db,
            [
                {
                    "key": key,
                    "kind": m.REMINDER,
                    "address_id": page.address,
                    "person_id": world.ids["An"],
                    "assessment_id": page.review.id,
                    "due_at": world.now,
                    "expires_at": world.now + timedelta(hours=10),
                }
            ],
            world.now,
        )
        db.execute(sa.delete(m.Outgoing).where(m.Outgoing.kind == m.REMINDER, m.Outgoing.key != key))
    world.now -= timedelta(hours=2)
    with world.database.transaction() as db:
        assert [found.due for found in webchat.news(db, [page.address], world.now).values()] == [True]
    assert len(page.opens()) == 1


def test_a_reminder_that_waits_on_a_hidden_page_is_taken_back_when_they_submit(world: World) -> None:
    page = Page(world, "An")
    world.at("2026-12-01 08:00")
    page.opens()
    with world.database.transaction() as db:
        outbox.withdraw_reminders(db, page.review.id, "submitted")
    world.submits("An")
    assert page.opens() == []
    page.shows(1)
    assert (page.review.reminded, page.review.remind_at) == (0, None)


def test_who_submitted_before_the_report_came_gets_no_further_reminder(world: World) -> None:
    page = Page(world, "An")
    world.at("2026-12-01 08:00")
    page.opens()
    world.submits("An")
    page.shows(1)
    assert page.review.remind_at is None


def test_what_they_asked_for_uses_up_none_of_the_automatic_reminders(world: World) -> None:
    page = Page(world, "An")
    world.put(
        "An", snoozed_until=datetime(2026, 11, 26, 8, tzinfo=SAIGON), remind_at=datetime(2026, 11, 26, 8, tzinfo=SAIGON)
    )
    world.at("2026-11-26 08:00")
    assert len(page.opens()) == 1
    page.shows(1)
    assert (page.review.reminded, page.review.reminded_at) == (0, world.now)


def test_a_digest_that_was_not_shown_is_not_what_the_next_one_compares_with(world: World) -> None:
    page = Page(world, "Bình")
    world.at("2026-11-26 17:00")
    page.opens()
    page.shows(1)
    world.now = datetime(2026, 11, 27, 9, tzinfo=SAIGON)
    world.submits("An")
    world.at("2026-11-27 17:00")
    page.opens()  # and nobody looks at it
    world.submits("Hoa")
    world.at("2026-11-30 17:00")
    last = page.opens(2)[-1].splitlines()
    assert "Mới nộp: An, Hoa." in last
    assert "So với lần trước: đã nộp +2, chưa bắt đầu −2." in last


async def test_a_page_says_what_it_has_shown_by_a_small_post(echo: Echo, browser: Browser) -> None:
    chat = await browser.joins()
    echo.notice(chat[6:-1], "notice", '{"text": "Còn 3 ngày."}')
    answer = await browser.http.get(f"{chat}since?after=2")
    assert [message.get("notice") for message in answer.json()["messages"]] == [True]
    bodies: list[object] = [{"shown": n} for n in (3, 3, 99, "3", -1, True)]
    statuses = [(await browser.http.post(f"{chat}shown", json=body)).status_code for body in (*bodies, [])]
    assert statuses == [204, 204, 204, 422, 422, 422, 422]
    with echo.database.transaction(read_only=True) as db:
        row = db.execute(sa.select(m.Outgoing.state, m.Outgoing.sent_at).where(m.Outgoing.key == "notice")).one()
        assert tuple(row) == (m.SENT, echo.clock())
        assert db.scalar(sa.select(m.Address.shown)) == 3
    stranger = Browser(echo)
    assert (await stranger.http.post(f"{chat}shown", json={"shown": 4})).status_code == 404
