"""Money: the wallet, tasks and what they cost, receipts, topping up, giving back."""

from typing import Annotated

import typer

from cli import config
from cli.api import Api, part
from cli.output import Limit, say, show
from deploy.local.telling import trimmed


def wallet(context: typer.Context, limit: Limit = 10) -> None:
    """What is in the wallet, and its last movements."""
    found, api = config.of(context), Api(config.of(context))
    one = api.get("/api/wallet")
    lines = api.pages("/api/ledger", limit)
    if not found.as_json:
        say(f"{trimmed(one['available'])} BazaarBucks available, {trimmed(one['held'])} set aside")
    rows = [
        (line["createdAt"], line["kind"], trimmed(line["amount"]), line["taskId"] or "")
        for line in lines
    ]
    show(found, {"wallet": one, "movements": lines}, ("time", "movement", "amount", "task"), rows)


def tasks(context: typer.Context, limit: Limit = 20) -> None:
    """The newest tasks."""
    found = config.of(context)
    all_ = Api(found).pages("/api/tasks", limit)
    rows = [
        (
            one["id"],
            one["status"],
            trimmed(one["totalCost"]),
            trimmed(one["maxBudget"]),
            one["userQuery"][:60],
        )
        for one in all_
    ]
    show(found, all_, ("id", "status", "cost", "budget", "wish"), rows)


def receipt(context: typer.Context, task: str) -> None:
    """What each step of a task cost."""
    found = config.of(context)
    one = Api(found).get(f"/api/tasks/{part(task)}/receipt")
    names = ("quoted", "held", "charged", "fee", "external", "refunded")
    rows = [
        (line["agentId"], *(trimmed(line[name]) for name in names), line["status"])
        for line in one["lines"]
    ]
    sums = ("charged", "fee", "external", "refunded")
    if rows:
        rows.append(
            ("total", "", "", *(trimmed(one[name]) for name in sums), trimmed(one["total"]))
        )
    show(found, one, ("agent", *names, "status"), rows)


def top_up(
    context: typer.Context, amount: Annotated[float, typer.Argument(help="BazaarBucks.", min=0)]
) -> None:
    """Top the wallet up by card: the address of the page where that is done."""
    found = config.of(context)
    one = Api(found).post("/api/payments/checkout", {"amount": amount})
    show(found, one, ("what", "value"), one.items())


def refund(
    context: typer.Context,
    payment: str,
    amount: Annotated[
        float | None, typer.Option(min=0, help="BazaarBucks; all that is left of it without.")
    ] = None,
) -> None:
    """Give back what was paid for a step, in full or in part."""
    found = config.of(context)
    one = Api(found).post(f"/api/payments/bazaarbucks/{part(payment)}/refund", {"amount": amount})
    show(
        found,
        one,
        ("payment", "amount", "task"),
        [(one["id"], trimmed(one["amount"]), one["taskId"])],
    )
