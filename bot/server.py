"""The one web app: webhooks, the web chat, health."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp


class Server(uvicorn.Server):
    """uvicorn under our own signals: ``app`` decides when everything ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    def stop(self) -> None:
        """Take no more requests and end those in hand."""
        self.should_exit = True


def server(app: ASGIApp, host: str, port: int) -> Server:
    """The server of our app. No access log: addresses carry codes."""
    return Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=10,
            server_header=False,
            lifespan="off",
            h11_max_incomplete_event_size=65536,
        )
    )


def free_port(host: str, wanted: int) -> int:
    """*wanted* where it is free, else the next free one."""
    for port in (*range(wanted, wanted + 20), 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    raise OSError("no free port")


async def ended(tasks: Sequence[asyncio.Task[object]]) -> None:
    """Wait until the first of these ends; raise what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
