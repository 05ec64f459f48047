"""Nothing that is logged or printed repeats a token, a code, a name, a phone, a birth date, or anybody's words."""

import asyncio
import gc
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot import logs
from bot.channels import Incoming, Refused, Stopped, TryLater, Unreachable
from bot.channels.telegram import Telegram
from bot.server import free_port, server
from handlers.messages import Message, Said
from handlers.turn import Turn
from storage import models as m
from storage import notes, outbox, people
from storage.database import Database, Db
from storage.outbox import Outgoing
from tests.botapi import SECRET, TOKEN, BotApi
from tests.world import AN, World

WORDS = "hoàn thành mười hai đề tài bí mật"
BIRTH = "5/6/1975"


class Printed(io.StringIO):
    """What the program prints and logs, and what must not be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = [TOKEN, SECRET]

    def lines(self) -> list[dict[str, Any]]:
        """What was logged."""
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def events(self) -> list[str]:
        """What was logged, by name."""
        return [line["event"] for line in self.lines()]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Printed]:
    """The program's own logging in place of the tests'."""
    root, hooks = logging.getLogger(), (sys.excepthook, sys.unraisablehook, threading.excepthook)
    level, handlers = root.level, root.handlers[:]
    out = Printed()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", out)
        logs.set_up("DEBUG", secrets=(TOKEN, SECRET))
        yield out
    root.level, root.handlers[:] = level, handlers
    logs.set_up()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
    assert [secret for secret in out.secret if secret in out.getvalue()] == []


async def test_a_conversation_with_everything_that_can_fail_in_it(sqlite: Database, printed: Printed) -> None:
    world = World(sqlite)
    with sqlite.transaction() as db:
        an_ = people.by_code(db, AN)
        assert an_ and an_.phone
    code = world.invitation(AN)
    printed.secret += [an_.name, an_.phone, code, code.replace("-", ""), BIRTH, "1975-06-05", WORDS]
    an = world.stranger("9")
    await an.says("ABCDE-FGHIJ", f"/start {code}", "1/1/1990", BIRTH)
    await an.taps("Đồng ý", "Đúng")
    await an.says(WORDS)

    world.channel.fails["9"].extend([RuntimeError(WORDS), Refused("Bad Request"), TryLater(), Unreachable("blocked")])
    for _ in range(4):
        await an.says(f"{WORDS} nữa")
    world.clock.forward(minutes=2)
    await world.settle()

    def raising(turn: Turn) -> list[Message]:
        raise ValueError(f"{turn.event} {turn.person}")

    answer, world.inbox.answer = world.inbox.answer, raising
    await an.says(WORDS)
    world.inbox.answer = answer

    def unwordable(db: Db, row: Outgoing, now: object) -> str | None:
        raise KeyError(an_.name)

    world.delivery.word = unwordable
    with sqlite.transaction() as db:
        outbox.put(db, key="digest:1:2026-12-01:1", kind=m.DIGEST, address_id=1, now=world.clock())
    await world.settle()

    with sqlite.transaction() as db:
        db.execute(sa.update(m.Cycle).values(rules=f"{{{an_.name}", digest="other"))
    await world.jobs.tick_all()
    await world.inbox.receive(Incoming("telegram:1:x", "telegram", "1", "9", Said(WORDS)))
    assert sorted(set(printed.events())) == [
        "clock.job_failed",
        "delivery.cannot_word",
        "delivery.refused",
        "delivery.unreachable",
        "inbox.turn_failed",
    ]


async def test_telegrams_transport_under_every_failure(printed: Printed) -> None:
    printed.secret.append(WORDS)
    async with BotApi() as api:
        api.user(7)
        telegram = Telegram(TOKEN, api_url=api.url, secret=SECRET, timeout=0.3)
        api.fails("sendMessage", "unauthorized", "server error", "bad request", "blocked", "conflict", "foreign 403")
        for _ in range(6):
            with pytest.raises((TryLater, Refused, Unreachable, Stopped)):
                await telegram.send("7", Message(WORDS))
        await telegram.close()
    unreachable = Telegram(TOKEN, api_url="http://127.0.0.1:1", secret=SECRET, timeout=0.3)
    with pytest.raises(TryLater):
        await unreachable.send("7", Message(WORDS))
    await unreachable.close()


async def test_the_web_server_names_no_address_and_no_error_of_ours(printed: Printed) -> None:
    printed.secret += ["ABCDE-FGHIJ", WORDS]

    async def broken(request: Request) -> Response:
        raise ValueError(WORDS)

    served = server(Starlette(routes=[Route("/chat/{code}", broken)]), "127.0.0.1", port := free_port("127.0.0.1", 0))
    running = asyncio.create_task(served.serve())
    while not served.started:  # noqa: ASYNC110 - uvicorn sets a flag, no event
        await asyncio.sleep(0.01)
    async with httpx2.AsyncClient() as browser:
        answer = await browser.get(f"http://127.0.0.1:{port}/chat/ABCDE-FGHIJ")
    served.stop()
    await running
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert printed.events() == ["Exception in ASGI application (ValueError)"]


async def test_a_forgotten_task_and_a_crash_say_where_and_not_what(printed: Printed) -> None:
    printed.secret.append(WORDS)

    async def forgotten() -> None:
        raise ValueError(WORDS)

    task = asyncio.create_task(forgotten())
    await asyncio.wait([task])
    del task
    gc.collect()
    try:
        raise RuntimeError(WORDS)
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)
    first, told = printed.lines()
    assert (first["event"], first["level"], first["logger"]) == (
        "Task exception was never retrieved (ValueError)",
        "error",
        "asyncio",
    )
    assert (told["event"], told["error"]) == ("program.crashed", "RuntimeError")
    assert told["where"][0].startswith("test_logs.py:")


def test_a_crash_deep_in_a_library_says_where_in_the_program_it_came_from(printed: Printed) -> None:
    engine = sa.create_engine("sqlite://", hide_parameters=True)
    with engine.connect() as db:
        try:
            notes.read(db, WORDS)  # there is no such table
        except sa.exc.OperationalError as error:
            sys.excepthook(type(error), error, error.__traceback__)
    printed.secret.append(WORDS)
    (line,) = printed.getvalue().splitlines()
    where = json.loads(line)["where"]
    assert [place.partition(":")[0] for place in where if place.startswith("notes")] == ["notes.py"]
    assert where[-1].startswith("default.py:")


def test_a_place_without_a_module_is_told_too(printed: Printed) -> None:
    """Generated code, such as a template's, has no ``__name__``."""
    place: dict[str, object] = {}
    exec(compile("def made():\n    raise ValueError", "<made>", "exec"), place)
    place.pop("__name__", None)
    try:
        place["made"]()  # type: ignore[operator]
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    assert json.loads(printed.getvalue())["where"][-1] == "<made>:2 made"


