"""The yardstick: one FastAPI process with SQLAlchemy, as somebody would write it in a day.

The same routes on the same kind of PostgreSQL, and no more care than that takes: a call of an agent
is one transaction after the answer, and the payment is written when the caller has it. A crash in
between loses work, and nothing is held before. So it is as fast as such a server can be.

Run by `bench.performance` with DATABASE_URL, AGENT_URL and PORT in the environment.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import httpx
import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import JSON, DateTime, ForeignKey, Numeric, String, Text, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

MONEY = Numeric(20, 6)
AGENTS = ("summarizer", "translator", "search", "mock_busy", "mock_highprice", "mock_negotiator")
PAGE = 100

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"),
    pool_size=20,
    max_overflow=0,
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
http = httpx.AsyncClient(timeout=30)


def new_id() -> str:
    return uuid.uuid4().hex


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        Decimal: MONEY,
        datetime: DateTime(timezone=True),
        list[str]: JSON,
    }


class AgentRow(Base):
    """An agent as it is listed."""

    __tablename__ = "agents"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    skills: Mapped[list[str]]
    capabilities: Mapped[list[str]]
    base_price: Mapped[Decimal]
    dynamic_price: Mapped[Decimal]
    load: Mapped[int] = mapped_column(default=0)
    rating: Mapped[float] = mapped_column(default=5.0)
    jobs_completed: Mapped[int] = mapped_column(default=0)
    endpoint_url: Mapped[str] = mapped_column(Text)
    avg_response_time: Mapped[int] = mapped_column(default=0)
    availability: Mapped[bool] = mapped_column(default=True)


class TaskRow(Base):
    """A task."""

    __tablename__ = "tasks"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    user_query: Mapped[str] = mapped_column(Text)
    required_skills: Mapped[list[str]]
    status: Mapped[str] = mapped_column(String(12), default="created")
    max_budget: Mapped[Decimal]
    total_cost: Mapped[Decimal] = mapped_column(default=Decimal(0))
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    completed_at: Mapped[datetime | None]


class StepRow(Base):
    """A call of an agent."""

    __tablename__ = "steps"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id"), index=True)
    agent_id: Mapped[str] = mapped_column(String(64))
    subtask_type: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(12))
    cost: Mapped[Decimal]
    external_cost: Mapped[Decimal]
    requires_external_tool: Mapped[bool]
    result: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    completed_at: Mapped[datetime] = mapped_column(default=now)


class PaymentRow(Base):
    """What an agent was paid."""

    __tablename__ = "payments"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    task_id: Mapped[str] = mapped_column(String(64), index=True)
    agent_id: Mapped[str] = mapped_column(String(64))
    amount: Mapped[Decimal]
    type: Mapped[str] = mapped_column(String(20), default="agent_payment")
    created_at: Mapped[datetime] = mapped_column(default=now)


class Shown(BaseModel):
    """Of all bodies."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


class Agent(Shown):
    """An agent as it is shown."""

    id: str
    name: str
    description: str
    skills: list[str]
    capabilities: list[str]
    base_price: float
    dynamic_price: float
    load: int
    rating: float
    jobs_completed: int
    endpoint_url: str
    avg_response_time: int
    availability: bool


class Wish(Shown):
    """Body of POST /api/tasks."""

    user_query: str
    required_skills: list[str] = []
    max_budget: float = 1.0


class Task(Wish):
    """A task as it is shown."""

    id: str
    status: str
    total_cost: float
    created_at: datetime
    completed_at: datetime | None


class Step(Shown):
    """A step as it is shown."""

    id: str
    task_id: str
    agent_id: str
    subtask_type: str
    status: str
    cost: float
    external_cost: float
    requires_external_tool: bool
    result: str
    created_at: datetime
    completed_at: datetime


class Invocation(Shown):
    """Body of POST /api/invoke-agent."""

    agent_id: str
    task_id: str
    payload: dict[str, Any]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Create the tables, and list six agents."""
    async with engine.begin() as conn:
        await conn.run_sync(Base.metadata.create_all)
    async with sessions.begin() as db:
        for name in AGENTS:
            listing = AgentRow(
                id=name,
                name=f"{name} agent",
                description="Does what its name says, for whoever pays",
                skills=["summarize", "condense", "extract"],
                capabilities=["Summarizes articles", "Extracts key points"],
                base_price=Decimal("0.05"),
                dynamic_price=Decimal("0.05"),
                endpoint_url=os.environ["AGENT_URL"],
            )
            db.add(listing)
    yield


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as db:
        yield db


Db = Annotated[AsyncSession, Depends(session)]
app = FastAPI(lifespan=lifespan)


@app.get("/api/agents", response_model=list[Agent])
async def agents(db: Db) -> Any:
    return (await db.execute(select(AgentRow).limit(PAGE))).scalars().all()


@app.get("/api/tasks", response_model=list[Task])
async def tasks(db: Db) -> Any:
    newest = select(TaskRow).order_by(TaskRow.created_at.desc()).limit(PAGE)
    return (await db.execute(newest)).scalars().all()


@app.get("/api/tasks/{task_id}/steps", response_model=list[Step])
async def steps(task_id: str, db: Db) -> Any:
    found = select(StepRow).where(StepRow.task_id == task_id).order_by(StepRow.created_at)
    return (await db.execute(found.limit(PAGE))).scalars().all()


@app.post("/api/tasks", response_model=Task)
async def create_task(body: Wish, db: Db) -> Any:
    row = TaskRow(**body.model_dump())
    db.add(row)
    await db.commit()
    return row


async def pay(task_id: str, agent_id: str, amount: Decimal) -> None:
    async with sessions.begin() as db:
        db.add(PaymentRow(task_id=task_id, agent_id=agent_id, amount=amount))


@app.post("/api/invoke-agent")
async def invoke(body: Invocation, later: BackgroundTasks, db: Db) -> dict[str, Any]:
    """Call the agent, note what it did, and pay it when the caller has been answered."""
    agent = await db.get(AgentRow, body.agent_id)
    if agent is None:
        raise HTTPException(404)
    answer = await http.post(f"{agent.endpoint_url}/execute", json=body.payload)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    cost = Decimal(str(found["cost"]))
    task = await db.get(TaskRow, body.task_id)
    if task is None:
        raise HTTPException(404)
    step = StepRow(
        task_id=task.id,
        agent_id=agent.id,
        subtask_type=found["subtask_type"],
        status="completed",
        cost=cost,
        external_cost=Decimal(str(found["external_cost"])),
        requires_external_tool=found["requires_external_tool"],
        result=found["result"],
    )
    db.add(step)
    task.total_cost += cost
    agent.jobs_completed += 1
    await db.commit()
    later.add_task(pay, task.id, agent.id, cost)
    return {**found, "taskId": task.id, "stepId": step.id}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
