"""Questions about tasks."""

from decimal import Decimal

from chassis.bus.calls import Bus
from chassis.db.database import Database
from chassis.db.pages import next_in_sequence, next_in_time, place_in_sequence, place_in_time
from chassis.handling.injection import Reading
from chassis.handling.listing import Listed, Listing
from contracts import api
from contracts.envelope import Envelope
from contracts.errors import NotFound
from contracts.payment import GET_TASK_ACCOUNT, GetTaskAccount
from contracts.task import (
    GetTask,
    ListSteps,
    ListTasks,
    StepList,
    StepView,
    TaskList,
    TaskReply,
    TaskView,
)
from task_svc import store, store_lists

TASKS = Listing(TaskList, TaskView, api.Task)
STEPS = Listing(StepList, StepView, api.TaskStep)


async def get_task(
    request: GetTask,
    db: Database,
    bus: Bus,
    here: Envelope,
) -> TaskReply:
    """One task of the account.

    Raises:
        NotFound: none with that id.
        Unavailable, TooSlow: what is left was asked for, and payment does not answer.
    """
    async with db.transaction(reads=True) as tx:
        row = await store.find_task(tx.conn, request.task_id, here.account)
    if row is None:
        raise NotFound("Task not found")
    left = None
    if request.with_left:
        account = await bus.ask(GET_TASK_ACCOUNT, GetTaskAccount(task_id=row.id), here)
        left = max(Decimal(0), row.max_budget - account.captured - account.held)
    return TaskReply(task=TaskView.model_validate(row, from_attributes=True), left=left)


async def list_tasks(request: ListTasks, tx: Reading, here: Envelope) -> Listed[TaskList]:
    """The account's tasks, newest first; fewer than asked for when they are heavy."""
    rows = await store_lists.page_of_tasks(
        tx.conn, here.account, request.limit, place_in_time(request)
    )
    return Listed(TASKS, rows, request.limit, next_in_time)


async def list_steps(request: ListSteps, tx: Reading, here: Envelope) -> Listed[StepList]:
    """A task's newest steps, oldest first; fewer than asked for when they are heavy.

    Raises:
        NotFound: no such task in this account.
    """
    if await store.find_task(tx.conn, request.task_id, here.account) is None:
        raise NotFound("Task not found")
    before = place_in_sequence(request)
    rows = await store_lists.page_of_steps(tx.conn, request.task_id, request.limit, before)
    return Listed(STEPS, rows, request.limit, next_in_sequence, newest_last=True)
