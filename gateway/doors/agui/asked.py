"""What a front end sends to POST /agui, and what of it counts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ag_ui.core import ResumeEntry, RunAgentInput
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.doors.shared.serving import BUDGET, header, json_of
from gateway.errors import sentence

MAJOR = "1."
OTHER = "This speaks AG-UI 1.0; the version that was sent is another."


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that is asked for.

    Attributes:
        key: the same for the same run, so that a run that is sent again is done once.
        after: the place in the event stream that the caller has, as the last `id` said.
        state: what the run before left with the caller; it knows the task, and the turn.
    """

    input: RunAgentInput
    key: str
    after: str | None
    state: Mapping[str, Any]
    budget: Any

    @property
    def resume(self) -> list[ResumeEntry]:
        """The answers to interrupts; with any, no wish is looked for."""
        return self.input.resume or []

    def wish(self) -> dict[str, Any]:
        """What is said to HubChat: the last thing that the user said, about the state's task.

        Raises:
            HTTPException: 422, there is no such text.
        """
        said = {"content": _text(self.input), "taskId": self.state.get("taskId")}
        return said | {"maxBudget": self.budget}


async def asked(request: Request) -> Asked:
    """The run that a request asks for.

    Raises:
        HTTPException: it is no such request.
    """
    try:
        given = RunAgentInput.model_validate(await json_of(request))
    except ValidationError as error:
        raise HTTPException(422, sentence(error.errors())) from None
    if given.protocol_version is not None and not given.protocol_version.startswith(MAJOR):
        raise HTTPException(422, OTHER)
    state = given.state if isinstance(given.state, dict) else {}
    after = request.headers.get("last-event-id")
    if given.resume and after is None:
        after = str(state["eventId"]) if state.get("eventId") else None
    props = given.forwarded_props if isinstance(given.forwarded_props, dict) else {}
    budget = props.get("maxBudget")
    if budget is None:  # Nothing is a budget, too: 0 was said.
        budget = header(request.headers, BUDGET)
    return Asked(given, _key(given, request), after, state, budget)


def _key(given: RunAgentInput, request: Request) -> str:
    own = header(request.headers, "idempotency-key")
    run = json.dumps([given.thread_id, given.run_id])
    return f"agui-{sha256(run.encode()).hexdigest()}" if own is None else own


def _text(given: RunAgentInput) -> str:
    for message in reversed(given.messages):
        if message.role != "user":
            continue
        if isinstance(message.content, str):
            return message.content
        parts = [getattr(part, "text", None) for part in message.content]
        if any(part is None for part in parts):
            raise HTTPException(422, "messages: Only text can be taken.")
        return "\n".join(str(part) for part in parts)
    raise HTTPException(422, "messages: There is none of the role user.")
