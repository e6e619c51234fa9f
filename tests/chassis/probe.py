"""A service made for the tests of the chassis: its own schema, messages and calls."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Integer, String, Table, insert
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.db import grants
from chassis.db.database import async_url
from chassis.db.schema import service_metadata
from chassis.provision import provision
from chassis.service import Service
from chassis.settings import ServiceSettings
from contracts.base import Call, Command, Id, Model, Money, Page, Payload, TaskEvent
from tests.support.stack import Stack, logins

metadata = service_metadata("probe")
effects = Table(
    "effects",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("task_id", String(64), nullable=False),
    Column("what", String(20), nullable=False),
)


class Happened(TaskEvent):
    """Something happened to a task."""

    type = "probe.happened"
    what: str = "something"
    number: int = 0


class Order(Command):
    """Something is to be done."""

    type = "probe.do"
    task_id: Id

    def entity_id(self) -> str:
        return self.task_id


class Question(Page):
    """A request with fields of every kind."""

    text: str = ""
    amount: Money = Decimal(0)
    nested: Page | None = None
    data: Payload | None = None


class Answer(Model):
    """What was asked."""

    text: str


ASK = Call("probe", "ask", Question, Answer)
Answerer = Callable[..., Awaitable[Answer]]


async def prepare(stack: Stack) -> str:
    """Make the schema of the probe; the URL of its own role."""
    await provision(stack.admin_url, logins("probe"))
    engine = create_async_engine(async_url(stack.owner_url("probe")))
    async with engine.begin() as conn:
        await conn.run_sync(metadata.create_all)
        await conn.run_sync(grants.grant, metadata)
    await engine.dispose()
    return stack.database_url("probe")


def build(stack: Stack, answer: Answerer | None = None, **settings: Any) -> Service:
    """The probe, wired but not started; `answer` is what answers `ASK`."""
    service = Service(
        "probe",
        ServiceSettings.model_validate(
            {
                "nats_url": stack.nats_url,
                "database_url": stack.database_url("probe"),
                "database_pool": 4,
                "outbox_workers": 2,
                **settings,
            }
        ),
        metadata,
    )
    if answer is not None:
        service.answer(ASK, answer)
    return service


async def note(conn: Any, task_id: str, what: str) -> None:
    """Leave a trace in the database."""
    await conn.execute(insert(effects).values(task_id=task_id, what=what))
