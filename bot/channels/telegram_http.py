"""Calls to the Bot API over aiohttp: PTB's own transport costs several times the CPU, and more under load."""

import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, cast

import aiohttp
from telegram.error import NetworkError, TelegramError, TimedOut
from telegram.request import BaseRequest, RequestData

_JSON = {"Content-Type": "application/json"}
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # ệ as it is: a third fewer bytes


class NotSent(NetworkError):
    """The request never reached the Bot API: no connection could be made, or it was turned away at the door."""


class NotTheApi(TelegramError):
    """An answer that is no JSON object: a proxy or a half-dead server speaks, not the Bot API."""


@dataclass(frozen=True, slots=True)
class _Plain:
    """Parameters that are JSON already, in the shape `do_request` reads: PTB's `RequestData` without its work."""

    parameters: dict[str, Any]
    contains_files: ClassVar[bool] = False


class AiohttpRequest(BaseRequest):
    """PTB's transport, on one `aiohttp.ClientSession`.

    Its errors hold neither the URL nor the error of aiohttp: both would carry the token. What was surely not sent is
    `NotSent`; of any other `NetworkError` nobody knows.
    """

    __slots__ = ("_bounds", "_dated", "_session", "_timeout")

    def __init__(self, timeout: float = 10) -> None:
        """*timeout*: seconds for a whole call."""
        self._timeout = timeout
        self._bounds = self._within(timeout)
        self._session: aiohttp.ClientSession | None = None
        self._dated: tuple[str, float] | None = None  # the date of the last answer, and when it came, monotonic

    def platform_time(self) -> datetime | None:
        """What time it is by the server's clock, from the ``Date`` of its last answer; None: no answer had one."""
        if self._dated is None:
            return None
        date, came = self._dated
        try:
            return parsedate_to_datetime(date) + timedelta(seconds=time.monotonic() - came)
        except ValueError:
            return None

    @property
    def read_timeout(self) -> float:
        """Seconds for a whole call."""
        return self._timeout

    async def initialize(self) -> None:
        """Nothing: the session is opened by the first call, in whose loop it lives."""

    async def shutdown(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(self, url: str, parameters: dict[str, Any], seconds: float | None = None) -> Any:
        """One call whose result stays JSON: to build PTB's objects would cost as much as the call itself."""
        # `post` only hands its request data on to `do_request`.
        data = cast("RequestData", _Plain(parameters))
        return await self.post(url, data, read_timeout=seconds or self._timeout)

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """The status and body of the answer. *read_timeout* bounds the whole call; the others are not looked at.

        Half the usual time is for the connection alone (to have a free one, or to make one): when that ends, nothing
        was sent.
        """
        total = self._timeout if read_timeout is BaseRequest.DEFAULT_NONE else read_timeout
        failure: NetworkError
        try:
            async with self._opened().request(
                method,
                url,
                **_body(request_data),
                timeout=self._bounds if total == self._timeout else self._within(total),
                allow_redirects=False,  # the token stays with the host it was meant for
            ) as response:
                status, body = response.status, await response.read()
                if date := response.headers.get("Date"):
                    self._dated = date, time.monotonic()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            failure = NotSent(type(error).__name__)
        except TimeoutError as error:
            failure = TimedOut(type(error).__name__)
        except Exception as error:
            failure = NetworkError(type(error).__name__)
        else:
            if status == 429 and b"retry_after" not in body:  # no answer of the Bot API's own
                raise NotSent("429")
            return status, body
        raise failure  # outside the except block: it keeps no reference to the error that names the URL

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """The answer as a dict. PTB's own would log the payload of a broken one."""
        try:
            answer = json.loads(payload.decode(errors="surrogatepass"))
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise NotTheApi("no JSON object")
        return answer

    def _within(self, total: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=total, connect=self._timeout / 2)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # An idle connection is dropped after 15 s (aiohttp's default), before the far end drops it: a call on a
            # connection that is just being closed is one of which nobody knows whether it was sent.
            connector = aiohttp.TCPConnector(limit=256)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def _body(data: RequestData | None) -> dict[str, Any]:
    if data is None:
        return {}
    if not data.contains_files:
        return {"data": _ENCODE(data.parameters).encode(errors="surrogatepass"), "headers": _JSON}
    form = aiohttp.FormData(data.json_parameters, quote_fields=False)  # file names stay Vietnamese
    for name, (filename, content, kind) in data.multipart_data.items():
        form.add_field(name, content, filename=filename, content_type=kind)
    return {"data": form}
