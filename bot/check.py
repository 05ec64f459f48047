"""The command ``check``: what is wrong with this installation, and how to mend it."""

import asyncio
import os
import pwd
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.alarms import alarms, clock_differs, clock_off
from bot.channels import Refused, Stopped, TryLater, Unreachable
from bot.season_opening import unfinished
from bot.settings import PREFIX, Settings, WrongSettings, load, open_database
from handlers.form_files import problems_in
from handlers.texts import say
from handlers.turn import current_cycle
from storage import notes, pulse, retiring
from storage.database import Database, Db, cannot_store
from storage.schema import OtherRevision, require_newest
from storage.sealing import can_open

SHORTEST_KEY = 32  # characters of KIEMDIEM_SECRET_KEY
ROOM = 500_000_000  # bytes free where the database lies
LOCAL = ("http://127.0.0.1", "http://localhost", "http://[::1]")


@dataclass(slots=True)
class Findings:
    """What was found: sentences about what is *wrong*, and others worth *knowing*."""

    lang: str = "vi"
    wrong: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    alarms: set[str] = field(default_factory=set)  # the names of those told already: one cause is told once
    ran: bool = False  # whether `run` has ever set up Telegram for this database

    def no(self, key: str, **values: Any) -> None:
        """Something is wrong."""
        self.wrong.append(say(self.lang, f"check.{key}", **values))

    def note(self, key: str, **values: Any) -> None:
        """Something is as it is, and worth knowing."""
        self.known.append(say(self.lang, f"check.{key}", **values))

    def lines(self) -> list[str]:
        """For the operator."""
        well = [] if self.wrong else [say(self.lang, "check.well")]
        return [*(f"✗ {line}" for line in self.wrong), *(f"· {line}" for line in self.known), *well]


def check(environ: Mapping[str, str], forms: Path, now: datetime) -> Findings:
    """Look at everything that must be right before ``run``, and at what it has been doing since."""
    try:
        settings = load(environ)
    except WrongSettings as error:
        return Findings(wrong=str(error).splitlines())
    found = Findings(settings.lang)
    _secrets(settings, environ, found)
    _reach(settings, found)
    found.wrong += problems_in(forms, settings.lang)
    database = open_database(settings)
    try:
        _database(database, now, settings.telegram_token.reveal().partition(":")[0], found)
    finally:
        database.close()
    if settings.telegram_token:
        asyncio.run(_telegram(settings, now, found))
    return found


def _secrets(settings: Settings, environ: Mapping[str, str], found: Findings) -> None:
    if not settings.secret_key:
        found.no("no_secret_key")
    elif len(settings.secret_key) < SHORTEST_KEY:
        found.no("short_secret_key", least=SHORTEST_KEY)
    for name, file in environ.items():
        if name.startswith(PREFIX) and name.endswith("_FILE") and _others_may_read(Path(file)):
            found.no("file_open", name=name, file=file)
    if not settings.data_key:
        found.note("no_data_key")


def _reach(settings: Settings, found: Findings) -> None:
    url = settings.public_url
    if not url:
        found.note("no_public_url", port=settings.port)
    elif not url.startswith(("https://", *LOCAL)):
        found.no("not_https")
    if url.startswith("https://") and settings.telegram_token and not settings.telegram_secret:
        found.no("no_telegram_secret")
    if not url and not settings.telegram_token:
        found.note("web_only")


