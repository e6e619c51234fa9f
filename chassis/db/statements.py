"""Statements of the hot path: built and compiled once by SQLAlchemy Core, run by asyncpg itself.

Both work on the same connection, in the same transaction. Around each statement SQLAlchemy takes
more processor time than all that is between it and the socket: for what runs with every step, that
is worth a way of its own. All else goes through SQLAlchemy.
"""

from collections import namedtuple
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, NoReturn, TypeVar, cast

from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import ReturnsRows
from sqlalchemy.util import is_exit_exception

RowT = TypeVar("RowT")
DIALECT: Any = dialect()  # type: ignore[no-untyped-call]  # its constructor is not typed


def named(query: ReturnsRows, *, keys: Iterable[str] = ()) -> "Statement[Any]":
    """A statement whose rows have its columns by their names; `keys` as `Statement` takes them."""
    names = [str(column.key) for column in query.exported_columns]
    row = namedtuple("Found", names)  # type: ignore[misc]  # noqa: PYI024  (known only here)
    return Statement(cast("Executable", query), row, keys=keys)


class Statement(Generic[RowT]):
    """A statement, and what its rows become."""

    def __init__(
        self, statement: Executable, row: Callable[..., RowT], *, keys: Iterable[str] = ()
    ) -> None:
        """Compile a statement.

        Args:
            statement: without lists that expand.
            row: is called with the columns of a row, in their order.
            keys: columns that an INSERT or UPDATE sets, beside those that it names itself.
        """
        built: Any = statement
        compiled: Any = built.compile(dialect=DIALECT, column_keys=list(keys) or None)
        self.sql: str = compiled.string
        self._row = row
        self._given = [
            (name, compiled.params.get(name), _writes(compiled.binds[name].type))
            for name in compiled.positiontup or ()
        ]

    async def all(self, conn: AsyncConnection, values: Mapping[str, Any]) -> list[RowT]:
        """Run it; all rows. Raises what SQLAlchemy would."""
        given = self._values(values)
        async with _line(conn, self.sql, given) as driver:
            found = await driver.fetch(self.sql, *given)
        return [self._row(*record) for record in found]

    async def one_or_none(self, conn: AsyncConnection, values: Mapping[str, Any]) -> RowT | None:
        """Run it; its only row, if there is one."""
        found = await self.all(conn, values)
        return found[0] if found else None

    async def one(self, conn: AsyncConnection, values: Mapping[str, Any]) -> RowT:
        """Run it; its only row."""
        (found,) = await self.all(conn, values)
        return found

    async def run(self, conn: AsyncConnection, values: Mapping[str, Any]) -> int:
        """Run it; how many rows it found or changed."""
        given = self._values(values)
        async with _line(conn, self.sql, given) as driver:
            status = await driver.execute(self.sql, *given)
        return int(status.rpartition(" ")[2])

    async def run_each(self, conn: AsyncConnection, many: Sequence[Mapping[str, Any]]) -> None:
        """Run it with each of these values, in one go."""
        if len(many) == 1:
            await self.run(conn, many[0])
            return
        given = [self._values(values) for values in many]
        async with _line(conn, self.sql, given) as driver:
            await driver.executemany(self.sql, given)

    def _values(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(
            write(value) if write else value
            for name, default, write in self._given
            for value in (values.get(name, default),)
        )


@asynccontextmanager
async def _line(conn: AsyncConnection, sql: str, given: object) -> AsyncIterator[Any]:
    """The driver's connection, in its transaction, for one statement; errors are SQLAlchemy's.

    Whoever is cancelled in here, or waits for too long, gives the connection up, as in SQLAlchemy:
    the server may have begun a transaction that the driver takes for a failed one. The next one
    would be a savepoint in that: it would end as if it were committed, and nothing would be there.
    """
    sync = cast("Connection", conn.sync_connection)  # It is open in its transaction.
    adapter: Any = sync.connection.dbapi_connection
    try:
        if adapter._transaction is None:  # noqa: SLF001  (SQLAlchemy commits what it knows of)
            await adapter._start_transaction()  # noqa: SLF001  (as its own cursor does)
        for listener in sync.dispatch.before_cursor_execute:
            listener(sync, None, sql, given, None, False)
        yield adapter.driver_connection
    except BaseException as error:
        if is_exit_exception(error) or isinstance(error, TimeoutError):
            await conn.invalidate(error)
            raise
        _failed(adapter, error, sql)


def _failed(adapter: Any, error: BaseException, sql: str) -> NoReturn:
    """Raise what SQLAlchemy would."""
    errors: Any = adapter.dbapi
    try:
        # SQLAlchemy's own cursor has it turn an error of asyncpg into one of its own; there is no
        # public name for that, and handlers, health and retries know SQLAlchemy's errors alone.
        adapter._handle_exception(error)  # noqa: SLF001  (SQLAlchemy has no public name for it)
    except errors.Error as translated:
        raise DBAPIError.instance(
            sql,
            None,
            translated,
            errors.Error,
            hide_parameters=True,
            connection_invalidated=adapter.driver_connection.is_closed(),
            dialect=DIALECT,
        ) from error
    raise error


def _writes(type_: Any) -> Callable[[Any], Any] | None:
    """What turns a value into the driver's."""
    found: Callable[[Any], Any] | None = type_.dialect_impl(DIALECT).bind_processor(DIALECT)
    return found
