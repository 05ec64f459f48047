"""``check`` says what is wrong and how to mend it, a line each, and never repeats a secret."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.alarms import alarms, clock_differs
from bot.check import Findings, check
from bot.clock import JOBS
from bot.season_opening import NOTE
from storage import addresses, incoming, job_runs, notes, outbox
from storage import models as m
from storage.database import Database
from storage.schema import migrate
from storage.sealing import Sealer
from tests.botapi import TOKEN, BotApi
from tests.seeded import seed

NOW = datetime(2026, 12, 8, 3, 0, tzinfo=UTC)  # a Tuesday, 10:00
KEY = "0123456789abcdef" * 4
NO_DATA_KEY = "KIEMDIEM_DATA_KEY is not set: answers are not sealed in the database."


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The settings of an installation that is well."""
    database = Database(f"sqlite:///{tmp_path / 'kiemdiem.db'}")
    migrate(database)
    seed(database)
    with database.transaction() as db:
        db.execute(sa.update(m.Address).values(bot=TOKEN.partition(":")[0]))
        for job in ("remind", "digest", "close", "tidy", "tally"):
            job_runs.record(db, job, NOW, expected=0, put_out=0)
    database.close()
    return {
        "KIEMDIEM_DATABASE_URL": f"sqlite:///{tmp_path / 'kiemdiem.db'}",
        "KIEMDIEM_SECRET_KEY": KEY,
        "KIEMDIEM_DATA_KEY": KEY,
        "KIEMDIEM_PUBLIC_URL": "https://kiemdiem.example",
        "KIEMDIEM_LANG": "en",
    }


def found(environ: dict[str, str], **also: str) -> Findings:
    return check(environ | {f"KIEMDIEM_{name}": value for name, value in also.items()}, Path("forms"), NOW)


def opened(environ: dict[str, str]) -> Database:
    return Database(environ["KIEMDIEM_DATABASE_URL"], Sealer([bytes.fromhex(KEY)]))


def test_an_installation_that_is_well_is_told_so(environ: dict[str, str]) -> None:
    assert found(environ).lines() == ["All is well."]


def test_wrong_settings_are_told_all_at_once_without_their_values(environ: dict[str, str]) -> None:
    told = found(environ, PORT="eight", TELEGRAM_TOKEN="no-token", TYPO="1", DATA_KEY="abc").wrong
    assert [line.partition(":")[0] for line in told] == [
        "KIEMDIEM_PORT",
        "KIEMDIEM_TYPO",
        "KIEMDIEM_DATA_KEY",
        "KIEMDIEM_TELEGRAM_TOKEN",
    ]
    assert "no-token" not in "".join(told)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"SECRET_KEY": ""}, "KIEMDIEM_SECRET_KEY is not set. Make one: openssl rand -hex 32"),
        (
            {"SECRET_KEY": "short"},
            "KIEMDIEM_SECRET_KEY is too short, at least 32 characters are needed. Make another: openssl rand -hex 32",
        ),
        (
            {"PUBLIC_URL": "http://kiemdiem.example"},
            "KIEMDIEM_PUBLIC_URL must begin with https://, because answers cross the network.",
        ),
    ],
)
def test_a_weak_setting_is_told_with_how_to_mend_it(
    environ: dict[str, str], settings: dict[str, str], told: str
) -> None:
    assert found(environ, **settings).wrong == [told]


def test_what_is_only_worth_knowing_is_no_failure(environ: dict[str, str]) -> None:
    told = found(environ, PUBLIC_URL="", DATA_KEY="")
    assert (told.wrong, told.known) == (
        [],
        [
            NO_DATA_KEY,
            "KIEMDIEM_PUBLIC_URL is not set: the web page opens on this machine only, port 8000.",
            "There is no channel besides the web page.",
        ],
    )


