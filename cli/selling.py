"""The seller's money: what was earned, being paid, and being onboarded for that at Stripe."""

from typing import Annotated

import typer

from cli import config
from cli.api import Api
from cli.output import Limit, say, show
from deploy.local.telling import trimmed

app = typer.Typer(no_args_is_help=True)


@app.command("show")
def standing(context: typer.Context) -> None:
    """What your agents have earned, what can be paid out, and whether Stripe pays you."""
    found = config.of(context)
    one = Api(found).get("/api/seller")
    show(found, one, ("what", "value"), one.items())


@app.command()
def earnings(context: typer.Context, limit: Limit = 20) -> None:
    """What each agent earned, by day."""
    found = config.of(context)
    lines = Api(found).pages("/api/seller/earnings", limit)
    sums = ("charged", "fees", "refunded", "earned")
    rows = [
        (
            *(line["day"], line["agentId"], str(line["jobs"]), str(line["faults"])),
            *(trimmed(line[name]) for name in sums),
        )
        for line in lines
    ]
    show(found, lines, ("day", "agent", "jobs", "faults", *sums), rows)


@app.command()
def payout(
    context: typer.Context,
    amount: Annotated[
        float | None, typer.Argument(min=0, help="BazaarBucks; all that is available without.")
    ] = None,
) -> None:
    """Have what was earned paid out."""
    found = config.of(context)
    one = Api(found).post("/api/seller/payouts", {"amount": amount})
    show(
        found, one, ("id", "amount", "status"), [(one["id"], trimmed(one["amount"]), one["status"])]
    )


@app.command()
def payouts(context: typer.Context, limit: Limit = 20) -> None:
    """Your payouts, the newest first."""
    found = config.of(context)
    all_ = Api(found).pages("/api/seller/payouts", limit)
    rows = [
        (one["createdAt"], one["id"], trimmed(one["amount"]), one["status"], one["note"] or "")
        for one in all_
    ]
    show(found, all_, ("time", "id", "amount", "status", "note"), rows)


@app.command()
def onboard(context: typer.Context) -> None:
    """Be onboarded at Stripe: the address of the page where you say where your bank is."""
    found = config.of(context)
    one = Api(found).post("/api/seller/onboarding", None)
    if not found.as_json:
        say("Open this page within some minutes; it is good for one visit:")
    show(found, one, ("what", "value"), one.items())
