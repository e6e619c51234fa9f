"""Agents: which there are, listing one's own, looking at one before it is listed."""

import asyncio
from typing import Annotated

import typer

from chassis.observability.terminal import one_line
from cli import config
from cli.api import Api, Json, part
from cli.errors import Code
from cli.output import say, show
from deploy.local.telling import trimmed

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_agents(context: typer.Context) -> None:
    """All agents, with price, load and rating."""
    found = config.of(context)
    agents = Api(found).pages("/api/agents")
    rows = [
        (
            *(agent["id"], agent["name"], ",".join(agent["skills"])),
            *(trimmed(agent["dynamicPrice"]), f"{agent['load']}/10", f"{agent['rating']:.2f}"),
            _state(agent),
        )
        for agent in agents
    ]
    show(found, agents, ("id", "name", "skills", "price", "load", "rating", "state"), rows)


@app.command()
def get(context: typer.Context, agent: str) -> None:
    """One agent, all of it."""
    found = config.of(context)
    one = Api(found).get(f"/api/agents/{part(agent)}")
    show(found, one, ("what", "value"), one.items())


@app.command()
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the agent answers.")],
    agent: Annotated[str | None, typer.Option("--id", help="Its id; else one is made.")] = None,
    price: Annotated[float | None, typer.Option(min=0, help="BazaarBucks per call.")] = None,
    name: Annotated[str | None, typer.Option(help="What people see.")] = None,
    skill: Annotated[list[str] | None, typer.Option(help="What it does; may be repeated.")] = None,
) -> None:
    """List an agent; what is left out is asked of the agent itself."""
    found = config.of(context)
    body = {
        "id": agent,
        "name": name,
        "endpointUrl": url,
        "skills": skill or None,
        "basePrice": price,
    }
    one = Api(found).post("/api/agents", body)
    show(found, one, ("id", "name", "price"), [(one["id"], one["name"], trimmed(one["basePrice"]))])


@app.command("import")
def import_(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the agent, its card or the MCP server is.")],
    agent: Annotated[str | None, typer.Option("--id", help="Its id; else one is made.")] = None,
    price: Annotated[
        float | None, typer.Option(min=0, help="BazaarBucks per call, if it says none itself.")
    ] = None,
) -> None:
    """List what is found at an address, or bring what you listed from there up to date."""
    found = config.of(context)
    body = {"url": url, "id": agent, "basePrice": price}
    listed = Api(found).post("/api/agents/import", body)
    rows = [(one["id"], one["name"], one["protocol"], trimmed(one["basePrice"])) for one in listed]
    show(found, listed, ("id", "name", "protocol", "price"), rows)


@app.command()
def retire(context: typer.Context, agent: str) -> None:
    """Take your agent off the market for good; its name stays yours."""
    found = config.of(context)
    one = Api(found).delete(f"/api/agents/{part(agent)}")
    show(found, one, ("id", "state"), [(one["id"], _state(one))])


@app.command()
def check(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the agent, its card or the MCP server is.")],
) -> None:
    """Say whether an agent will work here, and why not; nothing is listed, and no work given."""
    from registry_svc.check_agent import check

    found, said = config.of(context), list[tuple[str, str]]()

    def tell(state: str, words: str) -> None:
        said.append((state, words))
        if not found.as_json:
            say(f"{state:5}  {one_line(words)}")

    right = asyncio.run(check(url, tell))
    if found.as_json:
        show(
            found,
            {"ok": right, "found": [{"state": state, "found": words} for state, words in said]},
            (),
            (),
        )
    else:
        say("It will work here: list it." if right else "It will not work here yet.")
    if not right:
        raise typer.Exit(Code.FAILED)


@app.command()
def price(
    context: typer.Context, agent: str, amount: Annotated[float, typer.Argument(min=0)]
) -> None:
    """Change what a call of your agent costs when it is idle, in BazaarBucks."""
    found = config.of(context)
    one = Api(found).patch(f"/api/agents/{part(agent)}", {"basePrice": amount})
    show(found, one, ("id", "price"), [(one["id"], trimmed(one["basePrice"]))])


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
    one = Api(found).post(f"/api/agents/{part(agent)}/{verb}", body)
    show(found, one, ("id", "state"), [(one["id"], _state(one))])


def _state(agent: Json) -> str:
    listed = str(agent.get("state", "active"))
    return listed if listed != "active" else "available" if agent["availability"] else "away"
