"""What one sendMessage costs the bot, by transport and by how many run at once: CPU microseconds of this process.

    .venv/bin/python -m benchmarks.http [--calls 1000] [--rounds 3]

A server in a process of its own answers at once. Rounds are interleaved and the table shows medians; only ratios
within one table count. `httpx` is python-telegram-bot as it comes; `aiohttp` is its Bot over our transport; `ours`
is what the program does: the same transport, the result left as JSON.
"""

import argparse
import asyncio
import json
import logging
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import uvloop
from telegram import Bot
from telegram.request import HTTPXRequest

from bot.channels.telegram import Telegram
from bot.channels.telegram_http import AiohttpRequest
from handlers.messages import Message

TOKEN = "42:benchmark"
TEXT = "Câu 5/18 · A.II\nĐồng chí tự đánh giá việc thực hiện nhiệm vụ được giao thế nào?"
AT_ONCE = (1, 16, 200)
Send = Callable[[], Awaitable[object]]


async def serve(ready: Connection) -> None:
    """Answer every request with a message."""
    message = {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private", "first_name": "An"}, "text": TEXT}
    body = json.dumps({"ok": True, "result": message}).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0, backlog=512)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def cost(transport: str, url: str, at_once: int, calls: int) -> float:
    """CPU microseconds of one call."""
    if transport == "ours":
        telegram = Telegram(TOKEN, api_url=url)
        return await measured(lambda: telegram.send("1", Message(TEXT)), telegram.close, at_once, calls)
    made = [HTTPXRequest(connection_pool_size=256, pool_timeout=60) if transport == "httpx" else AiohttpRequest()] * 2
    bot = Bot(TOKEN, base_url=f"{url}/bot", request=made[0], get_updates_request=made[1])
    return await measured(lambda: bot.send_message(1, TEXT), made[0].shutdown, at_once, calls)


async def measured(send: Send, close: Callable[[], Awaitable[None]], at_once: int, calls: int) -> float:
    left = calls

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await send()

    await asyncio.gather(*(send() for _ in range(at_once)))  # connections are made
    began = time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    spent = time.process_time() - began
    await close()
    return spent / calls * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=lambda: asyncio.run(serve(there)), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}"
    loops: dict[str, Callable[..., float]] = {"asyncio": asyncio.run, "uvloop": uvloop.run}
    spent: dict[tuple[str, str], dict[int, list[float]]] = {}
    for _ in range(given.rounds):
        for transport in ("httpx", "aiohttp", "ours"):
            for loop, run in loops.items():
                for at_once in AT_ONCE:
                    took = run(cost(transport, url, at_once, given.calls))
                    spent.setdefault((transport, loop), {}).setdefault(at_once, []).append(took)
    server.terminate()
    print(
        "| transport | loop | " + " | ".join(f"{n} at once" for n in AT_ONCE) + " |\n|---|---|" + "---|" * len(AT_ONCE)
    )
    for (transport, loop), by_number in spent.items():
        print(
            f"| {transport} | {loop} | " + " | ".join(f"{statistics.median(v):.0f}" for v in by_number.values()) + " |"
        )


if __name__ == "__main__":
    main()
