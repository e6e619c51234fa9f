"""Tools that look at the person's own account and change nothing."""

from collections.abc import Mapping
from typing import Any

from chassis.bus.calls import Bus
from chat_svc.tools import GetReceipt, ListTasks
from contracts import ledger, task
from contracts.envelope import Envelope
from contracts.errors import NotFound

NEWEST = 50
"""Tasks that are looked through for the newest one that cost anything."""
LONGEST_QUERY = 120


async def get_wallet(bus: Bus, here: Envelope) -> dict[str, Any]:
    """The wallet, amounts in BazaarBucks as text.

    Raises:
        NotFound: the account has none.
        Refusal: the payment service cannot be asked.
    """
    wallet = await bus.ask(ledger.GET_WALLET, ledger.GetWallet(), here)
    return {
        "available": format(wallet.available, "f"),
        "held": format(wallet.held, "f"),
        "owed": format(wallet.owed, "f"),
    }


async def list_tasks(bus: Bus, here: Envelope, input_: Mapping[str, Any]) -> dict[str, Any]:
    """The latest tasks, newest first.

    Raises:
        Refusal: the task service cannot be asked.
    """
    asked = ListTasks.model_validate(input_)
    found = await bus.ask(task.LIST_TASKS, task.ListTasks(limit=asked.limit), here)
    return {"tasks": [_task(one) for one in found.tasks]}


def _task(one: task.TaskView) -> dict[str, Any]:
    return {
        "task_id": one.id,
        "query": one.user_query[:LONGEST_QUERY],
        "status": one.status,
        "cost": format(one.total_cost, "f"),
        "at": one.created_at.isoformat(timespec="minutes"),
    }


async def get_receipt(bus: Bus, here: Envelope, input_: Mapping[str, Any]) -> dict[str, Any]:
    """What each step of a task cost, of the newest that cost anything unless one is named.

    Raises:
        NotFound: there is no such task, or none that cost anything.
        Refusal: a service cannot be asked.
    """
    task_id = GetReceipt.model_validate(input_).task_id
    if task_id is None:
        newest = await bus.ask(task.LIST_TASKS, task.ListTasks(limit=NEWEST), here)
        task_id = next((one.id for one in newest.tasks if one.total_cost > 0), None)
    if task_id is None:
        raise NotFound("No task has cost anything yet.")
    receipt = await bus.ask(ledger.GET_RECEIPT, ledger.GetReceipt(task_id=task_id), here)
    return {
        "task_id": task_id,
        "total": format(receipt.total, "f"),
        "refunded": format(receipt.refunded, "f"),
        "lines": [_line(line) for line in receipt.lines],
    }


def _line(line: ledger.ReceiptLine) -> dict[str, Any]:
    return {
        "agent_id": line.agent_id,
        "quoted": format(line.quoted, "f"),
        "charged": format(line.charged, "f"),
        "fee_within": format(line.fee, "f"),
        "external": format(line.external, "f"),
        "refunded": format(line.refunded, "f"),
        "status": line.status,
    }
