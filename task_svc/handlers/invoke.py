"""POST /api/invoke-agent: one step, run at once, answered when it has ended."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

from chassis.bus.envelopes import new_id
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chassis.handling.injection import ReplyTo
from contracts.envelope import Envelope
from contracts.errors import Busy, Conflict, NotFound, Refusal
from contracts.task import InvokeAgent, InvokeReply
from contracts.task_events import StepStarted, TaskCreated, TaskStarted
from task_svc import store, store_at_once, store_leases
from task_svc.approving import WAITS, has_to_wait
from task_svc.beginning import quote_columns, start_task
from task_svc.cancelling import CANCELLED
from task_svc.domain import Quote, hold_amount, is_open, key_after, try_after
from task_svc.ending import Done, Failed, Postponed, answer_to, recorded
from task_svc.handlers.quoting import Seals, as_quoted
from task_svc.pricing import most_of
from task_svc.restraint import take_place
from task_svc.rows import Step, Task
from task_svc.runner import Runner
from task_svc.saga import Saga
from task_svc.settings import Settings
from task_svc.shares import Shares

RUNS = "This call is still being carried out; ask again in a moment."


async def invoke_agent(
    request: InvokeAgent,
    db: Database,
    saga: Saga,
    runner: Runner,
    settings: Settings,
    shares: Shares,
    seals: Seals,
    here: Envelope,
    reply_to: ReplyTo,
) -> InvokeReply:
    """Call one agent for a task, or for a task made for this call.

    The caller waits, so nothing is postponed before the agent was called: without a registry or
    a payment service the step fails at once. When payment goes away after the agent has done its
    work, the caller is told so and the step is ended later, as any interrupted step. When this
    replica dies, the one that ends the step answers the caller.

    Asked for again, with the step's id, it is answered as before; where nothing was decided and
    nothing paid, it is tried once more; by another agent, when one was chosen by a skill.

    Raises:
        NotFound: no such agent, task or quote.
        Conflict: the quote has expired, or is of another agent.
        Invalid: the payload is larger than what was quoted.
        Busy: this call is still being carried out.
        Unavailable: the agent or the account has its share of calls under way, or the agent is left
            alone now; nothing was stored.
        Refusal: why the step failed.
    """
    before = await _last_try(request, db, here)
    if before is not None and not (before.status == "failed" and is_open(before.reason)):
        return _answered(before, recorded(before))
    with shares.calling(request.agent_id, here.account):
        quote = await saga.quotes.of(request.agent_id, here)
        if before is not None and before.agent_id == request.agent_id:
            key = key_after(before.id, Quote.model_validate(before.quote), before.reason)
            quote = quote.model_copy(update={"agent_key": key})
        quote = as_quoted(saga.promised(quote, request.payload), request, seals, here.account)
        amount = hold_amount(quote, most_of(quote.promise, request.max_price))
        waits = await has_to_wait(saga.bus, request, amount, here)
        with nullcontext() if waits else saga.restraint.through(request.agent_id, quote):
            step, task = await _store_step(
                request, before, db, settings, runner, quote, here, None if waits else reply_to
            )
            if waits:
                runner.wake([step.id])
                raise Busy(WAITS.format(step.id, step.task_id))
            async with runner.holding(step):
                try:
                    outcome, _ = await saga.finish(step, quote, dict(request.payload), here, task)
                except Postponed as waiting:
                    outcome = await _give_up(step, saga, db, runner, waiting, here)
    return _answered(step, outcome)


def _answered(step: Step, outcome: Done | Failed) -> InvokeReply:
    answer = answer_to(step, outcome)
    if isinstance(answer, Refusal):
        raise answer
    return answer


async def _last_try(request: InvokeAgent, db: Database, here: Envelope) -> Step | None:
    """The ended step that this call came to the last time; None when it is asked for at first.

    Raises:
        Conflict: the id is that of another call.
        Busy: the step has not ended yet.
    """
    if request.step_id is None:
        return None
    async with db.transaction(here) as tx:
        step = await store.step_of(tx.conn, request.step_id, here.account)
        if step is None:
            return None
        other = request.skill is None and step.agent_id != request.agent_id
        if other or request.task_id not in (None, step.task_id):
            raise Conflict("This step id is taken.")
        if step.status == "failed":
            step = await store.last_try(tx.conn, step)
    if step.status not in store.ENDED:
        raise Busy(RUNS)
    return step


async def _store_step(
    request: InvokeAgent,
    before: Step | None,
    db: Database,
    settings: Settings,
    runner: Runner,
    quote: Quote,
    here: Envelope,
    reply_to: str | None,
) -> tuple[Step, Task | None]:
    """Store the step, leased to this replica and in progress; its task too when it has none.

    Without anybody to reply to it waits for a person: any replica begins it then. A further try
    belongs to the task of the one before it, and takes its place.

    Returns:
        The step, and its task where that is known.

    Raises:
        Busy: somebody else was quicker to begin the same.
        NotNow: the agent has in hand what it takes at once.
    """
    first = request.step_id or new_id()
    known_id = before.task_id if before is not None else request.task_id
    made = _new_task(settings, quote, here) if known_id is None else None
    task_id = known_id or new_id()
    step_id = first if before is None else try_after(first, before.id)
    most = most_of(quote.promise, request.max_price)
    columns: dict[str, Any] = {
        "id": step_id,
        "replaces": None if before is None else before.id,
        "task_id": task_id,
        "account": here.account,
        "agent_id": request.agent_id,
        "skill": "",
        "subtask_type": quote.skills[0][:100] if quote.skills else "task",
        "payload": request.payload,
    }
    begins = StepStarted(task_id=task_id, step_id=step_id, agent_id=request.agent_id)
    leased = columns | {
        **quote_columns(quote, most),
        "cause": here.model_dump(mode="json"),
        "reply_to": reply_to,
        "lease_owner": runner.owner,
    }
    if reply_to is not None and quote.at_once is None:
        # A call ends its task unless that asks for more: most that are there are not in progress.
        for anew in (True,) if made else (True, False):
            async with db.transaction(here, begins=True, at_once=True) as tx:
                tx.publish(*_beginning(task_id, made, anew=anew), begins)
                if found := await store_at_once.begin(
                    tx, leased, runner.lease_s, made=made, anew=anew
                ):
                    return found
    async with db.transaction(here, begins=True) as tx:
        if made is not None:
            new = await store.insert_task(tx.conn, id=task_id, **made)
            if new is None:
                raise Conflict("This task id is taken.")
            stored = new
            tx.publish(*_beginning(task_id, made, anew=True))
        else:
            stored = await _take_up(tx, task_id, here)
        columns["max_budget"] = leased["max_budget"] = stored.max_budget
        if reply_to is None:
            cause = here.for_ever().model_dump(mode="json")
            row = columns | {"status": "pending", "max_price": most, "cause": cause}
            if not await store.insert_step(tx.conn, row):
                raise Busy(RUNS)
            return await store.find_step(tx.conn, step_id), None
        await take_place(tx, request.agent_id, quote)
        step = await store.insert_leased_step(tx.conn, runner.lease_s, **leased)
        if step is None:
            raise Busy(RUNS)
        tx.publish(begins)
    return step, None


async def _take_up(tx: Transaction, task_id: str, here: Envelope) -> Task:
    """A task that has one open step more, its row locked."""
    task = await store.find_task(tx.conn, task_id, here.account, lock=True)
    if task is None:
        raise NotFound("Task not found")
    if task.turn_id is not None:
        raise Conflict("This task belongs to a conversation; its orchestrator runs it.")
    if task.cancelled_at is not None:
        raise Conflict(CANCELLED)
    await start_task(tx, task, open_steps=task.open_steps + 1)
    return task


def _new_task(settings: Settings, quote: Quote, here: Envelope) -> dict[str, Any]:
    """The columns of a task that is made for one call, but for its id."""
    return {
        "account": here.account,
        "spender": here.spender,
        "user_query": f"Call of {quote.agent_name}",
        "required_skills": [],
        "status": "in_progress",
        "max_budget": settings.default_budget,
        "open_steps": 1,
    }


def _beginning(
    task_id: str, made: Mapping[str, Any] | None, *, anew: bool
) -> Iterator[TaskCreated | TaskStarted]:
    """What is told of a task that is made with these columns, or taken up anew."""
    if made is not None:
        yield TaskCreated(
            task_id=task_id,
            user_query=made["user_query"],
            required_skills=made["required_skills"],
            max_budget=made["max_budget"],
        )
    if anew:
        yield TaskStarted(task_id=task_id)


async def _give_up(
    step: Step,
    saga: Saga,
    db: Database,
    runner: Runner,
    waiting: Postponed,
    here: Envelope,
) -> Done | Failed:
    """End a step whose caller waits, unless its agent may have been called already.

    Raises:
        Busy: it may have; the step goes on and is ended as any interrupted one.
    """
    if waiting.agent_called:
        async with db.transaction() as tx:
            delay_s = 0.5 if waiting.delay_s is None else waiting.delay_s
            await store_leases.postpone(tx.conn, step.id, runner.owner, delay_s)
        raise Busy(f"{waiting.message} The step goes on; see its task.")
    outcome, _ = await saga.end(step, Failed("payment_unavailable", waiting.message), here)
    return outcome
