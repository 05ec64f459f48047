"""Statements that every turn runs: compiled once, then handed to the driver as they are.

SQLAlchemy takes several times as long over one execution as SQLite does, and a turn is a dozen of them
(`docs/decisions/0016-prepared-statements.md`). All else runs through SQLAlchemy as usual.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection as Db
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import iterate

Process = Callable[[Any], Any]
Row = tuple[Any, ...]
Made = Callable[[Any], Any]
"""Makes a statement with the ``insert`` of a dialect, which alone knows ON CONFLICT."""


class Prepared:
    """A statement with named parameters, in which every column that is written is named.

    A list is given to `any_of`, not to ``in_``; an insert is ``inline``, so that it returns nothing unasked; a select
    names its columns. It runs in the transaction that is under way. Errors of the driver become SQLAlchemy's.
    """

    def __init__(self, statement: sa.Executable | Made) -> None:
        self.statement = statement
        self._compiled: dict[tuple[str, bool], _Compiled] = {}  # by dialect, and whether every list holds one value
        parts: Iterable[Any] = iterate(statement) if isinstance(statement, sa.ClauseElement) else ()
        self._lists = [part.parameter for part in parts if isinstance(part, any_of)]

    def rows(self, db: Db, **values: Any) -> list[Row]:
        """What a select, or a RETURNING, gives."""
        compiled = self._for(db, values)
        found, _ = drive(db, compiled.text, compiled.bound(values), fetch=True)
        return [compiled.read(row) for row in found] if compiled.reading else found

    def later(self, db: Db, **values: Any) -> Callable[[], list[Row]]:
        """Ask now what is read later: within `sent_together` no answer is waited for, and it is read after it.

        On SQLite, where asking costs no way, it is asked when it is read.
        """
        if db.dialect.name == "sqlite":
            return lambda: self.rows(db, **values)
        compiled = self._for(db, values)
        cursor = ask(db, compiled.text, compiled.bound(values))

        def read() -> list[Row]:
            with _translated(db, compiled.text), closing(cursor):
                return [compiled.read(row) for row in cursor.fetchall()]

        return read

    def first(self, db: Db, **values: Any) -> Row | None:
        """The first row; None without one."""
        return next(iter(self.rows(db, **values)), None)

    def run(self, db: Db, **values: Any) -> int:
        """Write; how many rows were."""
        compiled = self._for(db, values)
        _, count = drive(db, compiled.text, compiled.bound(values))
        return _known(count)

    def each(self, db: Db, many: Sequence[Mapping[str, Any]]) -> int:
        """Write once for each of these; how many rows were written in all."""
        if len(many) < 2:
            return self.run(db, **many[0]) if many else 0
        compiled = self._for(db, {})
        _, count = drive(db, compiled.text, [compiled.bound(values) for values in many], many=True)
        return _known(count)

    def _for(self, db: Db, values: Mapping[str, Any]) -> "_Compiled":
        if not db.in_transaction():  # the driver would commit it at once
            raise RuntimeError("a prepared statement outside of a transaction")
        lists = self._lists if db.dialect.name == "sqlite" else ()
        one = bool(lists) and all(len(values.get(name, ())) == 1 for name in lists)
        key = db.dialect.name, one
        if key not in self._compiled:
            self._compiled[key] = _Compiled(self.statement, db.dialect, lists if one else ())
        return self._compiled[key]


def _known(count: int) -> int:
    if count < 0:  # a save that was overtaken would look like one that was stored
        raise RuntimeError("how many rows were written is not known within sent_together")
    return count


class _Compiled:
    """A statement as text of one dialect, with what its values go through on their way in and out.

    *ones*: the lists that hold one value each, which is compared as it is.
    """

    def __init__(self, statement: Any, dialect: sa.Dialect, ones: Iterable[str]) -> None:
        if not isinstance(statement, sa.Executable):
            statement = statement(insert_of(dialect))
        compiled = statement.compile(dialect=dialect, compile_kwargs={"one": bool(ones)})
        if compiled.prefetch:  # SQLAlchemy fills these in when it executes; here nobody would
            raise ValueError(f"not named among the values: {compiled.prefetch}")
        self.text = str(compiled)
        if "POSTCOMPILE" in self.text or any(isinstance(each, sa.TextClause) for each in _columns(statement)):
            raise ValueError(f"not to be prepared: {self.text}")
        self.positional = compiled.positional
        self.named = {name for value, name in compiled.bind_names.items() if value.required}
        self.constants = {name: value for name, value in compiled.params.items() if name not in self.named}
        types = {name: _of(value.type, dialect) for value, name in compiled.bind_names.items()}
        names = compiled.positiontup if compiled.positional else types
        writing: dict[str, Process | None] = {name: type_.bind_processor(dialect) for name, type_ in types.items()}
        writing |= dict.fromkeys(ones, itemgetter(0))
        self.writing = [(name, writing[name]) for name in names]
        columns = [_of(column.type, dialect).result_processor(dialect, None) for column in _columns(statement)]
        self.reading: list[tuple[int, Process]] = [(place, read) for place, read in enumerate(columns) if read]

    def bound(self, values: Mapping[str, Any]) -> Any:
        """The values as the driver takes them. Raises TypeError for one too few or too many."""
        if values.keys() != self.named:
            raise TypeError(f"missing or unknown: {values.keys() ^ self.named}")
        all_ = {**self.constants, **values}
        ready = ((name, write(all_[name]) if write else all_[name]) for name, write in self.writing)
        return tuple(value for _, value in ready) if self.positional else dict(ready)

    def read(self, row: Row) -> Row:
        """A row of the driver, in our types."""
        values = list(row)
        for place, read in self.reading:
            values[place] = read(values[place])
        return tuple(values)


def drive(db: Db, text: str, values: Any = (), *, many: bool = False, fetch: bool = False) -> tuple[list[Row], int]:
    """Give the driver a statement; its rows, where they are to be fetched, and how many it touched.

    What the driver raises becomes SQLAlchemy's, as from every other statement; a lost connection is given up.
    """
    # On SQLite a cursor that is left open holds up the next transaction.
    with _translated(db, text), closing(db.connection.cursor()) as cursor:
        (cursor.executemany if many else cursor.execute)(text, values)
        return list(cursor.fetchall()) if fetch else [], cursor.rowcount


def ask(db: Db, text: str, values: Any) -> Any:
    """Give the driver a statement whose rows are fetched later: the cursor that will have them."""
    with _translated(db, text):
        cursor = db.connection.cursor()
        cursor.execute(text, values)
        return cursor


@contextmanager
def sent_together(db: Db) -> Iterator[None]:
    """Statements that do not wait for one another: PostgreSQL is sent them in one go, and the errors come at the end.

    Nothing but `Prepared.later` may run inside, and what it gives is read afterwards. How many rows a statement wrote
    is not known yet: one that would say so raises RuntimeError.
    """
    if db.dialect.name == "sqlite":
        yield
        return
    with _translated(db, ""), db.connection.dbapi_connection.pipeline():  # type: ignore[union-attr]
        yield


@contextmanager
def _translated(db: Db, text: str) -> Iterator[None]:
    driver, known = db.connection, db.dialect.loaded_dbapi.Error
    try:
        yield
    except known as cause:
        lost = db.dialect.is_disconnect(cause, driver.dbapi_connection, None)
        error = sa.exc.DBAPIError.instance(
            text, None, cause, known, hide_parameters=True, connection_invalidated=lost, dialect=db.dialect
        )
        without_values(cause, error)
        if lost:
            db.invalidate(cause)
        raise error from cause


def without_values(cause: Any, error: Any) -> None:
    """PostgreSQL repeats people's data in its errors; keep the code, the table and the constraint only."""
    if getattr(cause, "sqlstate", None):
        for each in filter(None, (cause, error)):
            each.args = (f"{cause.sqlstate} {cause.diag.table_name} {cause.diag.constraint_name}",)


