"""The yardstick: one FastAPI process with SQLAlchemy that does an invocation's work without a bus.

The same rows as the marketplace: a task, a step, a hold under the budget and the wallet's row
lock, the call of the agent over HTTP, the capture with its ledger lines, the payment record, and
the agent's counters. Two transactions, as anybody would write it: one before the call, one after.

Run by bench/invoke.py with DATABASE_URL, AGENT_URL and PORT in the environment.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import JSON, Column, MetaData, Numeric, String, Table, Text, insert, select, update
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

metadata = MetaData()
MONEY = Numeric(20, 6)


def _table(name: str, *columns: Column[Any]) -> Table:
    return Table(name, metadata, Column("id", String(64), primary_key=True), *columns)


agents = _table(
    "plain_agents",
    Column("url", Text),
    Column("price", MONEY),
    Column("active", Numeric, server_default="0"),
    Column("jobs", Numeric, server_default="0"),
    Column("ms", Numeric, server_default="0"),
)
tasks = _table(
    "plain_tasks",
    Column("query", Text),
    Column("status", String(12)),
    Column("max_budget", MONEY),
    Column("held", MONEY, server_default="0"),
    Column("total_cost", MONEY, server_default="0"),
)
steps = _table(
    "plain_steps",
    Column("task_id", String(64)),
    Column("agent_id", String(64)),
    Column("status", String(12)),
    Column("payload", JSON),
    Column("result", Text),
    Column("cost", MONEY, server_default="0"),
)
wallets = _table("plain_wallets", Column("posted", MONEY), Column("held", MONEY))
holds = _table(
    "plain_holds",
    Column("task_id", String(64)),
    Column("amount", MONEY),
    Column("status", String(12)),
)
entries = _table(
    "plain_entries",
    Column("transfer_id", String(64)),
    Column("account", String(80)),
    Column("amount", MONEY),
)
payments = _table(
    "plain_payments",
    Column("task_id", String(64)),
    Column("agent_id", String(64)),
    Column("amount", MONEY),
    Column("type", String(20)),
)

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
engine = create_async_engine(url, pool_size=20, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)
http = httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=64))


class Invocation(BaseModel):
    """Body of POST /api/invoke-agent."""

    agentId: str  # noqa: N815  (the name on the wire)
    payload: dict[str, Any]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Create the tables, one agent and one wallet."""
    async with engine.begin() as conn:
        await conn.run_sync(metadata.create_all)
        await conn.execute(
            insert(agents).values(id="instant", url=os.environ["AGENT_URL"], price=Decimal("0.01"))
        )
        await conn.execute(insert(wallets).values(id="demo", posted=Decimal(1_000_000), held=0))
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/api/invoke-agent")
async def invoke(body: Invocation) -> dict[str, Any]:
    """Call the agent and pay it."""
    task_id, step_id = uuid.uuid4().hex, uuid.uuid4().hex
    async with sessions() as db, db.begin():
        agent = (await db.execute(select(agents).where(agents.c.id == body.agentId))).one_or_none()
        if agent is None:
            raise HTTPException(404)
        await db.execute(
            insert(tasks).values(id=task_id, query="call", status="in_progress", max_budget=1)
        )
        await db.execute(
            insert(steps).values(
                id=step_id,
                task_id=task_id,
                agent_id=agent.id,
                status="in_progress",
                payload=body.payload,
            )
        )
        await db.execute(
            insert(holds).values(id=step_id, task_id=task_id, amount=agent.price, status="held")
        )
        covered = await db.execute(
            update(tasks)
            .where(
                tasks.c.id == task_id,
                tasks.c.held + tasks.c.total_cost + agent.price <= tasks.c.max_budget,
            )
            .values(held=tasks.c.held + agent.price)
            .returning(tasks.c.id)
        )
        paid = await db.execute(
            update(wallets)
            .where(wallets.c.id == "demo", wallets.c.posted - wallets.c.held >= agent.price)
            .values(held=wallets.c.held + agent.price)
            .returning(wallets.c.id)
        )
        if covered.one_or_none() is None or paid.one_or_none() is None:
            raise HTTPException(402)
        await db.execute(
            update(agents).where(agents.c.id == agent.id).values(active=agents.c.active + 1)
        )
    answer = await http.post(
        f"{agent.url}/execute", json=body.payload, headers={"Idempotency-Key": step_id}
    )
    answer.raise_for_status()
    found = answer.json()
    cost = Decimal(str(found["cost"]))
    async with sessions() as db, db.begin():
        await db.execute(
            update(steps)
            .where(steps.c.id == step_id)
            .values(status="completed", result=found["result"], cost=cost)
        )
        await db.execute(
            update(tasks)
            .where(tasks.c.id == task_id)
            .values(
                status="completed",
                total_cost=tasks.c.total_cost + cost,
                held=tasks.c.held - agent.price,
            )
        )
        await db.execute(update(holds).where(holds.c.id == step_id).values(status="captured"))
        await db.execute(
            update(wallets)
            .where(wallets.c.id == "demo")
            .values(held=wallets.c.held - agent.price, posted=wallets.c.posted - cost)
        )
        transfer = uuid.uuid4().hex
        await db.execute(
            insert(entries),
            [
                {
                    "id": uuid.uuid4().hex,
                    "transfer_id": transfer,
                    "account": name,
                    "amount": amount,
                }
                for name, amount in (("wallet:demo", -cost), (f"agent:{agent.id}", cost))
            ],
        )
        await db.execute(
            insert(payments).values(
                id=uuid.uuid4().hex,
                task_id=task_id,
                agent_id=agent.id,
                amount=cost,
                type="agent_payment",
            )
        )
        await db.execute(
            update(agents)
            .where(agents.c.id == agent.id)
            .values(active=agents.c.active - 1, jobs=agents.c.jobs + 1, ms=agents.c.ms + 1)
        )
    return {
        "result": found["result"],
        "cost": float(cost),
        "subtaskType": found["subtask_type"],
        "requiresExternalTool": False,
        "externalCost": 0.0,
    }


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
