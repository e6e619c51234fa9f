"""A new agent of about twenty lines, with its test."""

import re
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import Code, Failed
from cli.output import note

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

AGENT = '''"""{title}: an agent for AgentBazaar. Run it: uvicorn {name}:app --port 9000"""

from fastapi import FastAPI
from pydantic import BaseModel, Field

PRICE = 0.05
app = FastAPI(title="{title}")


class Payload(BaseModel):
    """What the agent is asked."""

    text: str = Field(min_length=1, description="What to work on.")


@app.post("/execute")
async def execute(payload: Payload) -> dict:
    return {{"result": payload.text[::-1], "cost": PRICE, "subtask_type": "{skill}",
            "requires_external_tool": False, "external_cost": 0}}


@app.get("/health")
async def health() -> dict:
    return {{"status": "healthy", "agent": "{name}"}}


@app.get("/info")
async def info() -> dict:
    return {{"name": "{title}", "description": "Turns a text around.", "skills": ["{skill}"],
            "base_price": PRICE, "agent_type": "{name}",
            "input_schema": Payload.model_json_schema()}}
'''
TEST = '''"""The agent does its work, says what it costs, and refuses what it cannot do."""

from fastapi.testclient import TestClient

from {name} import PRICE, app

client = TestClient(app)


def test_it_works():
    answer = client.post("/execute", json={{"text": "hello"}})
    assert answer.status_code == 200
    assert (answer.json()["result"], answer.json()["cost"]) == ("olleh", PRICE)


def test_it_describes_itself():
    info = client.get("/info").json()
    assert info["skills"] == ["{skill}"] and info["base_price"] == PRICE
    assert client.get("/health").json()["status"] == "healthy"


def test_it_refuses_nothing_to_do():
    assert client.post("/execute", json={{"text": ""}}).status_code == 422
'''


def new_agent(
    name: Annotated[str, typer.Argument(help="Small letters, digits and _.")],
    folder: Annotated[Path, typer.Option(help="Where the two files go.")] = Path(),
) -> None:
    """Write an agent of about twenty lines, with its test."""
    if not NAME.fullmatch(name):
        raise Failed("The name has to be small letters, digits and _, a letter first.", Code.USAGE)
    words = {"name": name, "title": name.replace("_", " ").title(), "skill": name}
    files = {folder / f"{name}.py": AGENT, folder / f"test_{name}.py": TEST}
    for path in files:
        if path.exists():
            raise Failed(f"{path} is there already.")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text.format(**words), "utf-8")
        note(f"wrote {path}")
    at = "" if folder == Path() else f"--app-dir {folder} "
    note("Next:")
    note(f"  pytest {folder / f'test_{name}.py'}")
    note(f"  uvicorn {at}{name}:app --port 9000")
    note("  bazaar agents check http://127.0.0.1:9000")
    note(f"  bazaar agents add http://127.0.0.1:9000 --id {name}")
