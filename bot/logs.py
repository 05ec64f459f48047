"""Logs that tell what happened and never repeat anybody's words, a token or a code."""

import contextlib
import json
import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, cast

import structlog

ALLOWED = {
    "event", "level", "timestamp", "logger", "error", "where", "why", "channel", "key", "address", "count", "expected",
    "put_out", "job", "run", "port", "host", "url", "seconds", "status", "method", "route", "file", "version", "times",
}  # fmt: skip
_stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
OURS = {"bot", "handlers", "storage", "__main__"}  # packages: the last steps of an exception in them are told too


class Unbreakable:
    """stderr as something that can always be written to: on a full disk, or once it is closed, lines are lost and
    nothing ends."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError, ValueError):
            self.stream.flush()


def set_up(level: str = "INFO", *, secrets: tuple[str, ...] = ()) -> None:
    """One line of JSON for each event on stderr, of libraries too. Those that log URLs or bodies are silenced."""
    out = cast("TextIO", Unbreakable(sys.stderr))
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _stamp,
            _where,
            _only_allowed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping().get(level.upper(), 20)),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.addFilter(Redacting(secrets))
    handler.setFormatter(Json())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.raiseExceptions = False
    logging.captureWarnings(True)
    logging.getLogger("telegram").setLevel(logging.CRITICAL)  # it prints answers, which repeat people's words
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # it prints what the server says, which may quote values
    sys.excepthook = _crashed
    sys.unraisablehook = lambda found: _ended_unseen(found.exc_value)
    threading.excepthook = lambda found: _ended_unseen(found.exc_value)


def _crashed(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """What ends the program: where, and the kind of error, without its message."""
    if not issubclass(kind, KeyboardInterrupt):
        structlog.get_logger().critical("program.crashed", error=kind.__name__, exc_info=error)


def _ended_unseen(error: BaseException | None) -> None:
    """What a thread or a finalizer raised, where nobody could see it: as a crash is told, and the program goes on."""
    structlog.get_logger().error("program.unseen_error", error=type(error).__name__, exc_info=error)


def _where(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The places an exception went through, without its message: that may repeat what somebody wrote."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        frames = list(traceback.walk_tb(error.__traceback__))
        ours = [each for each in frames if (each[0].f_globals.get("__name__") or "").partition(".")[0] in OURS]
        event["where"] = [
            f"{Path(frame.f_code.co_filename).name}:{line} {frame.f_code.co_name}"
            for frame, line in frames
            if (frame, line) in ours[-4:] + frames[-3:]
        ]
    return event


def _only_allowed(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if key in ALLOWED}


class Json(logging.Formatter):
    """What a library logs, in the form of our own lines: its message is the event."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line = {"event": record.getMessage(), "logger": record.name, "level": record.levelname.lower()}
        return json.dumps(_stamp(None, "", line), ensure_ascii=False)


class Redacting(logging.Filter):
    """Takes secrets out of what libraries log, and exceptions' messages altogether: asyncio writes them into the
    later lines of its own."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self.secrets = tuple(secret for secret in secrets if secret)

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record through, cleaned."""
        text = record.getMessage().partition("\n")[0]
        for secret in self.secrets:
            text = text.replace(secret, "…")
        record.msg, record.args = text, None
        if record.exc_info and isinstance(record.exc_info[1], BaseException):
            record.msg += f" ({type(record.exc_info[1]).__name__})"
            record.exc_info, record.exc_text = None, None
        return True
