"""What one message costs in SQL statements. A number that grows here is paid for by every step."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import event

from chassis.bus.envelopes import new_id
from chassis.service import Service
from contracts.errors import PaymentRequired
from tests.payment.conftest import NewCustomer
from tests.payment.helpers import completed, failed
from tests.support.polling import eventually


@dataclass
class Statements:
    """What every transaction of a service sent, apart from its outbox relay's."""

    open: dict[int, list[str]] = field(default_factory=dict)
    done: list[list[str]] = field(default_factory=list)
    about: str = ""

    def begun(self, conn: Any) -> None:
        self.open[id(conn.connection.dbapi_connection)] = []

    def sent(self, conn: Any, _cursor: Any, sql: str, params: Any, *_: Any) -> None:
        found = self.open.get(id(conn.connection.dbapi_connection))
        if found is not None:
            found.append(f"{sql} -- {params}")

    def ended(self, conn: Any) -> None:
        found = self.open.pop(id(conn.connection.dbapi_connection), [])
        if any(self.about in statement for statement in found):
            self.done.append(found)

    async def of_one_message(self) -> list[str]:
        """The statements of the only transaction that was about it."""

        async def committed() -> bool:
            return bool(self.done)

        await eventually(committed)
        assert len(self.done) == 1, self.done
        return self.done[0]


@pytest.fixture
def statements(payment: Service) -> Callable[[str], Any]:
    """Counts the statements of the transactions that have an id among their parameters."""
    engine = payment.database.engine.sync_engine

    @contextmanager
    def counting(about: str) -> Iterator[Statements]:
        found = Statements(about=about)
        listeners: dict[str, Callable[..., Any]] = {
            "begin": found.begun,
            "before_cursor_execute": found.sent,
            "commit": found.ended,
            "rollback": found.ended,
        }
        for name, listener in listeners.items():
            event.listen(engine, name, listener)
        try:
            yield found
        finally:
            for name, listener in listeners.items():
                event.remove(engine, name, listener)

    return counting


async def test_a_hold(customer: NewCustomer, statements: Callable[[str], Any]) -> None:
    buyer, task, step = await customer("10"), new_id(), new_id()
    await buyer.hold("1", task=task)
    with statements(step) as counted:
        await buyer.hold("1", task=task, id_=step)
        assert len(await counted.of_one_message()) == 1


async def test_a_hold_that_replaces_another(
    customer: NewCustomer, statements: Callable[[str], Any]
) -> None:
    buyer, task, step = await customer("10"), new_id(), new_id()
    lost = await buyer.hold("1", task=task)
    with statements(step) as counted:
        await buyer.hold("2", task=task, budget="101", id_=step, replaces=lost, list_price="3")
        assert len(await counted.of_one_message()) == 4
    assert await buyer.status(lost) == "released"


async def test_a_hold_that_is_declined(
    customer: NewCustomer, statements: Callable[[str], Any]
) -> None:
    buyer, step = await customer("1"), new_id()
    with statements(step) as counted:
        with pytest.raises(PaymentRequired):
            await buyer.hold("2", task=new_id(), id_=step)
        assert [len(one) for one in counted.done] == [1, 1]  # The attempt, and its event.


async def test_a_hold_again(customer: NewCustomer, statements: Callable[[str], Any]) -> None:
    buyer, task, step = await customer("10"), new_id(), new_id()
    await buyer.hold("1", task=task, id_=step)
    with statements(step) as counted:
        await buyer.hold("1", task=task, id_=step)
        assert [len(one) for one in counted.done] == [1, 1]  # The attempt; what it is.


async def test_an_extension(customer: NewCustomer, statements: Callable[[str], Any]) -> None:
    buyer = await customer("10")
    step = await buyer.hold("1", task=new_id())
    with statements(step) as counted:
        await buyer.extend(step, "2")
        assert len(await counted.of_one_message()) == 7


@pytest.mark.parametrize(("external", "count"), [("0", 9), ("0.5", 10)])
async def test_a_capture(
    customer: NewCustomer, statements: Callable[[str], Any], external: str, count: int
) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task)
    with statements(step) as counted:
        await buyer.told(completed(task, step, "1", external_cost=external))
        assert len(await counted.of_one_message()) == count


async def test_a_release(customer: NewCustomer, statements: Callable[[str], Any]) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task)
    with statements(step) as counted:
        await buyer.told(failed(task, step))
        # One of them counts the fault, which is the agent's own, for its seller.
        assert len(await counted.of_one_message()) == 6


async def test_captures_at_once_share_their_statements(
    customer: NewCustomer, statements: Callable[[str], Any]
) -> None:
    buyer, tasks = await customer("10"), [new_id(), new_id()]
    steps = [(task, await buyer.hold("0.2", task=task)) for task in tasks * 10]
    with statements(buyer.account) as counted:
        events = [completed(task, step, "0.1", external_cost="0.1") for task, step in steps]
        await asyncio.gather(*(buyer.tell(event) for event in events))
        await buyer.handled(events[0])
        assert {await buyer.status(step) for _, step in steps} == {"captured"}
        assert len(counted.done) < len(steps)
        assert {len(group) for group in counted.done} == {10}


async def test_the_counts_do_not_grow_with_history(
    customer: NewCustomer, statements: Callable[[str], Any]
) -> None:
    buyer, task = await customer("10"), new_id()
    for _ in range(5):
        step = await buyer.hold("0.5", task=task)
        await buyer.told(completed(task, step, "0.5"))
    step = new_id()
    with statements(step) as counted:
        await buyer.hold("1", task=task, id_=step)
        assert len(await counted.of_one_message()) == 1
        counted.done.clear()
        await buyer.told(completed(task, step, "1"))
        assert len(await counted.of_one_message()) == 9


async def test_the_counter_sees_what_it_counts(
    payment: Service, statements: Callable[[str], Any]
) -> None:
    tag = new_id()
    with statements(tag) as counted:
        async with payment.database.transaction() as tx:
            for _ in range(3):
                await tx.conn.exec_driver_sql(f"SELECT '{tag}'")
        assert len(await counted.of_one_message()) == 3
