"""Lists: the bare array of a page, and the way to the next one in the `Link` header."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from pydantic import Field, TypeAdapter, field_validator

from chassis.bus.calls import read_reply
from chassis.observability.terminal import escaped_bytes
from contracts.base import Call, Model, ReplyT, RequestT
from contracts.base import Page as ContractPage
from contracts.shown import AS_SHOWN, NEXT
from gateway.asking import ask_shown
from gateway.parameters import Whole

ItemT = TypeVar("ItemT", bound=Model)

LINKED: dict[str, Any] = {
    "headers": {
        "Link": {
            "description": 'The next page, as `<url>; rel="next"`; absent on the last page.',
            "schema": {"type": "string"},
        }
    }
}
"""For the OpenAPI entry of a list."""
SAME: dict[int | str, dict[str, Any]] = {
    304: {"description": "Not Modified: `If-None-Match` names the present `ETag`."}
}
"""For the OpenAPI entry of an answer that is kept (`gateway.layers.caching`)."""


class Page(ContractPage):
    """Which part of a list is wanted."""

    limit: Whole = Field(default=100, ge=1, le=500, description="How many items at most.")
    cursor: str | None = Field(
        default=None,
        max_length=200,
        pattern=r"^[!-~]*$",
        description="Where the page begins, as the `Link` header of the page before says.",
    )

    @field_validator("cursor")
    @classmethod
    def _none_when_empty(cls, cursor: str | None) -> str | None:
        return cursor or None


Paging = Annotated[Page, Query()]


async def listed(
    request: Request,
    page: Page,
    call: Call[RequestT, ReplyT],
    question: RequestT,
    adapter: TypeAdapter[list[ItemT]],
) -> Response:
    """The response for one page of a list, with the bytes that the service wrote for it.

    `adapter` writes them when the service is of a release that does not.
    """
    reply = await ask_shown(request, call, question)
    if AS_SHOWN in reply.headers:
        return _page(request, page, reply.body, reply.headers.get(NEXT))
    found = dict(read_reply(call, reply))
    after: str | None = found.pop("next_cursor")
    (views,) = found.values()
    items = adapter.validate_python(views, from_attributes=True)
    return page_of(request, page, items, adapter, after)


def page_of(
    request: Request,
    page: Page,
    items: Sequence[ItemT],
    adapter: TypeAdapter[list[ItemT]],
    next_cursor: str | None,
) -> Response:
    """The response for one page of a list."""
    body = escaped_bytes(adapter.dump_json(list(items), by_alias=True))
    return _page(request, page, body, next_cursor)


def _page(request: Request, page: Page, body: bytes, next_cursor: str | None) -> Response:
    headers = {}
    if next_cursor:
        asked = dict(request.query_params) | {"limit": page.limit, "cursor": next_cursor}
        query = urlencode(asked)
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return Response(body, headers=headers, media_type="application/json")
