"""Tasks, their steps, and calling an agent."""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from contracts import api, bodies
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
from gateway.asking import answer, ask, keyed_effect, known_id, made, shown
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.pages import LINKED, SAME, Paging, listed
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["tasks"], route_class=StrictRoute)
posts = APIRouter(tags=["tasks"], route_class=JsonRoute)


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
    found = await ask(request, GET_TASK, GetTask(task_id=known_id(id, "Task")))
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
    "/api/invoke-agent",
    summary="Call an agent and wait for its answer",
    response_model=api.InvocationResult,
    responses=problems(400, 402, 404, 409, 415, 502, 504),
)
async def invoke_agent(request: Request, body: bodies.Invocation) -> Response:
    """Money is set aside before the call and paid when it succeeds; a failure costs nothing.

    Without a `taskId`, a task is made for the call.
    """
    order = made(InvokeAgent, step_id=keyed_effect(request), **dict(body))
    result = await ask(request, INVOKE_AGENT, order)
    return answer(shown(api.InvocationResult, result))
