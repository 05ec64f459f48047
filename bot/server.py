"""The one web app: webhooks, the web chat, health."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 65_536  # bytes of a request before its body


class Http(HttpToolsProtocol):
    """uvicorn's quick HTTP, which would read a head without end."""

    head: int | None = None  # bytes of the head that is being read

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.head = 0

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self.head = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """A part of a request. A head that is too large ends the connection."""
        super().data_received(data)
        if self.head is not None:
            self.head += len(data)
            if self.head > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("Request head too large")


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
            http=Http,
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
