"""Steps that are taken by what makes them ready: by one replica, once, whatever dies or fails."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from chassis.db.transaction import Transaction
from contracts.errors import Unavailable
from task_svc import quotes, runner, store
from task_svc.rows import Step
from tests.support.polling import eventually
from tests.support.scripted_agent import answers
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening
from tests.task.plans import result_of, spec, start

SOON: dict[str, Any] = {"lease_s": 1, "sweep_s": 0.1}
LEASED = "SELECT lease_owner, status FROM task.steps WHERE id = $1 AND lease_owner IS NOT NULL"


@pytest.fixture(scope="module")
async def system(stack: Stack) -> AsyncIterator[System]:
    """Registry and payment; the task services are the tests' own."""
    payment = payment_service(stack)
    async with running(registry_service(stack), payment), listening(stack, payment) as system:
        yield system


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices that were asked for once stay known for as long as a test takes."""
    monkeypatch.setattr(quotes, "FRESH_S", 3_600.0)


def once(system: System, task_id: str, *step_ids: str) -> None:
    """Assert that each of these steps was begun, ended and paid once."""
    for type_ in ("step.started", "step.completed", "payment.recorded"):
        said = [one.body["stepId"] for one in system.events(task_id, type_)]
        assert sorted(said) == sorted(step_ids), type_


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.usefixtures("known")
async def test_what_a_replica_took_before_it_died_is_done_by_another(
    system: System, task_id: str, monkeypatch: pytest.MonkeyPatch, lost: int
):
    """It dies right after the commit that took a step: the first, or the one that follows."""
    ids = [f"{task_id}-0", f"{task_id}-1"]
    account = await system.account()
    whole: Any = vars(runner.Runner)["_run_soon"]

    def dies(self: runner.Runner, step: Step, begun: Any = None) -> None:
        if step.id != ids[lost]:
            whole(self, step, begun)

    async with system.agent(answers("done", 0.3), price="0.3") as (agent_id, agent):
        plan = start(
            task_id,
            spec(ids[0], agent_id, {"text": "hi"}),
            spec(ids[1], agent_id, {"text": result_of(ids[0])}, depends_on=ids[:1]),
        )
        with monkeypatch.context() as doomed:
            doomed.setattr(runner.Runner, "_run_soon", dies)
            async with running(task_service(system.stack, lease_s=1, sweep_s=3_600)):
                await system.order(account, plan)

                async def taken() -> bool:
                    return bool(await system.rows(LEASED, ids[lost]))

                await eventually(taken)
            assert agent.keys == ids[:lost]
        async with running(task_service(system.stack, **SOON)):
            await system.event(task_id, "payment.recorded", count=2)
    assert agent.keys == ids
    assert agent.calls[1].payload["text"] == "done"
    once(system, task_id, *ids)


@pytest.mark.usefixtures("known")
async def test_a_place_comes_back_when_its_transaction_does_not_commit(
    system: System, task_id: str, monkeypatch: pytest.MonkeyPatch
):
    """There is room for one step: kept for one that was not stored, it would be there for none."""
    whole, failed = Transaction.flush, list[str]()

    async def flush(self: Transaction, statement: Any) -> None:
        cause = self.cause
        if cause and (cause.type, cause.account) == ("task.start.v1", account) and not failed:
            failed.append(task_id)
            raise Unavailable("it fails at the last moment")
        await whole(self, statement)

    account = await system.account()
    async with (
        system.agent(answers("done", 0.3), price="0.3") as (agent_id, agent),
        running(task_service(system.stack, running_steps=1, account_calls=1, agent_calls=1)),
    ):
        monkeypatch.setattr(Transaction, "flush", flush)
        await system.order(account, start(task_id, spec(f"{task_id}-0", agent_id)))
        await system.event(task_id, "payment.recorded")
        assert failed == [task_id]
        assert agent.keys == [f"{task_id}-0"]
    once(system, task_id, f"{task_id}-0")


@pytest.mark.usefixtures("known")
async def test_a_step_begins_as_it_is_stored_where_its_price_is_known(
    system: System, monkeypatch: pytest.MonkeyPatch
):
    """Nothing is claimed, and no transaction begins it: the same is told in the same order."""
    begun = list[str]()
    whole = store.begin_step

    async def begin(conn: Any, step_id: str, **columns: Any) -> bool:
        begun.append(step_id)
        return await whole(conn, step_id, **columns)

    monkeypatch.setattr(store, "begin_step", begin)
    account = await system.account()
    async with (
        system.agent(answers("done", 0.3), price="0.3") as (agent_id, _),
        running(task_service(system.stack, sweep_s=3_600)),
    ):

        async def as_they_are_stored() -> list[str]:
            """A chain of which none began by itself; a price is forgotten as its agent changes."""
            begun.clear()
            task = new_id()
            ids = [f"{task}-{n}" for n in range(3)]
            chain = [spec(id_, agent_id, depends_on=ids[:n][-1:]) for n, id_ in enumerate(ids)]
            await system.order(account, start(task, *chain))
            await system.event(task, "payment.recorded", count=3)
            return [] if begun else [task, *ids]

        task_id, *ids = await eventually(as_they_are_stored)
        task = await system.task(account, task_id)
    once(system, task_id, *ids)
    assert (task.status, task.total_cost) == ("in_progress", Decimal("0.9"))
    assert len(system.events(task_id, "task.started")) == 1
