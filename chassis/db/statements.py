"""Statements of the hot path: built and compiled once by SQLAlchemy Core, run by asyncpg itself.

Both work on the same connection, in the same transaction. Around each statement SQLAlchemy takes
more processor time than all that is between it and the socket: for what runs with every step, that
is worth a way of its own. All else goes through SQLAlchemy.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, NoReturn, TypeVar, cast

from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

RowT = TypeVar("RowT")
DIALECT: Any = dialect()  # type: ignore[no-untyped-call]  # its constructor is not typed


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
        line = await _Line.of(conn)
        given = self._values(values)
        line.tell(self.sql, given)
        try:
            found = await line.driver.fetch(self.sql, *given)
        except Exception as error:  # noqa: BLE001  (it becomes what SQLAlchemy would raise)
            line.failed(error, self.sql)
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
        line = await _Line.of(conn)
        given = self._values(values)
        line.tell(self.sql, given)
        try:
            status = await line.driver.execute(self.sql, *given)
        except Exception as error:  # noqa: BLE001  (it becomes what SQLAlchemy would raise)
            line.failed(error, self.sql)
        return int(status.rpartition(" ")[2])

    async def run_each(self, conn: AsyncConnection, many: Sequence[Mapping[str, Any]]) -> None:
        """Run it with each of these values, in one go."""
        if len(many) == 1:
            await self.run(conn, many[0])
            return
        line = await _Line.of(conn)
        given = [self._values(values) for values in many]
        line.tell(self.sql, given)
        try:
            await line.driver.executemany(self.sql, given)
        except Exception as error:  # noqa: BLE001  (it becomes what SQLAlchemy would raise)
            line.failed(error, self.sql)

    def _values(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(
            write(value) if write else value
            for name, default, write in self._given
            for value in (values.get(name, default),)
        )


class _Line:
    """The connection of a transaction, as the driver has it."""

    __slots__ = ("_adapter", "_conn", "driver")

    def __init__(self, conn: Connection, adapter: Any) -> None:
        self._conn = conn
        self._adapter = adapter
        self.driver: Any = adapter.driver_connection

    @classmethod
    async def of(cls, conn: AsyncConnection) -> "_Line":
        """The line of a transaction, which begins with its first statement as in SQLAlchemy."""
        sync = cast("Connection", conn.sync_connection)  # It is open in its transaction.
        adapter: Any = sync.connection.dbapi_connection
        line = cls(sync, adapter)
        if adapter._transaction is None:  # noqa: SLF001  (SQLAlchemy commits what it knows of)
            try:
                await adapter._start_transaction()  # noqa: SLF001  (as its own cursor does)
            except Exception as error:  # noqa: BLE001  (it becomes what SQLAlchemy would raise)
                line.failed(error, "BEGIN")
        return line

    def tell(self, sql: str, given: object) -> None:
        """Tell whoever listens to SQLAlchemy's statements."""
        for listener in self._conn.dispatch.before_cursor_execute:
            listener(self._conn, None, sql, given, None, False)

    def failed(self, error: Exception, sql: str) -> NoReturn:
        """Raise what SQLAlchemy would."""
        errors: Any = self._adapter.dbapi
        try:
            self._adapter._handle_exception(error)  # noqa: SLF001  (the one place that translates)
        except errors.Error as translated:
            raise DBAPIError.instance(
                sql,
                None,
                translated,
                errors.Error,
                hide_parameters=True,
                connection_invalidated=self.driver.is_closed(),
                dialect=DIALECT,
            ) from error
        raise error


def _writes(type_: Any) -> Callable[[Any], Any] | None:
    """What turns a value into the driver's."""
    found: Callable[[Any], Any] | None = type_.dialect_impl(DIALECT).bind_processor(DIALECT)
    return found
