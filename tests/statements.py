"""Every statement that a database is given, SQLAlchemy's and the prepared ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import event

from storage import prepared
from storage.database import Database, Db

Ran = list[tuple[str, Any]]
"""Statements with their parameters, of many the first."""


@contextmanager
def every_statement(database: Database, before: Callable[[str], None] = lambda text: None) -> Iterator[Ran]:
    """The statements that are run meanwhile. What *before* raises, the statement raises."""
    engine, drive, ask = database.engine, prepared.drive, prepared.ask
    ran: Ran = []

    def heard(text: str, parameters: Any, *, many: bool) -> None:
        ran.append((text, parameters[0] if many and isinstance(parameters[0], tuple | dict) else parameters))
        before(text)

    def runs(_db: object, _cursor: object, text: str, parameters: Any, _context: object, many: bool) -> None:
        heard(text, parameters, many=many)

    def drives(db: Db, text: str, values: Any = (), *, many: bool = False, fetch: bool = False) -> Any:
        if db.engine.pool is engine.pool:
            heard(text, values, many=many)
        return drive(db, text, values, many=many, fetch=fetch)

    def asks(db: Db, text: str, values: Any) -> Any:
        if db.engine.pool is engine.pool:
            heard(text, values, many=False)
        return ask(db, text, values)

    event.listen(engine, "before_cursor_execute", runs)
    try:
        with patch.object(prepared, "drive", drives), patch.object(prepared, "ask", asks):
            yield ran
    finally:
        event.remove(engine, "before_cursor_execute", runs)
