"""`kiemdiem run` as its operator and Telegram see it: ending, failing, filling up, standing still."""

import asyncio
import io
import json
import resource
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot import backup
from bot.mistakes import Mistake
from storage import addresses, notes
from storage import models as m
from storage.database import Database
from storage.sealing import Sealer
from tests import town
from tests.botapi import SECRET
from tests.fakes import until
from tests.siege import Siege


async def test_sigterm_ends_what_is_in_hand_and_exits_0(sqlite: Database) -> None:
    async with Siege(sqlite, people=20) as siege:
        program = siege.program()
        await program.start()
        for number in range(100):
            siege.says(number % 20 + 1, f"mẩu {number}")
        await siege.api.until(lambda: len(siege.api.confirmed) > 10, 60)
        assert await program.stop() == 0, program.log.decode()
        with sqlite.transaction(read_only=True) as db:
            stored = {text for member in range(1, 21) for text in town.written(db, member)}
        texts = {update: f"mẩu {number}" for number, update in enumerate(siege.updates)}
        assert {texts[update] for update in siege.api.confirmed} <= stored
        await siege.survives(siege.program())
        assert siege.wrong() == []


def test_what_is_not_used_is_not_loaded_and_is_there_for_who_needs_it() -> None:
    told = """
        import sys
        from bot.cli import without
        assert not {"structlog", "telegram"} & set(sys.modules)
        with without("rich", "cryptography"):
            import bot.app, bot.channels.telegram
        assert {"structlog", "telegram", "sqlalchemy"} <= set(sys.modules)
        unused = {"rich", "cryptography", "pydantic", "alembic", "psycopg", "openpyxl", "docx", "holidays"}
        assert not unused & set(sys.modules)
        from storage.sealing import Sealer
        sealer = Sealer([bytes(32)])
        assert sealer.opened(sealer.seal("lời", "answer/1"), "answer/1") == "lời"
        with without("cryptography"):
            assert "AESGCM" in dir(sys.modules["cryptography.hazmat.primitives.ciphers.aead"])
        assert sys.modules["cryptography"]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(told)], check=True, timeout=60)


@pytest.mark.slow
async def test_a_second_run_on_the_same_file_says_so_and_exits_1(sqlite: Database) -> None:
    async with Siege(sqlite) as siege:
        first, second = siege.program(), siege.program()
        await first.start()
        await first.ready()
        await second.start()
        assert await second.ended() == 1
        assert second.log.decode().startswith("Another kiemdiem run uses this database.")
        siege.says(1, "a")
        await siege.done()
        assert await first.stop() == 0


async def test_each_failure_of_the_platform_stops_only_what_it_must(sqlite: Database) -> None:
    untold = ("cut", "broken", "no result", "not ok")  # the platform took it and did not say so
    failures = ("flood:1", "server error", "reset", "foreign 403", "foreign 429", *untold)
    blocked, refused = len(failures) + 1, len(failures) + 2
    async with Siege(sqlite, people=refused) as siege:
        for member, how in enumerate((*failures, "blocked", "bad request"), 1):
            siege.api.fails(siege.chat(member), how)
            siege.says(member, "một")
            siege.says(member, "hai")
        program = siege.program()
        await program.start()
        await siege.done()
        heard = {member: len(siege.api.user(siege.chat(member)).received) for member in range(1, refused + 1)}
        expected = {member: 3 if how in untold else 2 for member, how in enumerate(failures, 1)}
        assert {member: heard[member] for member in expected} == expected
        assert heard[refused] == 1  # one call for what is refused, and it stops nothing
        siege.api.user(siege.chat(blocked)).sends(text="/start")  # writing again opens the address
        await siege.api.until(lambda: len(siege.api.user(siege.chat(blocked)).received) > heard[blocked], 60)
        with sqlite.transaction(read_only=True) as db:
            address = addresses.at(db, *town.BOT, str(siege.chat(blocked)))
            assert address is not None and address.closed is None
        assert await program.stop() == 0


@pytest.mark.slow
async def test_when_the_token_is_refused_the_channel_stops_and_the_rest_goes_on(sqlite: Database) -> None:
    async with Siege(sqlite) as siege:
        siege.api.always["getUpdates"] = "unauthorized"
        program = siege.program()
        await program.start()
        await program.ready()
        await until(lambda: ("getUpdates", None, "unauthorized") in siege.api.calls, 60)
        calls = len(siege.api.calls)
        await asyncio.sleep(1.5)
        assert len(siege.api.calls) == calls  # no loop
        assert await program.ready() == 503
        assert await program.stop() == 0
        assert b"channel.stopped" in program.log
        assert b"AAtest" not in program.log  # the token


async def test_nothing_is_restored_beside_a_process_that_only_serves_the_page(sqlite: Database, tmp_path: Path) -> None:
    assert sqlite.file is not None
    async with Siege(sqlite) as siege:
        backup.save(sqlite, tmp_path / "saved", "en")
        program = siege.program(only=["web"])
        await program.start()
        await program.ready()
        with pytest.raises(Mistake, match=r"^backup\.in_use$"):
            backup.restore(sqlite, tmp_path / "saved", datetime.now(UTC), force=True, sealer=Sealer())
        assert await program.stop() == 0
        backup.restore(sqlite, tmp_path / "saved", datetime.now(UTC), force=True, sealer=Sealer())


# ------------------------------------------------------------------ the disk and the file


@pytest.mark.slow
async def test_a_full_disk_confirms_nothing_and_when_there_is_room_it_goes_on(sqlite: Database) -> None:
    async with Siege(sqlite) as siege:
        program = siege.program()
        await program.start()
        await program.ready()
        siege.says(1, "trước")
        await siege.done()
        pid, most = program.process.pid, resource.RLIM_INFINITY
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (8192, most))  # smaller than the file is already
        waiting = [siege.says(member, f"{'x' * 3000} {member}") for member in (1, 2, 3)]
        await asyncio.sleep(2)
        assert set(waiting) & set(siege.api.confirmed) == set()
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
        await siege.done()
        assert program.process.returncode is None
        assert await program.stop() == 0
        assert siege.wrong() == []


async def test_on_a_full_disk_a_start_waits_and_says_why_and_goes_on_once_there_is_room(
    sqlite: Database, tmp_path: Path
) -> None:
    async with Siege(sqlite) as siege:
        program = siege.program(only=["web"], KIEMDIEM_DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}")
        program.arguments = ["sh", "-c", 'ulimit -S -f 0; exec "$@"', "sh", *program.arguments]
        await program.start()
        await until(lambda: b"database.cannot_be_used" in program.log, 30)
        await asyncio.sleep(0.5)
        assert program.process.returncode is None
        most = resource.RLIM_INFINITY
        resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (most, most))
        assert await program.ready() == 200
        assert await program.stop() == 0


async def test_a_start_that_waits_for_its_disk_ends_at_a_signal(sqlite: Database, tmp_path: Path) -> None:
    async with Siege(sqlite) as siege:
        program = siege.program(only=["web"], KIEMDIEM_DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}")
        program.arguments = ["sh", "-c", 'ulimit -S -f 0; exec "$@"', "sh", *program.arguments]
        await program.start()
        await until(lambda: b"database.cannot_be_used" in program.log, 30)
        assert await program.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2, 8])  # within the busy timeout of 5 s, and past it
async def test_while_another_process_writes_nothing_is_confirmed_and_nothing_is_lost(
    sqlite: Database, seconds: float
) -> None:
    async with Siege(sqlite) as siege:
        program = siege.program()
        await program.start()
        await program.ready()
        siege.says(1, "trước")
        await siege.done()
        other = Database(sqlite.url.render_as_string())
        with other.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
            waiting = siege.says(1, "a")
            await asyncio.sleep(seconds)
            assert waiting not in siege.api.confirmed
            connection.rollback()
        other.close()
        await siege.done()
        assert await program.stop() == 0
        assert siege.wrong() == []


@pytest.mark.slow
async def test_it_starts_although_nothing_can_be_written_yet(sqlite: Database) -> None:
    async with Siege(sqlite) as siege:
        program = siege.program()
        other = Database(sqlite.url.render_as_string())
        with other.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
            siege.says(1, "a")
            await program.start()
            await until(lambda: b"telegram.cannot_store" in program.log, 60)  # the bot's name
            connection.rollback()
        other.close()
        await siege.done()
        assert await program.stop() == 0, program.log.decode()
        with sqlite.transaction(read_only=True) as db:
            assert notes.read(db, "telegram_username") == "kiemdiem_bot"
        assert siege.wrong() == []


@pytest.mark.slow
async def test_a_process_that_stood_still_goes_on_without_doubling_anything(sqlite: Database) -> None:
    async with Siege(sqlite, people=100) as siege:
        siege.notify(m.REMINDER, range(1, 101))
        program = siege.program(KIEMDIEM_PACE=28.8)
        await program.start()
        await siege.api.until(lambda: sum(len(user.received) for user in siege.api.users.values()) > 20, 60)
        program.process.send_signal(signal.SIGSTOP)
        siege.says(1, "trong lúc đó")
        await asyncio.sleep(5)
        program.process.send_signal(signal.SIGCONT)
        await siege.done()
        assert await program.stop() == 0
        assert siege.wrong() == []


# ------------------------------------------------------------------ webhooks


def _update(siege: Siege, number: int, **content: Any) -> dict[str, Any]:
    return {"update_id": number, "message": siege.api.user(siege.chat(1)).message(content)}


async def test_whatever_comes_to_the_webhook_is_answered_and_the_next_one_is_taken(sqlite: Database) -> None:
    async with Siege(sqlite) as siege:
        program = siege.program(hook="http://127.0.0.1:1")  # nobody calls back: the test posts itself
        await program.start()
        await program.ready()
        url = f"http://127.0.0.1:{program.port}/telegram"
        lone = json.dumps(_update(siege, 3, text="a")).replace('"a"', '"a\\ud800b"').encode()
        bodies: list[tuple[bytes, int]] = [
            (b"", 400),
            (b"{", 400),
            (b"[" * 100_000, 400),
            (b"null", 200),
            (b'{"update_id": 1, "message": 7}', 200),
            (b'{"update_id": 2, "chat_boost": {}}', 200),
            (lone, 200),
            (json.dumps(_update(siege, 4, text="a\x00b")).encode(), 200),
            (json.dumps(_update(siege, 5, text="x" * 1_100_000)).encode(), 413),
            (json.dumps(_update(siege, 6, photo=[{}])).encode(), 200),
        ]
        async with aiohttp.ClientSession(headers={"X-Telegram-Bot-Api-Secret-Token": SECRET}) as http:
            for body, expected in bodies:
                async with http.post(url, data=io.BytesIO(body)) as answer:
                    assert (answer.status, body[:60]) == (expected, body[:60])
            for _ in range(2):  # the same update again, as after an answer that was lost
                async with http.post(url, json=_update(siege, 7, text="sau cùng")) as answer:
                    assert answer.status == 200
            async with http.post(
                url, json=_update(siege, 8, text="giả"), headers={"X-Telegram-Bot-Api-Secret-Token": "no"}
            ) as answer:
                assert answer.status == 403
        assert await program.stop() == 0
        with sqlite.transaction(read_only=True) as db:
            assert town.written(db, 1)[-1] == "sau cùng"
            assert "giả" not in town.written(db, 1)
