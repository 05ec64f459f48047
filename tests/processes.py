"""The real program as its own processes, against the stand-in Bot API; each may be killed, stopped, cut off."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import aiohttp

from storage.database import Database
from tests.botapi import SECRET, TOKEN, BotApi

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """One `kiemdiem run`; its log is `log`."""

    def __init__(
        self, database: Database, api: BotApi, *, only: Sequence[str] = (), hook: str = "", **settings: object
    ) -> None:
        """*hook*: the public URL under which Telegram calls (http, on loopback); empty: it polls."""
        self.port = free_port()
        self.arguments = [sys.executable, "-m", "bot", "run", *(["--only", ",".join(only)] if only else [])]
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("KIEMDIEM_")} | {
            "KIEMDIEM_DATABASE_URL": database.url.render_as_string(hide_password=False),
            "KIEMDIEM_SECRET_KEY": "for tests only",
            "KIEMDIEM_TELEGRAM_TOKEN": TOKEN,
            "KIEMDIEM_TELEGRAM_API_URL": api.url,
            "KIEMDIEM_TELEGRAM_SECRET": SECRET,
            "KIEMDIEM_PORT": str(self.port),
            "KIEMDIEM_PUBLIC_URL": hook,
            "PYTHONUNBUFFERED": "1",
        }
        self.environment |= {name: str(value) for name, value in settings.items()}
        self.log, self.started = b"", False

    async def start(self) -> Self:
        """Start it, perhaps again, without waiting until it is ready."""
        self.log, self.started = b"", True
        self.process = await asyncio.create_subprocess_exec(
            *self.arguments,
            cwd=ROOT,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.log += line

    async def ready(self, within: float = 60) -> int:
        """Wait until its web app answers; whether it says that it is well: 200, or 503."""
        async with aiohttp.ClientSession() as http, asyncio.timeout(within):
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{self.port}/healthz") as answer:
                        return answer.status
                except aiohttp.ClientError:
                    assert self.process.returncode is None, self.log.decode()
                await asyncio.sleep(0.05)

    async def ended(self, within: float = 30) -> int:
        """Wait until it has ended; its exit code, negative for a signal."""
        async with asyncio.timeout(within):
            code = await self.process.wait()
            await self.reading
        self.started = False
        return code

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.ended()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *error: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.ended()
