"""Every setting, read once from the environment (or a file) and checked: the only reader of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from storage.database import Database

PREFIX = "KIEMDIEM_"


class Secret(str):
    """Text that never shows itself in a repr, a log or an error. ``reveal()`` gives it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(…)"

    def __format__(self, spec: str) -> str:
        return "…"

    __str__ = __repr__

    def reveal(self) -> str:
        """The text itself."""
        return str.__str__(self)


NO_SECRET = Secret("")


class WrongSettings(Exception):
    """One or more settings cannot be used: a sentence each. Never repeats a value."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of ``docs/running.md``. Each name stands in the environment as ``KIEMDIEM_<NAME>``."""

    database_url: str = "sqlite:///kiemdiem.db"
    timezone: str = "Asia/Ho_Chi_Minh"
    lang: str = "vi"
    public_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    secret_key: Secret = NO_SECRET
    data_key: Secret = NO_SECRET  # 64 hex digits each; several, newest first, with commas between
    telegram_token: Secret = NO_SECRET
    telegram_api_url: str = "https://api.telegram.org"
    telegram_secret: Secret = NO_SECRET
    telegram_username: str = ""
    metrics_token: Secret = NO_SECRET  # who may read /metrics; without it this machine alone
    pace: float = 28.8  # notices a second, of one bot
    invitation_days: int = 30
    log_level: str = "INFO"
    crash_at: str = field(default="", metadata={"env": "CRASH_AT"})  # for fault tests
    crash_at_n: int = field(default=0, metadata={"env": "CRASH_AT_N"})

    @property
    def zone(self) -> ZoneInfo:
        """The organisation's zone."""
        return ZoneInfo(self.timezone)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret, for taking it out of what is logged."""
        return tuple(value.reveal() for each in fields(self) if isinstance(value := getattr(self, each.name), Secret))

    @property
    def data_keys(self) -> list[bytes]:
        """The keys that seal answers, newest first."""
        return [bytes.fromhex(key.strip()) for key in self.data_key.reveal().split(",") if key.strip()]


def open_database(settings: Settings) -> "Database":
    """The database of these settings, with the keys that seal and hash what it holds."""
    from storage.database import Database
    from storage.sealing import Sealer

    return Database(settings.database_url, Sealer(settings.data_keys), settings.secret_key.reveal().encode())


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this environment. ``KIEMDIEM_X_FILE`` names a file that holds the value of ``KIEMDIEM_X``;
    a systemd credential ``kiemdiem_x`` does as well. Raises WrongSettings with all that is wrong."""
    env = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for each in fields(Settings):
        name = each.metadata.get("env", PREFIX + each.name.upper())
        text = _text(env, name, wrong)
        if text is None:
            continue
        try:
            kind: Any = type(each.default)
            values[each.name] = kind(text)
        except ValueError:
            wrong.append(f"{name}: must be a number")
    known = {each.metadata.get("env", PREFIX + each.name.upper()) for each in fields(Settings)}
    wrong += [
        f"{name}: there is no such setting; see docs/running.md"
        for name in env
        if name.startswith(PREFIX) and name.removesuffix("_FILE") not in known
    ]
    settings = Settings(**values)
    wrong += _problems(settings)
    if wrong:
        raise WrongSettings("\n".join(wrong))
    return settings


def _text(env: Mapping[str, str], name: str, wrong: list[str]) -> str | None:
    if name in env:
        return env[name]
    file = env.get(f"{name}_FILE")
    if file is None and (folder := env.get("CREDENTIALS_DIRECTORY")):
        candidate = Path(folder, name.lower())
        file = str(candidate) if candidate.exists() else None
    if file is None:
        return None
    try:
        return Path(file).read_text("utf-8").strip()
    except OSError as error:
        wrong.append(f"{name}_FILE: the file cannot be read ({error.strerror})")
        return None


def _problems(settings: Settings) -> list[str]:
    found = []
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        found.append("KIEMDIEM_TIMEZONE: no such time zone; for example Asia/Ho_Chi_Minh")
    if settings.lang not in ("vi", "en"):
        found.append("KIEMDIEM_LANG: must be vi or en")
    if not 0 < settings.port < 65536:
        found.append("KIEMDIEM_PORT: must be a port, for example 8000")
    if settings.public_url and not settings.public_url.startswith(("http://", "https://")):
        found.append("KIEMDIEM_PUBLIC_URL: must begin with https:// (or http:// on this machine)")
    try:
        if any(len(key) != 32 for key in settings.data_keys):
            raise ValueError
    except ValueError:
        found.append("KIEMDIEM_DATA_KEY: each key must be 64 hexadecimal digits; make one with: openssl rand -hex 32")
    token = settings.telegram_token.reveal()
    if token and not (":" in token and token.partition(":")[0].isdigit()):
        found.append("KIEMDIEM_TELEGRAM_TOKEN: must look like 123456:ABC…, as BotFather gave it")
    if settings.pace <= 0:
        found.append("KIEMDIEM_PACE: must be above 0 (messages a second)")
    return found
