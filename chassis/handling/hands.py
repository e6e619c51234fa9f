"""Telling who waits for a reply whether this process still has the request."""

from collections.abc import Awaitable, Callable, Iterable

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import ValidationError

from chassis.db.away import TROUBLES
from contracts import hands
from contracts.envelope import ID
from contracts.provenance import answerable

log = structlog.get_logger()

Vouch = Callable[[list[str]], Awaitable[Iterable[str]]]
"""Says which of these requests somebody will answer, though nobody has them in hand."""


class Hands:
    """What the replica `instance` of a context has in hand."""

    def __init__(self, context: str, instance: str, requests: Callable[[], Iterable[Msg]]) -> None:
        """Nothing is told yet; `requests` are those that are not answered."""
        self._context = context
        self.instance = instance
        self._requests = requests
        self.vouches: list[Vouch] = []

    async def open(self, client: Client) -> None:
        """Tell from now on, whoever asks."""
        for subject in (
            hands.subject(self._context),
            hands.subject(self._context, self.instance),
        ):
            await client.subscribe(subject, cb=self._tell)

    async def _tell(self, raw: Msg) -> None:
        """Answer; who hears nothing takes it that what it waits for may be here."""
        if not answerable(raw.reply):
            return
        try:
            asked = set(hands.WhoHas.model_validate_json(raw.data).requests)
            found = asked & {(one.headers or {}).get(ID, "") for one in self._requests()}
            for vouch in self.vouches:
                found.update(await vouch(sorted(asked - found)))
            answer = hands.InHand(instance=self.instance, requests=sorted(found))
            await raw.respond(answer.model_dump_json().encode())
        except (NatsError, ValidationError, *TROUBLES) as error:
            log.warning("not told what is in hand", error=error)
