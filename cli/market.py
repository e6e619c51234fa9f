"""Agents: which there are, listing one's own, looking at one before it is listed."""

from typing import Annotated

import httpx
import typer

from cli import config
from cli.api import Api, Json
from cli.errors import Code, Failed
from cli.output import money, note, show

app = typer.Typer(no_args_is_help=True)
CHECK_S = 10.0
WANTED = ("name", "description", "skills", "base_price")


@app.command("list")
def list_agents(context: typer.Context) -> None:
    """All agents, with price, load and rating."""
    found = config.of(context)
    agents = Api(found).get("/api/agents", limit=500)
    rows = [
        (
            *(agent["id"], agent["name"], ",".join(agent["skills"])),
            *(money(agent["dynamicPrice"]), f"{agent['load']}/10", f"{agent['rating']:.2f}"),
            _state(agent),
        )
        for agent in agents
    ]
    show(found, agents, ("id", "name", "skills", "price", "load", "rating", "state"), rows)


@app.command()
def get(context: typer.Context, agent: str) -> None:
    """One agent, all of it."""
    found = config.of(context)
    one = Api(found).get(f"/api/agents/{agent}")
    show(found, one, ("what", "value"), one.items())


@app.command()
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the agent answers.")],
    agent: Annotated[str | None, typer.Option("--id", help="Its id; else one is made.")] = None,
    price: Annotated[float | None, typer.Option(min=0, help="BazaarBucks per call.")] = None,
) -> None:
    """List an agent; what is left out is asked of the agent itself."""
    found = config.of(context)
    body = {"id": agent, "endpointUrl": url, "basePrice": price}
    one = Api(found).post("/api/agents", body)
    show(found, one, ("id", "name", "price"), [(one["id"], one["name"], money(one["basePrice"]))])


@app.command()
def check(
    context: typer.Context, url: Annotated[str, typer.Argument(help="Where it answers.")]
) -> None:
    """Look at an agent before it is listed: what it answers to /health and /info."""
    found = config.of(context)
    rows = [*_look(url.rstrip("/"))]
    right = all(well for _, well, _ in rows)
    shown = [(name, "ok" if well else "wrong", text) for name, well, text in rows]
    show(found, {"ok": right, "found": shown}, ("what", "", "found"), shown)
    if not right:
        raise typer.Exit(Code.FAILED)


@app.command()
def price(
    context: typer.Context, agent: str, amount: Annotated[float, typer.Argument(min=0)]
) -> None:
    """Change what a call of your agent costs when it is idle, in BazaarBucks."""
    found = config.of(context)
    one = Api(found).patch(f"/api/agents/{agent}", {"basePrice": amount})
    show(found, one, ("id", "price"), [(one["id"], money(one["basePrice"]))])


@app.command()
def suspend(
    context: typer.Context,
    agent: str,
    reason: Annotated[str, typer.Option(help="Shown to who would have bought it.")] = "Suspended.",
) -> None:
    """Take your agent off the market for a while."""
    _moved(context, agent, "suspend", {"reason": reason})


@app.command()
def resume(context: typer.Context, agent: str) -> None:
    """Put your suspended agent back on the market."""
    _moved(context, agent, "resume", None)


def _moved(context: typer.Context, agent: str, verb: str, body: Json) -> None:
    found = config.of(context)
    one = Api(found).post(f"/api/agents/{agent}/{verb}", body)
    show(found, one, ("id", "state"), [(one["id"], _state(one))])


def _state(agent: Json) -> str:
    listed = str(agent.get("state", "active"))
    return listed if listed != "active" else "available" if agent["availability"] else "away"


def _look(url: str) -> list[tuple[str, bool, str]]:
    try:
        with httpx.Client(timeout=CHECK_S, trust_env=False) as client:
            health, info = client.get(f"{url}/health"), client.get(f"{url}/info")
        described = info.json() if info.is_success else {}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Failed(f"{url} does not answer: {type(error).__name__}", Code.AWAY) from None
    rows = [
        (f"GET {path}", one.is_success, str(one.status_code))
        for path, one in (("/health", health), ("/info", info))
    ]
    if not isinstance(described, dict):
        raise Failed(f"{url}/info answers no JSON object.")
    rows += [
        (name, bool(described.get(name)), str(described.get(name, "missing"))) for name in WANTED
    ]
    if "input_schema" not in described:
        note("Without input_schema in /info, HubChat's Claude does not know what to send.")
    return rows