def test_files_that_others_may_read_are_named(environ: dict[str, str], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o644)
    (tmp_path / "kiemdiem.db").chmod(0o640)
    del environ["KIEMDIEM_SECRET_KEY"]
    assert found(environ, SECRET_KEY_FILE=str(key)).wrong == [
        f"KIEMDIEM_SECRET_KEY_FILE: others may read {key}. Run: chmod 600 {key}",
        f"Others may read the database {tmp_path / 'kiemdiem.db'}. Run: chmod 600 {tmp_path / 'kiemdiem.db'}",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_database_that_somebody_else_owns_is_told_with_how_to_mend_it(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """As after a command that was run as root; here the other way round."""
    os.chown(tmp_path / "kiemdiem.db", 65534, -1)
    database = tmp_path / "kiemdiem.db"
    assert found(environ).wrong == [
        f"The database belongs to nobody, but the program runs as root, so it cannot be written. "
        f"Run: chown root {database}"
    ]


def test_a_database_that_cannot_be_written_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "kiemdiem.db").open("r+b") as file:
        file.seek(18)  # the version of the format that is needed to write it: one that there is not
        file.write(b"\x09")
    assert found(environ).wrong == [
        "The database cannot be written (attempt to write a readonly database). "
        "Is the disk full or read-only, or does a command hold it?"
    ]


def test_looking_whether_it_can_be_written_writes_nothing(environ: dict[str, str]) -> None:
    found(environ)
    database = opened(environ)
    with database.transaction(read_only=True) as db:
        assert notes.beginning(db, "") == {}
    database.close()


def test_a_missing_an_old_and_a_newer_database_are_told_apart(environ: dict[str, str], tmp_path: Path) -> None:
    missing = tmp_path / "other.db"
    assert found(environ, DATABASE_URL=f"sqlite:///{missing}").wrong == [
        f"{missing}: there is no database yet. Run: kiemdiem migrate"
    ]
    assert not missing.exists()
    database = opened(environ)
    with database.transaction() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert found(environ).wrong == [
        "The database is at revision 9999, newer than this program. Install a newer program."
    ]
    with database.transaction() as db:
        db.execute(sa.text("DELETE FROM alembic_version"))
    assert found(environ).wrong == [
        "The database is at revision -, 0002 is needed. Back it up, then run: kiemdiem migrate"
    ]
    database.close()


def test_a_season_that_is_being_opened_is_told_whether_its_command_still_runs_or_not(environ: dict[str, str]) -> None:
    database = opened(environ)
    with database.transaction() as db:
        db.execute(sa.update(m.Cycle).values(opening=True, opened_at=NOW))
    assert found(environ).lines() == [
        "· The season 2026 is being opened; nobody sees it yet. If `kiemdiem cycle open` runs no more, run it again "
        "with the same file.",
        "All is well.",
    ]
    with database.transaction() as db:
        db.execute(sa.update(m.Cycle).values(opened_at=NOW - timedelta(minutes=30)))
    database.close()
    told = found(environ)
    assert (told.wrong, told.known) == (
        [
            "The season 2026 has been half opened for 30 minutes; nobody sees it yet. Run kiemdiem cycle open with the "
            "same file again to go on, or give it up: kiemdiem cycle close."
        ],
        [],
    )


def test_first_notices_that_are_left_are_told_at_once(environ: dict[str, str]) -> None:
    database = opened(environ)
    with database.transaction() as db:
        db.execute(sa.update(m.Cycle).values(opened_at=NOW))
        notes.write(db, NOTE, "1:0")
        left = db.scalar(sa.select(sa.func.count()).select_from(m.Assessment))
    database.close()
    assert found(environ).lines() == [
        f"· The first notices of the season 2026 are being put, {left} people are left. If `kiemdiem cycle open` runs "
        "no more, run it again with the season's file.",
        "All is well.",
    ]


def test_a_server_that_is_gone_is_told_without_its_password(environ: dict[str, str]) -> None:
    told = found(environ, DATABASE_URL="postgresql://kiemdiem:s3cret@127.0.0.1:1/kiemdiem").wrong
    assert told == [
        "The database cannot be used (OperationalError). Is the server up, and KIEMDIEM_DATABASE_URL right?"
    ]


def test_answers_sealed_with_another_key_are_told(environ: dict[str, str]) -> None:
    database = opened(environ)
    with database.transaction() as db:
        db.execute(
            sa.insert(m.Answer).values(
                assessment_id=1, question="a", number=1, starts=True, at=NOW, words=b"\1\0\0\0\0sealed"
            )
        )
    database.close()
    assert found(environ).wrong == [
        "Answers are sealed with a key that is not in KIEMDIEM_DATA_KEY. "
        "Add the old key behind the new one, with a comma between."
    ]


def test_a_broken_form_is_told_by_its_file(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("id = ")
    told = check(environ, tmp_path, NOW).wrong
    assert [line.partition(":")[0] for line in told] == ["broken.toml"]


@pytest.mark.parametrize(
    ("fault", "wrong", "known"),
    [
        (None, [], ["Telegram: @kiemdiem_bot."]),
        (
            "unauthorized",
            ["Telegram refuses KIEMDIEM_TELEGRAM_TOKEN. Get the token from BotFather again."],
            [],
        ),
        (
            "server error",
            [
                "{url} cannot be reached. Look at the network and the firewall; where Telegram is blocked, "
                "use the web page."
            ],
            [],
        ),
    ],
)
async def test_the_token_is_tried_and_never_printed(
    environ: dict[str, str], fault: str | None, wrong: list[str], known: list[str]
) -> None:
    async with BotApi() as api:
        if fault:
            api.fails("getMe", fault)
        told = await asyncio.to_thread(
            found, environ, TELEGRAM_TOKEN=TOKEN, TELEGRAM_API_URL=api.url, TELEGRAM_SECRET="only-we-know"
        )
    assert (told.wrong, told.known) == ([line.format(url=api.url) for line in wrong], known)
    assert TOKEN not in "".join(told.lines())


def test_pausing_is_worth_knowing(environ: dict[str, str]) -> None:
    database = opened(environ)
    with database.transaction() as db:
        notes.write(db, notes.PAUSED, "2026-12-07T03:00:00+00:00")
    database.close()
    told = found(environ)
    assert (told.wrong, told.known) == ([], ["Paused since 2026-12-07T03:00 (UTC). Go on with: kiemdiem resume"])


def sentences(database: Database, now: datetime = NOW) -> list[str]:
    with database.transaction(read_only=True) as db:
        return [alarm.sentence("en") for alarm in alarms(db, now)]


def test_a_clock_that_stands_still_is_an_alarm(database: Database) -> None:
    seed(database)
    with database.transaction() as db:
        for job in ("remind", "digest", "close", "tidy", "tally"):
            job_runs.record(db, job, NOW, expected=0, put_out=0)
    assert sentences(database, NOW + timedelta(minutes=10)) == []
    stands = (
        "The clock's jobs (reminders, digests, closing) did not run for {}. "
        "Is kiemdiem run up? See: systemctl status kiemdiem"
    )
    assert sentences(database, NOW + timedelta(minutes=47)) == [stands.format("47 minutes")]
    assert sentences(database, NOW + timedelta(minutes=119, days=1)) == [stands.format("25 hours")]
    assert sentences(database, NOW + timedelta(minutes=7036)) == [stands.format("4 days")]


def test_one_job_that_fails_is_told_by_its_name(database: Database) -> None:
    seed(database)
    with database.transaction() as db:
        for job in ("remind", "digest", "close", "tidy", "tally"):
            job_runs.record(db, job, NOW, expected=0, put_out=0)
        job_runs.record(db, "digest", NOW - timedelta(hours=3), expected=0, put_out=0)
    assert sentences(database) == [
        "The digest job did not run for 3 hours, the other jobs do. Look in the log for clock.job_failed."
    ]


def test_before_the_first_run_the_time_counts_from_when_the_season_was_opened(database: Database) -> None:
    seed(database)
    with database.transaction() as db:
        db.execute(sa.update(m.Cycle).values(opened_at=NOW - timedelta(minutes=5)))
    assert sentences(database) == []


def test_a_clock_that_was_set_back_is_an_alarm(database: Database) -> None:
    seed(database)
    with database.transaction() as db:
        for job in ("remind", "digest", "close", "tidy", "tally"):
            job_runs.record(db, job, NOW + timedelta(hours=2), expected=0, put_out=0)
    assert sentences(database) == [
        "This machine's clock is 2 hours behind the jobs' last run. "
        "Look at the clock and its synchronisation: timedatectl"
    ]


def test_a_clock_that_differs_from_the_database_servers_is_an_alarm(database: Database) -> None:
    with database.transaction(read_only=True) as db:
        now = datetime.now(UTC)
        assert clock_differs(db, now - timedelta(minutes=9)) == []
        told = [alarm.name for alarm in clock_differs(db, now - timedelta(hours=3))]
    assert told == ([] if database.is_sqlite else ["clock_differs"])


def test_digests_that_nobody_put_are_an_alarm(database: Database) -> None:
    seed(database)
    evening = datetime(2026, 12, 8, 10, 11, tzinfo=UTC)  # 17:11 of a Tuesday, digests are due at 17:00
    with database.transaction() as db:
        for job in ("remind", "digest", "close", "tidy", "tally"):
            job_runs.record(db, job, evening, expected=0, put_out=0)
        db.execute(sa.insert(m.Role).values(person_id=1, unit_id=1, name="secretary", granted=False))
    assert sentences(database, evening - timedelta(minutes=2)) == []
    assert sentences(database, evening) == [
        "Expected 1 digests today, put out 0. Look in the log for clock.job_failed."
    ]
    with database.transaction() as db:
        key = "digest:1:2026-12-08:1"
        outbox.put(db, key=key, kind=m.DIGEST, address_id=1, now=evening, state=m.SENT, body="{}")
    assert sentences(database, evening) == []


def test_a_claim_that_hangs_is_an_alarm_of_its_own(database: Database) -> None:
    with database.transaction() as db:
        address = addresses.ensured(db, "telegram", "1", "71", NOW)
        before = NOW - timedelta(minutes=11)
        outbox.put(db, key="a", kind=m.REPLY, address_id=address.id, now=before, body="{}", state=m.CLAIMED)
    assert sentences(database) == [
        "1 messages have been on their way for too long. Restart kiemdiem run; if they stay, see: kiemdiem outbox list"
    ]


def test_what_waits_for_a_channel_that_stopped_is_one_cause_and_one_line(database: Database) -> None:
    with database.transaction() as db:
        address = addresses.ensured(db, "telegram", "1", "71", NOW)
        outbox.put(db, key="a", kind=m.REPLY, address_id=address.id, now=NOW - timedelta(hours=5), body="{}")
        for direction in ("receiving", "sending"):
            trouble = ["conflict", "terminated", (NOW - timedelta(hours=5)).isoformat()]
            notes.write(db, f"stopped:telegram:1:{direction}", json.dumps(trouble))
    assert sentences(database) == [
        "Telegram has stopped, for 5 hours: another program uses this token too. Stop that program, or /revoke the "
        "token at BotFather and write down the new one; kiemdiem tries again by itself."
    ]


def test_a_trouble_hides_only_what_waits_for_its_own_bot(database: Database) -> None:
    with database.transaction() as db:
        address = addresses.ensured(db, "telegram", "2", "71", NOW)
        outbox.put(db, key="a", kind=m.REPLY, address_id=address.id, now=NOW - timedelta(hours=5), body="{}")
        notes.write(db, "stopped:telegram:1:sending", json.dumps(["conflict", "x", NOW.isoformat()]))
        assert [alarm.name for alarm in alarms(db, NOW)] == ["channel_conflict", "outbox"]


def test_a_job_that_runs_seldom_makes_no_clock_seem_behind(database: Database) -> None:
    seed(database)
    with database.transaction() as db:
        for job in JOBS:
            job_runs.record(db, job, NOW, expected=0, put_out=0)
        job_runs.record(db, "tidy", NOW + timedelta(minutes=50), expected=0, put_out=0)
    assert sentences(database) == []


async def test_a_clock_that_differs_from_telegrams_is_told(environ: dict[str, str]) -> None:
    opened(environ).close()
    async with BotApi() as api:
        api.date = format_datetime(NOW - timedelta(hours=5, minutes=1))
        told = await asyncio.to_thread(
            found, environ, TELEGRAM_TOKEN=TOKEN, TELEGRAM_API_URL=api.url, TELEGRAM_SECRET="only-we-know"
        )
    assert told.wrong == [
        "This machine's clock and Telegram's differ by 5 hours. Reminders do not come on time. "
        "Look at the clock and its synchronisation: timedatectl"
    ]


@pytest.mark.parametrize("ran", [True, False])
@pytest.mark.parametrize("url", ["", "https://elsewhere.vn/secret-path"])
async def test_a_webhook_that_is_not_ours_is_told_once_the_program_has_run(
    environ: dict[str, str], ran: bool, url: str
) -> None:
    database = opened(environ)
    with database.transaction() as db:
        notes.write(db, "telegram_username", "kiemdiem_bot" if ran else None)
    database.close()
    async with BotApi() as api:
        api.hook = {"url": url} if url else {}
        told = await asyncio.to_thread(
            found, environ, TELEGRAM_TOKEN=TOKEN, TELEGRAM_API_URL=api.url, TELEGRAM_SECRET="only-we-know"
        )
    where = "elsewhere.vn" if url else "-"
    assert (
        told.wrong
        == [
            f"Telegram does not post to us (webhook: {where}). kiemdiem run sets it again within minutes. "
            "If it comes back, another program uses the token: /revoke it at BotFather."
        ]
        * ran
    )


async def test_a_refused_token_is_told_once_with_since_when(environ: dict[str, str]) -> None:
    database = opened(environ)
    with database.transaction() as db:
        trouble = ["token", "Telegram refuses the token", (NOW - timedelta(days=3)).isoformat()]
        notes.write(db, "stopped:telegram:123456:sending", json.dumps(trouble))
    database.close()
    async with BotApi() as api:
        api.fails("getMe", "unauthorized")
        told = await asyncio.to_thread(
            found, environ, TELEGRAM_TOKEN=TOKEN, TELEGRAM_API_URL=api.url, TELEGRAM_SECRET="only-we-know"
        )
    assert told.wrong == [
        "Telegram has stopped, for 3 days: it refuses KIEMDIEM_TELEGRAM_TOKEN. Get the token from BotFather again, "
        "write it into the settings and restart kiemdiem run."
    ]


def test_a_job_that_runs_and_puts_nothing_out_although_people_are_due_is_an_alarm(database: Database) -> None:
    people = tuple((f"KM-{n}", f"Người {n}", 1) for n in range(50))
    seed(database, people=people)
    with database.transaction() as db:
        for job in ("remind", "digest", "close", "tidy", "tally"):
            job_runs.record(db, job, NOW, expected=0, put_out=0)
        db.execute(sa.update(m.Assessment).values(remind_at=NOW - timedelta(minutes=30)))
    assert sentences(database) == ["Expected 50 reminders, put out 0. Look in the log for clock.job_failed."]
    with database.transaction() as db:
        notes.write(db, notes.PAUSED, NOW.isoformat())
    assert sentences(database) == []


def test_what_is_stuck_is_an_alarm(database: Database) -> None:
    with database.transaction() as db:
        address = addresses.ensured(db, "telegram", "1", "71", NOW)
        outbox.put(db, key="a", kind=m.REPLY, address_id=address.id, now=NOW, body="{}", state=m.REFUSED)
        incoming.keep(db, "telegram:1:5", "ValueError", "[]", NOW)
    assert sentences(database) == [
        "1 messages do not get out (refused, unsure or waiting long). See: kiemdiem outbox list",
        "1 turns failed and are kept. See: kiemdiem inbox list",
    ]


async def test_links_with_a_bot_whose_token_was_replaced_are_told_in_one_line(environ: dict[str, str]) -> None:
    database = opened(environ)
    with database.transaction() as db:
        db.execute(sa.update(m.Address).values(bot="777"))
        address = db.scalars(sa.select(m.Address.id)).first()
        assert address is not None
        outbox.put(db, key="a", kind=m.NOTICE, address_id=address, now=NOW, body="{}")
        count = db.scalar(sa.select(sa.func.count()).select_from(m.Address))
    database.close()
    async with BotApi() as api:
        told = await asyncio.to_thread(
            found, environ, TELEGRAM_TOKEN=TOKEN, TELEGRAM_API_URL=api.url, TELEGRAM_SECRET="only-we-know"
        )
    assert [line for line in told.wrong if "777" in line] == [
        f"{count} links and 1 waiting messages belong to the old Telegram bot 777 and cannot be sent any more. "
        "Run: kiemdiem address retire-bot 777"
    ]
