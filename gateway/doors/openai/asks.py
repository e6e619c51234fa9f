"""What a request for a completion asks of the API."""

import asyncio
from http import HTTPStatus
from typing import Any

from starlette.requests import Request

from gateway.doors.shared.answers import Refused, place
from gateway.doors.shared.inside import Inside

Json = dict[str, Any]

LOOK_S = 1.0
PATIENCE_S = 8.0
"""How long a request waits for its like, whose caller hung up: a claim is free after 4 s."""


class Asks:
    """What one request asks of the API."""

    def __init__(self, inside: Inside, request: Request, key: str | None) -> None:
        """Ask for the caller of `request`, with its `Idempotency-Key`."""
        self.inside = inside
        self.scope = request.scope
        self.headers = request.headers
        self.receive = request.receive
        self.key = key

    async def post(self, path: str, body: Json, **query: Any) -> Json:
        """The JSON of a POST; with a key, its like that still runs is waited for a while.

        Raises:
            Refused: as `Inside.ask`.
        """
        until = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            try:
                said = await self.inside.ask(
                    self.scope, "POST", path, query=query, body=body, key=self.key
                )
            except Refused as refused:
                busy = refused.status == HTTPStatus.CONFLICT and "retry-after" in refused.headers
                if not busy or self.key is None or asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(LOOK_S)
            else:
                found: Json = said.json()
                return found

    async def turn(self, turn_id: str) -> Json:
        """What became of a turn so far."""
        found: Json = await self.inside.get(self.scope, place("/api/turns/{}", turn_id))
        return found
