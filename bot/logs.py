"""Logs that tell what happened and never repeat anybody's words, a token or a code."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

ALLOWED = {
    "event", "level", "timestamp", "logger", "error", "where", "why", "channel", "key", "address", "count", "expected",
    "put_out", "job", "run", "port", "host", "url", "seconds", "status", "method", "route", "file", "version",
}  # fmt: skip
OURS = {"bot", "handlers", "storage", "__main__"}  # packages: the last steps of an exception in them are told too


def set_up(level: str = "INFO", *, secrets: tuple[str, ...] = ()) -> None:
    """One line of JSON for each event on stderr. Libraries that log URLs or bodies are silenced."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _where,
            _only_allowed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping().get(level.upper(), 20)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Redacting(secrets))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("telegram").setLevel(logging.CRITICAL)  # it prints answers, which repeat people's words
    sys.excepthook = _crashed


def _crashed(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """What ends the program: where, and the kind of error, without its message."""
    if not issubclass(kind, KeyboardInterrupt):
        structlog.get_logger().critical("program.crashed", error=kind.__name__, exc_info=error)


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
