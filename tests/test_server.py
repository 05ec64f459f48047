"""The server and the webhook before it, over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.channels.telegram import LARGEST_BODY
from bot.hook import Hook
from bot.server import LARGEST_HEAD, free_port, server


@asynccontextmanager
async def serving(taken: list[tuple[int, str]], status: int = 200, answer: bytes = b"") -> AsyncIterator[int]:
    """The port of a server that notes the length and the secret of what its webhook takes."""

    async def page(_: Request) -> Response:
        return PlainTextResponse("a page")

    async def take(body: bytes, secret: str) -> tuple[int, bytes]:
        taken.append((len(body), secret))
        return status, answer

    port = free_port("127.0.0.1", 0)
    served = server(Hook(Starlette(routes=[Route("/telegram", page)]), take), "127.0.0.1", port)
    running = asyncio.create_task(served.serve())
    while not served.started:  # noqa: ASYNC110 - uvicorn tells in no other way
        await asyncio.sleep(0)
    try:
        yield port
    finally:
        served.stop()
        await running


async def answer_to(port: int, *parts: bytes) -> bytes:
    """All that comes back on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    found = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return found


def post(*lines: bytes, body: bytes = b"") -> bytes:
    head = [b"POST /telegram?v=1 HTTP/1.1", b"Host: x", b"Connection: close", b"Content-Length: %d" % len(body), *lines]
    return b"\r\n".join([*head, b"", body])


@pytest.mark.parametrize(("status", "reason"), [(200, b"OK"), (503, b"Service Unavailable")])
async def test_the_webhook_takes_a_body_with_its_secret(status: int, reason: bytes) -> None:
    taken: list[tuple[int, str]] = []
    async with serving(taken, status) as port:
        whole = post(b"X-Telegram-Bot-Api-Secret-Token: s\xe9cret", body=b"x" * 100_000)
        found = await answer_to(port, whole[:50], whole[50:90_000], whole[90_000:])
    assert found.partition(b"\r\n")[0] == b"HTTP/1.1 %d %b" % (status, reason)
    assert taken == [(100_000, "sécret")]


async def test_what_is_said_with_the_status_is_json() -> None:
    async with serving([], answer=b'{"method":"m"}') as port:
        head, _, body = (await answer_to(port, post())).partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.splitlines()
    assert body == b'{"method":"m"}'


async def test_no_more_of_a_body_is_read_than_the_largest() -> None:
    taken: list[tuple[int, str]] = []
    async with serving(taken, 413) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(body=b"x" * 50 * LARGEST_BODY))
        found = await asyncio.wait_for(reader.readline(), 5)
        writer.transport.abort()
    assert found == b"HTTP/1.1 413 Request Entity Too Large\r\n"
    assert LARGEST_BODY < taken[0][0] < 2 * LARGEST_BODY


async def test_who_hangs_up_within_a_body_changes_nothing() -> None:
    taken: list[tuple[int, str]] = []
    async with serving(taken) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(body=b"x" * 100)[:-50])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    assert taken == []


async def test_other_requests_reach_the_pages() -> None:
    taken: list[tuple[int, str]] = []
    async with serving(taken) as port:
        found = await answer_to(port, b"GET /telegram HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert found.endswith(b"\r\n\r\na page")
    assert taken == []


@pytest.mark.parametrize("line", [b"X-A: b\r\n" * 10_000, b"X-A: " + b"b" * 100_000])
async def test_a_head_without_end_is_refused(line: bytes) -> None:
    async with serving([]) as port:
        found = await answer_to(port, b"GET / HTTP/1.1\r\nHost: x\r\n", line[:LARGEST_HEAD])
    assert found.partition(b"\r\n")[0] == b"HTTP/1.1 400 Bad Request"
