"""One transaction per message, events stored with the effect.

A `Transaction` is what handlers work in: `tx.conn` runs the store's SQL, `tx.publish` puts
messages into the outbox. All messages of a transaction are one outbox row, written by one
statement just before it commits: they exist exactly when the effect exists, and leave in order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.bus.calls import MAX_MESSAGE_BYTES
from chassis.bus.envelopes import enclose
from chassis.db.at_once import Left
from chassis.db.statements import Statement
from chassis.outbox.outgoing import Outgoing, as_row
from chassis.outbox.relay import Departures
from contracts.base import Command, Event
from contracts.envelope import Envelope
from contracts.errors import Invalid

StoredT = TypeVar("StoredT", bound=tuple[Any, ...])


@dataclass(slots=True)
class Transaction:
    """An open transaction and the messages that will leave with it.

    Attributes:
        begins: whether it begins something new, which is refused when its messages cannot leave.
        departures: by which they leave right after the commit; else they are left to the relay.
    """

    conn: AsyncConnection
    source: str
    cause: Envelope | None = None
    begins: bool = False
    departures: Departures | None = None
    _touched: set[str] = field(default_factory=set)
    _leaving: list[Outgoing] = field(default_factory=list)
    _afterwards: list[Callable[[], object]] = field(default_factory=list)
    _otherwise: list[Callable[[], object]] = field(default_factory=list)

    def publish(
        self,
        *messages: Event | Command,
        account: str | None = None,
        deadline: datetime | None = None,
        message_id: str | None = None,
    ) -> None:
        """Send messages when, and only when, this transaction commits.

        Args:
            messages: events of this context, or commands to any.
            account: whom they concern, when not the account of the message being handled.
            deadline: until when somebody waits for what comes of a command.
            message_id: of a single message that may have to be published again as itself
                (`chassis.bus.envelopes.derived_id`); else a fresh one.

        Raises:
            Invalid: a message is heavier than the bus carries; nothing of this is stored.
        """
        if account is not None:
            self._touched.add(account)
        for message in messages:
            enclosed = enclose(message, self.source, self.cause, account, deadline, message_id)
            if len(enclosed.body) > MAX_MESSAGE_BYTES:
                raise Invalid(f"What would be told as {message.type} is too large.")
            self._leaving.append(enclosed)

    def touches(self, *accounts: str) -> None:
        """Say that it changes what is shown of these accounts.

        Its cause's is among them anyway, and those of the messages that it publishes.
        """
        self._touched.update(accounts)

    @property
    def touched(self) -> set[str]:
        """The accounts of which something changed; none for who only looks and has no cause."""
        return self._touched | ({self.cause.account} if self.cause else set())

    def then(self, do: Callable[[], object]) -> None:
        """Run `do` right after the commit; not at all when the transaction is rolled back.

        For hints that only save time, such as waking a worker: a crash in between loses them.
        """
        self._afterwards.append(do)

    def otherwise(self, do: Callable[[], object]) -> None:
        """Run `do` when the transaction is not committed, as far as is known.

        For what was set aside in this process for after the commit.
        """
        self._otherwise.append(do)

    def committed(self) -> None:
        """Run what was to be done after the commit."""
        for do in self._afterwards:
            do()

    def abandoned(self) -> None:
        """Run what was to be done without a commit."""
        for do in self._otherwise:
            do()

    async def at_once(
        self, statement: Statement[StoredT], values: Mapping[str, Any]
    ) -> StoredT | None:
        """Do all of the transaction by one statement, with what is to leave; see `db.at_once`.

        Returns:
            Its row, which begins with the id of the outbox row; none, or one without that, when
            something was in the way: then nothing was done. What came in between is not told.

        Raises:
            Unavailable: it is of something new, and the streams take nothing now.
        """
        found = await self.all_at_once(statement, values)
        return found[0] if found else None

    async def all_at_once(
        self, statement: Statement[StoredT], values: Mapping[str, Any]
    ) -> list[StoredT]:
        """`at_once` by a statement that has several rows, each with the id of the outbox row."""
        try:
            return await self._finish(statement, values)
        except IntegrityError:  # Somebody came in between; the server has undone what was done.
            return []

    async def flush(self, store: Statement[Left]) -> None:
        """Write what is to leave into the outbox, as one row that leaves after the commit.

        Raises:
            Unavailable: it is of something new, and the streams take nothing now.
        """
        if self._leaving:
            await self._finish(store, {})

    async def _finish(
        self, statement: Statement[StoredT], values: Mapping[str, Any]
    ) -> list[StoredT]:
        row, self._leaving = self._leaving, []
        departures = self.departures
        if self.begins and departures is not None:
            departures.publisher.intake.check(message.stream for message in row)
        grace = departures.grace if departures else timedelta(0)
        leaving = {"outbox_row": as_row(row), "grace": grace}
        found = await statement.all(self.conn, {**values, **leaving})
        if found and found[0][0] is not None and departures is not None:
            self.then(partial(departures.send, found[0][0], row))
        return found
