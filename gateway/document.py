"""The OpenAPI document: what the routes say, and what is answered before they are reached."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from gateway.auth import READING, guarded
from gateway.errors import PROBLEM_JSON
from gateway.event_schemas import REF, event_schemas
from gateway.layers.idempotency import KEY, OUTCOME, REPLAYED

Json = dict[str, Any]

TAGS = {
    "agents": "The marketplace.",
    "tasks": "Tasks, their steps, and calls of agents.",
    "chat": "HubChat: say what you want done.",
    "payments": "What was paid, in BazaarBucks and by card.",
    "books": "The wallet and the ledger.",
    "spending": "Credentials that spend no more than so much.",
    "events": "What happens, as it happens.",
    "operators": "What concerns all accounts; it needs the scope `admin`.",
    "health": "For whatever watches the gateway; it needs no credential.",
}
EVERYWHERE = (422, 431, 500, 503)
"""A query parameter nobody knows, large headers, a defect, and a gateway that is being stopped."""
WITH_BODY = (408, 413)
OF_STRANGERS = (401, 403)
OF_OTHER_PAGES = (403,)
OF_OTHER_HOSTS = (421,)
"""Without authentication it counts whose page asks, and of which host."""
HEADERS = {
    401: ("WWW-Authenticate", "What is wanted, or what is wrong with the credential.", True),
    403: ("WWW-Authenticate", "Which scope is needed, if it is that.", False),
    405: ("Allow", "The methods that the address answers.", True),
    409: (
        "Retry-After",
        "Seconds, when waiting is all it takes: what was asked, or what is before it, still runs.",
        False,
    ),
    429: ("Retry-After", "Seconds after which to ask again.", True),
    503: ("Retry-After", "Seconds after which to ask again.", True),
}
"""What an error's header is, what it says, and whether it is always there."""
REPLAY = (REPLAYED, "`true`: this was answered before, for the same `Idempotency-Key`.", False)
KEYED = (
    OUTCOME,
    (
        "Of a request with an `Idempotency-Key`, sent again: `final`, it is answered the same;"
        " `open`, it is carried out again; `running`, it is still being carried out."
    ),
    False,
)
TRACE = {
    "name": "traceparent",
    "in": "header",
    "description": "W3C trace context, passed on to all that follows; a malformed one is replaced.",
    "schema": {"type": "string"},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "Of your choice, a new one for each request: sent again with the same key and body, it is"
        " done once, and answered again."
    ),
    "schema": {"type": "string", "pattern": f"^{KEY.pattern}$"},
}


def operation_id(route: APIRoute) -> str:
    """The name of the route's function: what a client's method is to be called."""
    return route.name


def describe(app: FastAPI, *, bearer: bool) -> None:
    """Give `app` this document for /openapi.json; `bearer` when callers say who they are."""

    def document() -> Json:
        app.openapi_schema = app.openapi_schema or _document(app, bearer)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _document(app: FastAPI, bearer: bool) -> Json:
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=[{"url": "/", "description": "This gateway."}],
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _complete(operation, method.upper(), path, bearer)
    schemas = found["components"]["schemas"]
    del schemas["HTTPValidationError"], schemas["ValidationError"]
    schemas |= event_schemas()
    found["components"]["responses"] = {"MethodNotAllowed": _error(405)}
    return found


def _complete(operation: Json, method: str, path: str, bearer: bool) -> None:
    """Add what the middlewares answer and heed, in the order in which they are asked."""
    statuses = {*EVERYWHERE, *(() if method in READING else WITH_BODY)}
    statuses |= set() if bearer else set(OF_OTHER_HOSTS)
    responses = operation["responses"]
    if guarded(path):
        operation.setdefault("parameters", []).append(TRACE)
        statuses |= {429, *(OF_STRANGERS if bearer else OF_OTHER_PAGES)}
        if method == "POST":
            operation["parameters"].append(IDEMPOTENCY_KEY)
            statuses.add(409)
    responses.pop("422", None)  # FastAPI's own shape, which `errors` replaces
    for status in statuses:
        responses.setdefault(str(status), _error(status))
    for status, header in HEADERS.items():
        if str(status) in responses:
            responses[str(status)] |= _header(*header)
    if method == "POST" and guarded(path):
        responses["200"] |= _header(*REPLAY)
        for response in responses.values():
            response["headers"] = response.get("headers", {}) | _header(*KEYED)["headers"]
    if short := responses.get("402"):
        short["content"] = {PROBLEM_JSON: short["content"]["application/json"]}
    operation["responses"] = dict(sorted(responses.items()))


def _error(status: int) -> Json:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/json": {"schema": {"$ref": f"{REF}Problem"}}},
    } | (_header(*HEADERS[status]) if status in HEADERS else {})


def _header(name: str, description: str, required: bool) -> Json:
    text = {"description": description, "required": required, "schema": {"type": "string"}}
    return {"headers": {name: text}}
