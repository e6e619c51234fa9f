"""Tasks, their steps, and calling an agent."""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from contracts import api, bodies
from contracts.errors import Conflict, Invalid, NotFound
from contracts.quotes import ASK_QUOTE, AskQuote, agent_of
from contracts.registry import RATE_TASK, RateTask, TaskRating
from contracts.task import (
    CREATE_TASK,
    GET_TASK,
    INVOKE_AGENT,
    LIST_STEPS,
    LIST_TASKS,
    CreateTask,
    GetTask,
    InvokeAgent,
    ListSteps,
    ListTasks,
)
from gateway.asking import answer, ask, keyed_effect, known_id, made, only_own, shown
from gateway.bodies import JsonRoute
from gateway.choosing import chosen_for
from gateway.errors import problems
from gateway.pages import LINKED, SAME, Paging, listed
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["tasks"], route_class=StrictRoute)
posts = APIRouter(tags=["tasks"], route_class=JsonRoute)


NO_QUOTE = "There is no such quote."
_TASK_LIST = TypeAdapter(list[api.Task])
_STEP_LIST = TypeAdapter(list[api.TaskStep])


@router.get(
    "/api/tasks",
    summary="The tasks, newest first",
    response_model=list[api.Task],
    responses={200: LINKED, **SAME, **problems(504)},
)
async def list_tasks(request: Request, page: Paging) -> Response:
    """Each with its status, its budget, and what it cost so far."""
    question = ListTasks(limit=page.limit, cursor=page.cursor)
    return await listed(request, page, LIST_TASKS, question, _TASK_LIST)


@router.get(
    "/api/tasks/{id}",
    summary="One task",
    response_model=api.Task,
    responses={**SAME, **problems(404, 504)},
)
async def get_task(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """A task as it stands now."""
    task_id = known_id(id, "Task")
    await only_own(request, task_id)
    found = await ask(request, GET_TASK, GetTask(task_id=task_id))
    return answer(shown(api.Task, found.task))


@router.get(
    "/api/tasks/{id}/steps",
    summary="The steps of a task, oldest first",
    response_model=list[api.TaskStep],
    responses={200: LINKED, **SAME, **problems(404, 504)},
)
async def list_steps(request: Request, id: PathId, page: Paging) -> Response:  # noqa: A002  (as above)
    """Each is one call of one agent, with its result and its cost."""
    task_id = known_id(id, "Task")
    await only_own(request, task_id)
    question = ListSteps(task_id=task_id, limit=page.limit, cursor=page.cursor)
    return await listed(request, page, LIST_STEPS, question, _STEP_LIST)


@posts.post(
    "/api/tasks",
    summary="Make a task",
    response_model=api.Task,
    responses=problems(400, 415, 504),
)
async def create_task(request: Request, body: bodies.NewTask) -> Response:
    """Later calls of agents may belong to it; it is completed when each skill has its step."""
    order = made(CreateTask, task_id=keyed_effect(request), **dict(body))
    return answer(shown(api.Task, (await ask(request, CREATE_TASK, order)).task))


@posts.post(
    "/api/tasks/{id}/rating",
    summary="Say what a task was worth",
    response_model=TaskRating,
    responses=problems(400, 404, 409, 415, 504),
)
async def rate_task(request: Request, id: PathId, body: bodies.Stars) -> Response:  # noqa: A002  (as above)
    """Once; the stars count for the agents that were paid for it, but the account's own."""
    task_id = known_id(id, "Task")
    found = await ask(request, LIST_STEPS, ListSteps(task_id=task_id, limit=500))
    paid = {one.agent_id for one in found.steps if one.status == "completed" and one.cost}
    if not paid:
        raise Conflict("No agent was paid for this task.")
    order = RateTask(task_id=task_id, stars=body.stars, agent_ids=sorted(paid))
    rating = await ask(request, RATE_TASK, order)
    return answer(rating)


@posts.post(
    "/api/invoke-agent",
    summary="Call an agent and wait for its answer",
    response_model=api.InvocationResult,
    responses=problems(400, 402, 404, 409, 415, 502, 504),
)
async def invoke_agent(request: Request, body: bodies.Invocation) -> Response:
    """Money is set aside before the call and paid when it succeeds; a failure costs nothing.

    With a `skill` in place of `agentId` the best agent is called, and the answer says why it was.
    Without a `taskId`, a task is made for the call. With a `quoteId` it costs what was quoted at
    most, and `agentId` may be left out.
    """
    await only_own(request, body.task_id)
    fields = dict(body)
    agent_id, chosen = body.agent_id, None
    if body.quote_id is None:
        agent_id, chosen = await chosen_for(request, agent_id, body.skill, body.max_price)
    elif body.skill is not None:
        raise Invalid("skill: a quote is of one agent; leave the skill out.")
    elif (agent_id := agent_id or agent_of(body.quote_id)) is None:
        raise NotFound(NO_QUOTE)
    fields["agent_id"] = agent_id
    order = made(InvokeAgent, step_id=keyed_effect(request), **fields)
    done = await ask(request, INVOKE_AGENT, order)
    result = shown(api.InvocationResult, done)
    if result.agent_id in (None, agent_id):
        result = result.model_copy(update={"chosen": chosen})
    return answer(result)


@posts.post(
    "/api/quotes",
    summary="Ask what a call of an agent costs",
    response_model=api.Quote,
    responses=problems(400, 404, 415, 504),
)
async def ask_quote(request: Request, body: bodies.NewQuote) -> Response:
    """A call that names the quote pays at most its price, until it expires; nothing is held.

    With a `skill` in place of `agentId` it is of the best agent, and says why it was chosen.
    """
    agent_id, chosen = await chosen_for(request, body.agent_id, body.skill)
    question = made(AskQuote, agent_id=agent_id, payload=body.payload)
    promised = await ask(request, ASK_QUOTE, question)
    return answer(shown(api.Quote, promised).model_copy(update={"chosen": chosen}))
