"""The yardstick of durable execution: the paid call as a DBOS workflow, on PostgreSQL.

Three steps, each recorded by DBOS: note that the call began, call the agent, book what came of it.
After a crash the workflow goes on with the first step that is not recorded; what it writes itself
may be written again.

Run by `bench.performance` in an environment of its own (dbos, fastapi, uvicorn, asyncpg, httpx; no
package of this project), with DATABASE_URL, AGENT_URL and PORT in the environment.
"""
# mypy: allow-untyped-decorators

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import uvicorn
from dbos import DBOS
from fastapi import FastAPI
from pydantic import BaseModel, Field

URL = os.environ["DATABASE_URL"]
TABLES = """
CREATE TABLE IF NOT EXISTS flow_tasks (
  id text PRIMARY KEY, query text NOT NULL, cost numeric(20, 6) NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS flow_steps (
  id text PRIMARY KEY, task_id text NOT NULL, agent_id text NOT NULL, status text NOT NULL,
  cost numeric(20, 6), result text, created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX IF NOT EXISTS flow_steps_task ON flow_steps (task_id);
CREATE TABLE IF NOT EXISTS flow_payments (
  step_id text PRIMARY KEY, task_id text NOT NULL, amount numeric(20, 6) NOT NULL);
"""

http = httpx.AsyncClient(timeout=30)
pool: asyncpg.Pool


class Wish(BaseModel):
    """Body of POST /api/tasks."""

    user_query: str = Field(alias="userQuery")


class Invocation(BaseModel):
    """Body of POST /api/invoke-agent."""

    agent_id: str = Field(alias="agentId")
    task_id: str = Field(alias="taskId")
    payload: dict[str, Any]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Create the tables, and begin with workflows."""
    global pool  # noqa: PLW0603  (steps of DBOS are functions, to which nothing can be bound)
    pool = await asyncpg.create_pool(URL, min_size=4, max_size=20)
    await pool.execute(TABLES)
    DBOS.launch()
    yield
    DBOS.destroy()
    await pool.close()


app = FastAPI(lifespan=lifespan)
DBOS(
    config={
        "name": "yardstick",
        "system_database_url": URL.replace("postgresql://", "postgresql+psycopg://"),
        "run_admin_server": False,
        "log_level": "ERROR",
    }
)


@DBOS.step()
async def begin(step_id: str, task_id: str, agent_id: str) -> None:
    """Note that the call began."""
    await pool.execute(
        "INSERT INTO flow_steps (id, task_id, agent_id, status)"
        " VALUES ($1, $2, $3, 'in_progress') ON CONFLICT DO NOTHING",
        step_id,
        task_id,
        agent_id,
    )


@DBOS.step()
async def execute(payload: dict[str, Any]) -> dict[str, Any]:
    """Call the agent."""
    answer = await http.post(f"{os.environ['AGENT_URL']}/execute", json=payload)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


@DBOS.step()
async def book(step_id: str, task_id: str, found: dict[str, Any]) -> None:
    """Note what came of it, and pay."""
    cost = Decimal(str(found["cost"]))
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "UPDATE flow_steps SET status = 'completed', cost = $2, result = $3 WHERE id = $1",
            step_id,
            cost,
            found["result"],
        )
        paid = await conn.execute(
            "INSERT INTO flow_payments VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            step_id,
            task_id,
            cost,
        )
        if paid == "INSERT 0 1":
            await conn.execute(
                "UPDATE flow_tasks SET cost = cost + $2 WHERE id = $1", task_id, cost
            )


@DBOS.workflow()
async def paid_call(task_id: str, agent_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The whole call."""
    step_id = str(DBOS.workflow_id)
    await begin(step_id, task_id, agent_id)
    found = await execute(payload)
    await book(step_id, task_id, found)
    return {**found, "taskId": task_id, "stepId": step_id}


@app.post("/api/tasks")
async def create_task(body: Wish) -> dict[str, Any]:
    """Make a task that calls can be of."""
    task_id = uuid.uuid4().hex
    await pool.execute(
        "INSERT INTO flow_tasks (id, query) VALUES ($1, $2)", task_id, body.user_query
    )
    return {"id": task_id}


@app.post("/api/invoke-agent")
async def invoke(body: Invocation) -> dict[str, Any]:
    """Begin the workflow, and wait for its end."""
    handle = await DBOS.start_workflow_async(paid_call, body.task_id, body.agent_id, body.payload)
    found: dict[str, Any] = await handle.get_result()
    return found


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
