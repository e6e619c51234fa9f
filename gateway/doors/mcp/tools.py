"""The tools: what each takes and gives, and what of the API it asks."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, JsonValue, ValidationError
from starlette.types import Scope

from contracts import api, bodies
from contracts.base import Id, Model
from contracts.listings import Sorting
from gateway.doors.shared.answers import place
from gateway.doors.shared.inside import Inside
from gateway.errors import sentence

Arguments = dict[str, Any]
Run = Callable[[Inside, Scope, Arguments], Coroutine[Any, Any, dict[str, Any]]]

KEY = "idempotencyKey"
Key = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]
MOST_STEPS = 500


class WrongArguments(Exception):
    """They are not the tool's; `args[0]` is a sentence for whoever gave them."""


class Wanted(bodies.Body):
    """Which agents are wanted; without anything all, in the order in which they were listed."""

    q: str | None = Field(default=None, description="Words; each is in what it says of itself.")
    skill: str | None = Field(default=None, description="A skill, in its very words.")
    available: bool | None = None
    max_price: bodies.AskedMoney | None = Field(default=None, description="BazaarBucks per call.")
    min_rating: float | None = Field(default=None, ge=0, le=5)
    sort: Sorting = "oldest"
    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, description="`nextCursor` of the page before.")


class OneTask(bodies.Body):
    """A task of the account."""

    task_id: Id


class Nothing(bodies.Body):
    """No arguments."""


class Call(bodies.Invocation):
    """A call of an agent; see POST /api/invoke-agent."""

    idempotency_key: Key | None = Field(
        default=None,
        description="A call that is sent again with its key is not carried out, or paid, again.",
    )


class Wish(bodies.ChatInput):
    """A wish for HubChat; see POST /api/hubchat/message."""

    idempotency_key: Key | None = Field(
        default=None,
        description="A wish that is sent again with its key is waited for once more.",
    )


class FoundAgents(Model):
    """A page of agents."""

    agents: list[api.Agent]
    next_cursor: str | None = None


class TaskAndSteps(Model):
    """A task, and the calls that were made for it."""

    task: api.Task
    steps: list[api.TaskStep]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool.

    Attributes:
        says: what it is for, to whoever chooses a tool.
        takes: its arguments; they are checked here where the API would not see them as they came.
        gives: its structured result.
        run: carries it out.
        long: whether it may take a while, so that its progress is told.
        reads: whether it changes nothing.
    """

    says: str
    takes: type[BaseModel]
    gives: type[BaseModel]
    run: Run
    long: bool = False
    reads: bool = True


async def _search(inside: Inside, outer: Scope, given: Arguments) -> dict[str, Any]:
    query = _checked(Wanted, given)
    said = await inside.ask(outer, "GET", "/api/agents", query=query)
    return {"agents": said.json(), "nextCursor": said.next_cursor}


async def _quote(inside: Inside, outer: Scope, given: Arguments) -> dict[str, Any]:
    return _object(await inside.post(outer, "/api/quotes", given))


async def _invoke(inside: Inside, outer: Scope, given: Arguments) -> dict[str, Any]:
    body = {name: value for name, value in given.items() if name != KEY}
    return _object(await inside.post(outer, "/api/invoke-agent", body, _key(given)))


async def _ask(inside: Inside, outer: Scope, given: Arguments) -> dict[str, Any]:
    body = {name: value for name, value in given.items() if name != KEY}
    return _object(await inside.post(outer, "/api/hubchat/message", body, _key(given)))


async def _task(inside: Inside, outer: Scope, given: Arguments) -> dict[str, Any]:
    id_ = _checked(OneTask, given)["taskId"]
    task = await inside.get(outer, place("/api/tasks/{}", id_))
    steps = await inside.get(outer, place("/api/tasks/{}/steps", id_), limit=MOST_STEPS)
    return {"task": task, "steps": steps}


async def _cancel(inside: Inside, outer: Scope, given: Arguments) -> dict[str, Any]:
    id_ = _checked(OneTask, given)["taskId"]
    return _object(await inside.post(outer, place("/api/tasks/{}/cancel", id_), None))


async def _receipt(inside: Inside, outer: Scope, given: Arguments) -> dict[str, Any]:
    id_ = _checked(OneTask, given)["taskId"]
    return _object(await inside.get(outer, place("/api/tasks/{}/receipt", id_)))


async def _wallet(inside: Inside, outer: Scope, given: Arguments) -> dict[str, Any]:
    _checked(Nothing, given)
    return _object(await inside.get(outer, "/api/wallet"))


TOOLS: dict[str, Tool] = {
    "search_agents": Tool(
        "Find agents on the market, with their skills, prices at the present load and ratings.",
        Wanted,
        FoundAgents,
        _search,
    ),
    "quote": Tool(
        "Ask what a call of an agent costs. A call that names the quote pays no more.",
        bodies.NewQuote,
        api.Quote,
        _quote,
    ),
    "invoke_agent": Tool(
        "Call an agent and wait for its answer. Money is set aside first and paid when it succeeds;"
        " a failure costs nothing. maxPrice is the most that it may cost.",
        Call,
        api.InvocationResult,
        _invoke,
        long=True,
        reads=False,
    ),
    "ask_hubchat": Tool(
        "Say in words what is wanted: HubChat chooses, calls and pays the agents, within"
        " maxBudget. When `done` is false it is still at work: ask again with the same"
        " idempotencyKey, or look at the task.",
        Wish,
        api.ChatAnswer,
        _ask,
        long=True,
        reads=False,
    ),
    "get_task": Tool("How a task stands, and its steps.", OneTask, TaskAndSteps, _task),
    "cancel_task": Tool(
        "Cancel a task: no further step begins, what is held comes back, what is paid stays paid.",
        OneTask,
        api.Cancellation,
        _cancel,
        reads=False,
    ),
    "get_receipt": Tool("What each step of a task cost.", OneTask, api.Receipt, _receipt),
    "wallet": Tool(
        "What is in the wallet, and what of it is available.", Nothing, api.Wallet, _wallet
    ),
}


def _checked(model: type[BaseModel], given: Arguments) -> dict[str, Any]:
    """Arguments as a query has them; those that are left out are not there."""
    try:
        wanted = model.model_validate(given)
    except ValidationError as error:
        raise WrongArguments(sentence(error.errors())) from None
    return wanted.model_dump(mode="json", by_alias=True, exclude_none=True)


def _key(given: Arguments) -> str | None:
    """The key of a call; what is none is refused by the API, in its words."""
    key: JsonValue = given.get(KEY)
    return None if key is None else str(key)


def _object(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = value
    return found