def test_a_secret_in_a_librarys_line_and_a_key_that_is_not_allowed_are_left_out(printed: Printed) -> None:
    printed.secret.append(WORDS)
    logging.getLogger("some.library").warning("GET https://api.telegram.org/bot%s/getMe", TOKEN)
    structlog.get_logger().info("inbox.turn", words=WORDS, key="telegram:1:5")
    library, ours = printed.lines()
    assert library["event"] == "GET https://api.telegram.org/bot…/getMe"
    assert set(ours) == {"event", "key", "level", "timestamp"}


def test_every_line_is_json_whoever_writes_it(printed: Printed) -> None:
    logging.getLogger("apscheduler.scheduler").warning('Execution of job "%s" skipped:\nmaximum reached', "tick")
    structlog.get_logger().warning("telegram.polling_failed", times=3)
    thread = threading.Thread(target=lambda: 1 / 0)  # what it raises reaches nobody
    thread.start()
    thread.join()
    told = [(line["event"], line["level"], line.get("logger"), line.get("times")) for line in printed.lines()]
    assert told == [
        ('Execution of job "tick" skipped:', "warning", "apscheduler.scheduler", None),
        ("telegram.polling_failed", "warning", None, 3),
        ("program.unseen_error", "error", None, None),
    ]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), BrokenPipeError(), ValueError("closed")])
def test_a_line_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    class Full(io.StringIO):
        tried = 0

        def write(self, text: str) -> int:
            self.tried += 1
            raise error

    root, hooks = logging.getLogger(), (sys.excepthook, sys.unraisablehook, threading.excepthook)
    level, handlers = root.level, root.handlers[:]
    full = Full()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", full)
        logs.set_up()
        structlog.get_logger().info("a")
        logging.getLogger("some.library").warning("b")
        sys.excepthook(ValueError, ValueError(), None)
        assert full.tried >= 3
    logs.set_up()
    logging.captureWarnings(False)
    root.level, root.handlers[:] = level, handlers
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
