"""Dead letters of all services, for administrators; the keeper of the bus tells them."""

import json
import re
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from pydantic import TypeAdapter

from chassis.bus.calls import refusal_in
from contracts.errors import Invalid, NotFound, TooSlow, Unavailable
from contracts.letters import DeadLetter, SentAgain, WholeDeadLetter
from contracts.permissions import LETTERS
from gateway.asking import answer, cause_of, gateway_of
from gateway.auth import admin_only
from gateway.errors import problems
from gateway.pages import LINKED, Paging, page_of
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["operators"], route_class=StrictRoute, dependencies=[Depends(admin_only)])

WAIT_S = 5.0
PLACE = re.compile("[1-9][0-9]{0,15}")
_LIST = TypeAdapter(list[DeadLetter])


@router.get(
    "/api/dead-letters",
    summary="Messages that were put aside",
    response_model=list[DeadLetter],
    responses={200: LINKED, **problems(504)},
)
async def list_dead_letters(request: Request, page: Paging) -> Response:
    """Newest first; a page of long ones may have fewer than `limit`."""
    before = {} if page.cursor is None else {"before": _cursor(page.cursor)}
    said = await _ask(request, "list", {"limit": page.limit, **before})
    letters = [DeadLetter.model_validate(_shown(one)) for one in reversed(said["deadLetters"])]
    older = said["before"]
    return page_of(request, page, letters, _LIST, None if older is None else str(older))


@router.get(
    "/api/dead-letters/{id}",
    summary="A dead letter with all that is in it",
    response_model=WholeDeadLetter,
    responses=problems(404, 504),
)
async def get_dead_letter(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """Its own headers, and those that say what went wrong."""
    one = await _ask(request, "show", {"number": _number(id)})
    more = {"headers": one["headers"], "data": one["data"]}
    return answer(WholeDeadLetter.model_validate(_shown(one) | more))


@router.post(
    "/api/dead-letters/{id}/replay",
    summary="Send a dead letter again",
    response_model=SentAgain,
    responses=problems(404, 422, 504),
)
async def replay_dead_letter(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """To where it came from, once its cause is mended; whoever has handled it passes over it."""
    number = _number(id)
    said = await _ask(request, "replay", {"number": number})
    return answer(SentAgain(number=number, subject=said["subject"]))


def _number(id_: str) -> int:
    """The place of a letter in the stream.

    Raises:
        NotFound: nothing can have this place.
    """
    if not PLACE.fullmatch(id_):
        raise NotFound("Dead letter not found")
    return int(id_)


def _cursor(text: str) -> int:
    """The number that a page ends before.

    Raises:
        Invalid: the text is no cursor.
    """
    if not PLACE.fullmatch(text):
        raise Invalid("The cursor is not one of ours.")
    return int(text)


async def _ask(request: Request, what: str, wanted: Mapping[str, int]) -> Any:
    """What the keeper answers.

    Raises:
        Refusal: the keeper's.
        Unavailable: there is none, or no bus.
        TooSlow: it does not answer.
    """
    client = gateway_of(request).link.client
    heads = cause_of(request).headers()
    try:
        reply = await client.request(
            f"{LETTERS}.{what}", json.dumps(wanted).encode(), timeout=WAIT_S, headers=heads
        )
    except NoRespondersError:
        raise Unavailable("The keeper of the bus is down.") from None
    except (NatsError, TimeoutError):
        raise TooSlow("The keeper of the bus did not answer in time.") from None
    if refused := refusal_in(reply.headers or {}):
        raise refused
    return json.loads(reply.data)


def _shown(one: dict[str, Any]) -> dict[str, Any]:
    heads = one["headers"]
    attempts = heads.get("bazaar-attempts", "")
    return {
        "number": one["sequence"],
        "time": one["time"],
        "consumer": heads.get("bazaar-consumer", ""),
        "subject": heads.get("bazaar-subject", ""),
        "attempts": int(attempts) if attempts.isdecimal() else 0,
        "error": heads.get("bazaar-error", ""),
        "account": heads.get("ce-account"),
    }
