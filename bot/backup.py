"""The commands that save the database and bring it back."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.checkpoints import checkpoint
from bot.mistakes import Mistake
from handlers.texts import say
from storage import audit, backup, notes, outbox, stuck
from storage.backup import Facts, Unusable
from storage.database import Database
from storage.lock import FileLock, alone
from storage.schema import migrate
from storage.sealing import Sealer


def save(database: Database, file: Path, lang: str) -> list[str]:
    """Save the database, in use or not, to a new verified file; what it holds. Raises Mistake."""
    if database.file is None:
        raise _by_hand(database, file)
    try:
        facts = backup.save(database.file, file)
    except FileExistsError:
        raise Mistake("backup.exists", file=file) from None
    except OSError as error:
        raise Mistake("backup.cannot_write", file=file, why=error.strerror) from None
    except Unusable as error:
        raise Mistake(f"backup.{error.why}", file=database.file) from None
    return [say(lang, "backup.saved", file=file, **_counted(facts))]


def _by_hand(database: Database, file: Path) -> Mistake:
    """What to run on PostgreSQL in place of our own commands."""
    url = database.url.set(drivername="postgresql")._replace(password=None)
    return Mistake("backup.postgresql", url=url.render_as_string(), file=file)


@dataclass(frozen=True, slots=True)
class Restored:
    """A database that was brought back, paused: what it holds, and what became due meanwhile and is not sent."""

    facts: Facts
    reminders: int
    waiting: int
    old: Path | None

    def lines(self, file: Path, lang: str) -> list[str]:
        """For the operator."""
        return [
            say(lang, "backup.restored", file=file, **_counted(self.facts)),
            *([say(lang, "backup.old", old=self.old)] if self.old else []),
            say(lang, "backup.due", reminders=self.reminders, waiting=self.waiting),
            say(lang, "backup.starts_paused"),
        ]


def restore(database: Database, file: Path, now: datetime, *, force: bool, sealer: Sealer) -> Restored:
    """Bring a saved database back, paused; one that holds people is only replaced by *force*, and kept. Raises Mistake.

    All is prepared in a file beside the database, which takes its place in one step.
    """
    target = database.file
    if target is None:
        raise _by_hand(database, file)
    try:
        facts = backup.verified(file)
    except Unusable as error:
        raise Mistake(f"backup.{error.why}", file=file) from None
    locks = FileLock(target), alone(target)
    try:
        if not all(lock.take() for lock in locks):
            raise Mistake("backup.in_use")
        empty = backup.is_empty(target)
        if not empty and not force:
            raise Mistake("backup.not_empty", file=target)
        new = target.with_name(target.name + ".restored")
        new.unlink(missing_ok=True)
        backup.copy(file, new)
        checkpoint("backup.step")
        due, waiting = _paused(new, now, sealer)
        checkpoint("backup.step")
        database.engine.dispose()
        old = backup.put_in_place(new, target, now)
        return Restored(facts, due, waiting, old)
    except OSError as error:
        raise Mistake("backup.cannot_write", file=target, why=error.strerror) from None
    finally:
        for lock in locks:
            lock.release()


def _paused(file: Path, now: datetime, sealer: Sealer) -> tuple[int, int]:
    """Bring a copy to the newest revision and pause it; how many reminders and how many messages are due in it.

    Replies that waited when it was saved are withdrawn: their people have gone on, or were answered by now.
    """
    database = Database(f"sqlite:///{file}", sealer)
    try:
        migrate(database)
        with database.transaction() as db:
            notes.write(db, notes.PAUSED, now.isoformat())
            outbox.withdraw_replies(db, "restored from a backup")
            audit.record(db, "database.restored", now)
            return stuck.due(db, now)
    finally:
        database.close()


def _counted(facts: Facts) -> dict[str, object]:
    rows = dict(facts.rows)
    return {"revision": facts.revision, "people": rows["person"], "answers": rows["answer"], "sent": rows["submission"]}
