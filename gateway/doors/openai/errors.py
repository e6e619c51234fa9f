"""Errors in OpenAI's shape, and what they tell its clients to do next."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from gateway.doors.openai.said import answered
from gateway.doors.shared.answers import Refused
from gateway.doors.shared.telling import sentence_of

Json = dict[str, Any]

TYPES = {401: "authentication_error", 402: "insufficient_quota", 403: "permission_error"}
TYPES |= {429: "rate_limit_error"}
CODES = {401: "invalid_api_key", 402: "insufficient_quota", 409: "conflict"}
CODES |= {404: "not_found", 429: "rate_limit_exceeded", 504: "timeout"}
PARAM = re.compile("([A-Za-z.]+): ")
UNBEGUN = frozenset({408, 429})
UNFIT = frozenset({400, 422})
MORE = frozenset({"required", "available", "topUp"})
"""What a program needs that has to pay more."""


def error(
    status: int, sentence: str, param: str | None = None, code: str | None = None, **more: Any
) -> Json:
    """The member that a client makes an exception of."""
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    said = {"message": sentence, "type": TYPES.get(status, kind), "param": param}
    return {"error": said | {"code": code or CODES.get(status)} | more}


def of(refused: Refused) -> Json:
    """What the API refused with."""
    more = {name: refused.body[name] for name in MORE if name in refused.body}
    param = PARAM.match(refused.sentence) if refused.status in UNFIT else None
    return error(refused.status, sentence_of(refused), param[1] if param else None, **more)


def wrong(sentence: str, param: str | None = None) -> Response:
    """The answer to a body that makes no sense: 400, as OpenAI has it."""
    return answered(error(400, sentence, param, "invalid_value"), 400)


def refusal(refused: Refused, *, keyed: bool) -> Response:
    """The answer to what the API refused.

    OpenAI's clients send a request again by themselves after 408, 409, 429 and from 500 on. That
    may be done when nothing of it was begun, or when its key makes it the same request.
    """
    status = HTTPStatus.BAD_REQUEST if refused.status == HTTPStatus.UNPROCESSABLE_ENTITY else None
    headers = _of(refused.headers, "retry-after", "www-authenticate", "idempotency-outcome")
    return answered(of(refused), status or refused.status, headers | _again(refused, keyed=keyed))


def _again(refused: Refused, *, keyed: bool) -> dict[str, str]:
    again = "retry-after" in refused.headers or refused.status != HTTPStatus.CONFLICT
    return {} if (again if keyed else refused.status in UNBEGUN) else {"x-should-retry": "false"}


def _of(headers: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}


def plain(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error that the door itself has, such as of an address with nothing at it."""
    return answered(error(status, sentence), status, dict(headers or {}))


def unknown_model(name: str) -> Response:
    """404, as OpenAI has it."""
    sentence = f"The model `{name[:64]}` does not exist."
    return answered(error(404, sentence, "model", "model_not_found"), 404)


def outside(status: int, sentence: str) -> Json:
    """The same error that another layer of the gateway has answered with, before the door."""
    return error(status, sentence)