def _database(database: Database, now: datetime, present: str, found: Findings) -> None:
    file = database.file
    if file is not None:
        if not file.exists():
            found.no("no_database", file=file)
            return
        if _others_may_read(file):
            found.no("database_open", file=file)
        if _others_own(file, found):
            return
        free = shutil.disk_usage(file.absolute().parent).free
        if free < ROOM:
            found.no("no_room", free=free // 1_000_000, least=ROOM // 1_000_000)
    try:
        require_newest(database)
        with database.transaction(read_only=True) as db:
            _season(db, now, found)
            _old_bots(db, present, found)
        _writable(database, found)
    except OtherRevision as error:
        found.no("new_database" if error.newer else "old_database", at=error.at or "-", newest=error.newest)
    except Exception as error:
        if not cannot_store(error):
            raise
        found.no("database_gone", error=type(error).__name__)


def _others_own(file: Path, found: Findings) -> bool:
    """Whether the database cannot be written because somebody else made its files, as with a command run as root.

    Root may write everything, so for root the owner of the folder, which is the service's own, is who must.
    """
    me = os.geteuid()
    user = me or file.absolute().parent.stat().st_uid
    files = [each for ending in ("", "-wal", "-shm") if (each := file.with_name(file.name + ending)).exists()]
    theirs = [each for each in files if each.stat().st_uid != user and (me == 0 or not os.access(each, os.W_OK))]
    if theirs:
        names = " ".join(map(str, theirs))
        found.no("not_yours", files=names, owner=_user(theirs[0].stat().st_uid), user=_user(user))
    return bool(theirs)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _writable(database: Database, found: Findings) -> None:
    """Write something and take it back."""

    class Back(Exception):
        pass

    try:
        with database.transaction() as db:
            notes.write(db, notes.WRITTEN, "")
            raise Back
    except Back:
        pass
    except Exception as error:
        if not cannot_store(error):
            raise
        found.no("not_written", why=str(getattr(error, "orig", "")).partition("\n")[0] or type(error).__name__)


def _season(db: Db, now: datetime, found: Findings) -> None:
    words = pulse.newest_answer(db)
    if words is not None and not can_open(db, words):
        found.no("data_key")
    if at := notes.read(db, notes.PAUSED):
        found.note("paused", at=at[:16])
    differs = clock_differs(db, now)
    told = differs + [each for each in alarms(db, now) if not (differs and each.name == "clock_behind")]
    found.alarms = {alarm.name for alarm in told}
    cycle = current_cycle(db)
    half = unfinished(db)
    if half and not found.alarms & {"half_open", "first_notices"}:
        found.note("first_notices" if half.shown else "half_open", code=half.code, count=half.untold)
    elif half is None and (cycle is None or cycle.closed):
        found.note("no_cycle")
    if cycle and not cycle.closed and (count := pulse.without_form(db, cycle.id)):
        found.no("without_form", count=count)
    found.wrong += [alarm.sentence(found.lang) for alarm in told]
    found.ran = notes.read(db, "telegram_username") is not None


def _old_bots(db: Db, present: str, found: Findings) -> None:
    """Addresses of a bot whose token was replaced: nobody sends there any more."""
    if present and (old := retiring.others(db, "telegram", present)):
        counts = {"addresses": sum(each.addresses for each in old), "waiting": sum(each.waiting for each in old)}
        found.no("old_bot", bot=old[0].bot, **counts)


async def _telegram(settings: Settings, now: datetime, found: Findings) -> None:
    """Ask Telegram who the token belongs to, and what it says of our webhook. The token is never printed."""
    from bot.channels.telegram import Telegram, hook_url

    channel = Telegram(settings.telegram_token.reveal(), api_url=settings.telegram_api_url)
    try:
        about = await channel.about()
    except Stopped:
        if "channel_token" not in found.alarms:
            found.no("token_refused")
    except (TryLater, Refused, Unreachable):
        if not found.alarms & {"channel_unreached", "channel_refused"}:
            found.no("telegram_gone", url=settings.telegram_api_url)
    else:
        found.note("telegram", name=about.name)
        found.wrong += [alarm.sentence(found.lang) for alarm in clock_off([channel], now)]
        hook = hook_url(settings.public_url, settings.telegram_api_url)
        where = urlsplit(about.hook).hostname or "-"  # the rest of an address may hold a secret
        if found.ran and hook is not None and about.hook.partition("?")[0] != hook:
            if not found.alarms & {"webhook_taken", "channel_refused", "clock"}:
                found.no("webhook_elsewhere", where=where)
        elif found.ran and hook is None and about.hook:
            if "channel_conflict" not in found.alarms:
                found.no("webhook_foreign", where=where)
        elif about.trouble:
            found.no("webhook", why=about.trouble)
    finally:
        await channel.close()


def _others_may_read(file: Path) -> bool:
    return file.exists() and bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
