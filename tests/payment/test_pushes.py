"""Pushes: who is told by A2A how a task goes on, over a payment service that is killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chassis.bus.envelopes import new_id
from contracts.errors import Conflict
from contracts.pushes import ADD_PUSH
from payment_svc.hooks import asking
from payment_svc.hooks.pushes import MOST_OPEN
from payment_svc.spending import approvals
from tests.support.polling import eventually
from tests.support.processes import process
from tests.support.scripted_agent import answers, waits_for
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening
from tests.support.told import endpoint

HOOKS = {"webhook_key": "a key of the tests", "webhook_hosts": "127.0.0.1", "card_poll_s": 0.3}
DUE = "UPDATE payment.webhook_deliveries SET next_attempt_at = now() WHERE status = 'pending'"
OF = "SELECT webhook_id FROM payment.pushes WHERE account = $1 AND about = $2"
MANY = (
    "INSERT INTO payment.pushes (webhook_id, account, about, push_id, wire, ask_at)"
    " SELECT gen_random_uuid()::text, $1, 't' || n, 'p', '1.0', now() + interval '1 hour'"
    " FROM generate_series(1, $2::int) AS n"
)
APPROVAL = (
    "INSERT INTO payment.approvals"
    " (step_id, account, task_id, agent_id, spender, amount, state, created_at, expires_at)"
    " VALUES ($1, $2, 't', 'a', 's', 1, 'approved', now() - interval '40 days',"
    " now() - interval '39 days')"
)


@pytest.fixture
async def system(stack: Stack) -> AsyncIterator[System]:
    """Registry and tasks; the payment service is started by whoever needs it."""
    payment = payment_service(stack, **HOOKS)
    services = registry_service(stack), task_service(stack)
    async with running(*services), listening(stack, payment) as system:
        yield system


@asynccontextmanager
async def doomed(stack: Stack) -> AsyncIterator[None]:
    """A payment service in a process of its own, which is killed at the end."""
    where = {"DATABASE_URL": stack.database_url("payment"), "NATS_URL": stack.nats_url}
    given = {name.upper(): value for name, value in HOOKS.items()}
    async with process("payment_svc", **where, **given) as service:
        await service.says("service started")
        yield


async def test_a_kill_costs_no_message(system: System) -> None:
    """It dies while a message is on its way, and the task ends while nobody is there."""
    account, gate, step = await system.account(), asyncio.Event(), new_id()
    agents = system.agent(waits_for(gate, answers("late", 0.1)))
    async with endpoint() as told, agents as (agent_id, agent):
        told.gate.clear()
        async with doomed(system.stack):
            calling = asyncio.create_task(system.invoke(account, agent_id, step_id=step))
            await agent.called()
            (row,) = await system.rows("SELECT task_id FROM task.steps WHERE id = $1", step)
            push = {"about": row["task_id"], "push_id": "mine", "url": told.url, "token": "t"}
            await system.ask(ADD_PUSH, account, **push)
            await told.told(1)
        gate.set()
        told.gate.set()
        async with running(system.payment):
            await calling
            await system.rows(DUE)
            heard = await told.told(3)
            for number in range(9):
                await system.ask(ADD_PUSH, account, **push | {"push_id": f"{number}"})
            with pytest.raises(Conflict, match="10 addresses"):
                await system.ask(ADD_PUSH, account, **push | {"push_id": "one-more"})
            await _limited(system, push)
        await _forgotten(system, account, row["task_id"])
    states = [body["statusUpdate"]["status"]["state"] for _, body in heard]
    assert sorted(states[:3]) == ["TASK_STATE_COMPLETED", *["TASK_STATE_WORKING"] * 2]
    assert len({headers["webhook-id"] for headers, _ in heard[:3]}) == 2


async def _limited(system: System, push: dict[str, str]) -> None:
    """Of a task that is not the account's nothing is kept; and an account has so many and no more.

    The limit is of those that go on, whatever they are about.
    """
    stranger = await system.account()
    await system.ask(ADD_PUSH, stranger, **push)

    async def gone() -> bool:
        return not await system.rows(OF, stranger, push["about"])

    await eventually(gone)
    kept = "SELECT FROM payment.webhooks WHERE account = $1"
    assert await system.rows(kept, stranger) == []
    await system.rows(MANY, stranger, MOST_OPEN)
    with pytest.raises(Conflict, match="of an account"):
        await system.ask(ADD_PUSH, stranger, **push)
    await system.rows("DELETE FROM payment.pushes WHERE account = $1", stranger)


async def _forgotten(system: System, account: str, about: str) -> None:
    """After a month nothing is left of a push, nor of what waited for a person."""
    ids = [one["webhook_id"] for one in await system.rows(OF, account, about)]
    asked = new_id()
    await system.rows(APPROVAL, asked, account)
    await system.rows("UPDATE payment.pushes SET created_at = now() - interval '32 days'")
    db = system.payment.database
    await asking.forget(db)
    await approvals.forget(db)
    for table, column, these in (
        ("pushes", "webhook_id", ids),
        ("webhooks", "id", ids),
        ("webhook_deliveries", "webhook_id", ids),
        ("approvals", "step_id", [asked]),
    ):
        left = f"SELECT FROM payment.{table} WHERE {column} = ANY($1)"
        assert await system.rows(left, these) == []
