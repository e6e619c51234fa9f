"""What whoever may only look is told of the bus: lag, the story of a task, dead letters.

Answers to requests on `bazaar.look.>`. They are the same for everybody and change nothing, and
nobody gets a consumer on the server for them. `nats req bazaar.look.help ''` lists them.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import Field

from chassis.bus import stored
from chassis.bus.calls import refusal_in
from chassis.bus.envelopes import origin
from chassis.keeping import letters
from contracts.base import Call, Model, ping_call
from contracts.errors import Invalid, NotFound, Refusal
from contracts.permissions import LOOKING, REFUSED
from contracts.registry import LIST_AGENTS
from contracts.topology import DURABLES, EVENTS, STREAMS
from contracts.users import CONTEXTS, KEEPER

EVENTS_AT_ONCE = 500
ASKED_BYTES = 1024
HELP = f"""\
You may look: subscribe to bazaar.evt.> (events) and bazaar.dlq.* (dead letters), and ask
  {LOOKING}.task.TASK_ID   the events of a task; {{"after": N}} goes on behind the event N
  {LOOKING}.consumers      what waits for whom, and how full the streams are
  {LOOKING}.dead_letters   the newest {letters.AT_ONCE} ({{"before": N}}: older); .N: one whole
  {LOOKING}.agents         the agents as they are listed, the first hundred
  {LOOKING}.services       which services answer
The rest is done over HTTP (docs/api.md), or by an administrator: connect as the user admin.
"""

NOT_FOR_LOOKING = {
    "code": 403,
    "err_code": 10039,
    "description": f"you may only look, and have no streams here: ask {LOOKING}.help what there is",
}
"""As JetStream refuses; the number is that of an account without streams."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
Json = dict[str, Any]


class After(Model):
    """Where a story goes on: behind the event of this sequence."""

    after: int = Field(default=0, ge=0, le=2**62)


async def answer(client: Client, subject: str, body: bytes) -> bytes:
    """The answer to a request on `bazaar.look.>`; one to JetStream gets a refusal in its words.

    Raises:
        Invalid: there is no such request; the sentence lists those that there are.
        NotFound: nothing with that id or number.
        NatsError: the streams cannot be read now.
    """
    what, _, which = subject.removeprefix(f"{LOOKING}.").partition(".")
    if len(body) > ASKED_BYTES:
        raise Invalid(f"At most {ASKED_BYTES} bytes can be asked with.")
    if what == "help" and not which:
        return HELP.encode()
    if subject.startswith(f"{REFUSED}."):
        return json.dumps({"type": "refused", "error": NOT_FOR_LOOKING}).encode()
    found = _ANSWERS.get((what, bool(which)))
    if found is None:
        raise Invalid(f"There is no such request. {' '.join(HELP.split())}")
    return json.dumps(await found(client, which, body), indent=1).encode()


async def _task(client: Client, task_id: str, body: bytes) -> Json:
    if not _ID.fullmatch(task_id):
        raise NotFound("Task not found")
    after = After.model_validate_json(body.strip() or b"{}").after
    page = await stored.read(
        client, EVENTS.name, f"bazaar.evt.*.*.{task_id}", after + 1, EVENTS_AT_ONCE
    )
    return {"events": [letters.shown(one) for one in page.messages], "left": page.left}


async def _consumers(client: Client, _which: str, _body: bytes) -> Json:
    js = client.jetstream()
    streams = [(await js.stream_info(stream.name)).state for stream in STREAMS]
    infos = [await js.consumer_info(durable.stream, durable.name) for durable in DURABLES]
    return {
        "streams": [
            {"name": stream.name, "messages": state.messages, "bytes": state.bytes}
            for stream, state in zip(STREAMS, streams, strict=True)
        ],
        "consumers": [
            {
                "name": info.name,
                "waiting": info.num_pending,
                "inWork": info.num_ack_pending,
                "again": info.num_redelivered,
            }
            for info in infos
        ],
    }


async def _dead_letters(client: Client, _which: str, body: bytes) -> Json:
    return await letters.listed(client, letters.Wanted.model_validate_json(body.strip() or b"{}"))


async def _dead_letter(client: Client, number: str, _body: bytes) -> Json:
    if not (number.isascii() and number.isdecimal() and len(number) < 19):  # noqa: PLR2004  (int64)
        raise NotFound("Dead letter not found")
    return await letters.whole(client, int(number))


async def _agents(client: Client, _which: str, _body: bytes) -> Json:
    found: Json = json.loads(await _ask(client, LIST_AGENTS))
    return {"agents": found["agents"], "more": found["nextCursor"] is not None}


async def _services(client: Client, _which: str, _body: bytes) -> Json:
    async def answers(context: str) -> str:
        try:
            await _ask(client, ping_call(context))
        except (Refusal, NatsError, TimeoutError) as error:
            return str(error) if isinstance(error, Refusal) else "does not answer"
        return "up"

    said = await asyncio.gather(*map(answers, CONTEXTS))
    return {"services": dict(zip(CONTEXTS, said, strict=True))}


async def _ask(client: Client, call: Call[Any, Any]) -> bytes:
    """A request to a service that is the same for everybody.

    Raises:
        Refusal: the service's.
        NatsError: no answer.
    """
    heads = origin(KEEPER, f"{call.context}.{call.verb}").headers()
    reply = await client.request(call.subject, b"{}", timeout=call.timeout_ms / 1000, headers=heads)
    if refused := refusal_in(reply.headers or {}):
        raise refused
    return reply.data


Answer = Callable[[Client, str, bytes], Awaitable[Json]]
_ANSWERS: Mapping[tuple[str, bool], Answer] = {
    ("task", True): _task,
    ("consumers", False): _consumers,
    ("agents", False): _agents,
    ("services", False): _services,
    ("dead_letters", False): _dead_letters,
    ("dead_letters", True): _dead_letter,
}