def insert_of(dialect: sa.Dialect) -> Any:
    """The ``insert`` of a dialect, which knows ON CONFLICT."""
    return import_module(f"sqlalchemy.dialects.{dialect.name}").insert  # of the one that is loaded already


def _columns(statement: Any) -> Sequence[Any]:
    if isinstance(statement, sa.Select):
        return [description["expr"] for description in statement.column_descriptions]
    return list(statement.exported_columns)


def _of(type_: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
    return type_.dialect_impl(dialect)


# ------------------------------------------------------------------ many values in one parameter


class _Many(sa.types.TypeDecorator[Any]):
    """A list as one parameter, so that the text is the same for any number: JSON on SQLite, else an array.

    Of ids and of keys that we made: SQLite ends a text from JSON at a NUL.
    """

    impl = sa.JSON
    cache_ok = True

    def __init__(self, each: Any) -> None:
        super().__init__()
        self.each = each

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        return dialect.type_descriptor(ARRAY(self.each) if dialect.name == "postgresql" else sa.JSON())


class any_of(FunctionElement[Any]):
    """Whether a column holds one of the values of a parameter."""

    inherit_cache = True  # and no type: SQLite's boolean would be compared with 1, which hides it from the indexes

    def __init__(self, column: Any, parameter: str) -> None:
        if not isinstance(column.type, sa.Integer | sa.String):  # a single value goes to SQLite as it is
            raise TypeError(f"no list of {column.type!r}")
        super().__init__(column, sa.bindparam(parameter, type_=_Many(column.type)))
        self.parameter = parameter


class each_of(FunctionElement[Any]):
    """The values of a parameter as rows of one column, ``value``."""

    inherit_cache = True

    def __init__(self, parameter: str, each: Any) -> None:
        super().__init__(sa.bindparam(parameter, type_=_Many(each)))


@compiles(any_of)
def _any_on_sqlite(element: Any, compiler: Any, *, one: bool = False, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    if one:  # about 0.6 of the time of a list
        return f"{column} = {values}"
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - text of ours, values are parameters


@compiles(any_of, "postgresql")
def _any_on_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(each_of)
def _each_on_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


@compiles(each_of, "postgresql")
def _each_on_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"unnest({compiler.process(element.clauses, **kw)})"
