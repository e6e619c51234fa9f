"""Asking all replicas of a service which requests they have in hand."""

import asyncio
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from pydantic import ValidationError

from contracts import hands


@dataclass(slots=True)
class RollCall:
    """The replicas of a context that were heard of.

    Attributes:
        context: the service.
        known: the processes that answered once, and are not known to be gone.
    """

    context: str
    known: set[str] = field(default_factory=set)

    async def held(self, client: Client, requests: list[str], within_s: float) -> set[str] | None:
        """Which of these requests somebody has in hand; takes `within_s`.

        None when that cannot be known: nobody answered, or one that is there said nothing.

        Raises:
            nats.errors.Error: it cannot be asked.
        """
        asked = hands.WhoHas(requests=requests).model_dump_json().encode()
        answers = await self._asked_all(client, asked, within_s)
        silent = self.known - answers.keys()
        self.known |= answers.keys()
        if not answers:
            return None
        alone = await asyncio.gather(
            *(self._asked_one(client, asked, one, within_s) for one in silent)
        )
        if not all(alone):
            return None
        return set().union(*answers.values())

    async def _asked_all(
        self, client: Client, asked: bytes, within_s: float
    ) -> dict[str, list[str]]:
        answers: dict[str, list[str]] = {}

        async def hear(raw: Msg) -> None:
            try:
                answer = hands.InHand.model_validate_json(raw.data)
            except ValidationError:
                return  # The server says that nobody is there.
            answers[answer.instance] = answer.requests

        place = client.new_inbox()
        listening = await client.subscribe(place, cb=hear)
        try:
            await client.publish(hands.subject(self.context), asked, reply=place)
            await asyncio.sleep(within_s)
        finally:
            await listening.unsubscribe()
        return answers

    async def _asked_one(
        self, client: Client, asked: bytes, instance: str, within_s: float
    ) -> bool:
        """Whether one that said nothing is known to be gone."""
        try:
            await client.request(hands.subject(self.context, instance), asked, timeout=within_s)
        except NoRespondersError:
            self.known.discard(instance)
            return True
        except NatsError:
            return False
        return False  # It is only slow; at the next look it may be heard.
