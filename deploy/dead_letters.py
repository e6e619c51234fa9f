"""Dead letters by hand: which there are, one in full, and one sent again.

Looking is anybody's who may look; sending again is the administrator's (docs/operations.md).
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.errors import NotFoundError

from contracts.envelope import ERROR_TEXT
from contracts.permissions import ADMIN, LOOKING
from contracts.topology import DEADLETTER
from deploy.local import home
from deploy.local import nats as server
from deploy.local.errors import StartError
from deploy.local.settings import Settings

WAIT_S = 5.0
SUBJECT = "bazaar-subject"
OF_THE_STORE = ("bazaar-", "Nats-")
"""Headers that a dead letter got when it was put aside, and that the next message gets anew."""
Json = dict[str, Any]


async def look(settings: Settings, number: int | None = None) -> Json:
    """The newest dead letters, or one in full; a StartError when it cannot be told."""
    which = "" if number is None else f".{number}"
    async with _connected(_place(settings)) as client:
        try:
            reply = await client.request(f"{LOOKING}.dead_letters{which}", b"", timeout=WAIT_S)
        except NoRespondersError:
            raise StartError("The keeper of the bus is not there; is it up?") from None
    if refused := (reply.headers or {}).get(ERROR_TEXT):
        raise StartError(refused)
    found: Json = json.loads(reply.data)
    return found


async def replay(settings: Settings, number: int) -> str:
    """Publish a dead letter again where it came from, then delete it; the subject.

    With its own `ce-id`: whoever has handled it passes over it.
    """
    async with _connected(_as_admin(settings)) as client:
        js = client.jetstream()
        try:
            dead = await js.get_msg(DEADLETTER.name, number)
        except NotFoundError:
            raise StartError(f"There is no dead letter {number}.") from None
        headers = dead.headers or {}
        if SUBJECT not in headers:
            raise StartError(f"Dead letter {number} does not say where it came from.")
        kept = {k: v for k, v in headers.items() if not k.startswith(OF_THE_STORE)}
        await js.publish(headers[SUBJECT], dead.data or b"", headers=kept)
        await js.delete_msg(DEADLETTER.name, number)
        return str(headers[SUBJECT])


def _place(settings: Settings) -> str:
    return settings.nats_url or f"nats://127.0.0.1:{settings.nats_port}"


def _as_admin(settings: Settings) -> str:
    """Where the administrator connects: NATS_URL when it is set, with name and password in it."""
    if settings.nats_url is not None:
        return settings.nats_url
    if not (settings.bazaar_home / "secrets.json").exists():
        raise StartError("Start the system first (bazaar up), or set NATS_URL.")
    password = home.passwords(settings.bazaar_home)[f"nats_{ADMIN}"]
    return server.url(settings.nats_port, ADMIN, password)


async def _quiet(_error: Exception) -> None:
    """The end of the attempt says it, in words."""


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Client]:
    try:
        async with asyncio.timeout(WAIT_S):  # The client itself would go on trying.
            client = await nats.connect(
                url.split(","), connect_timeout=2, max_reconnect_attempts=1, error_cb=_quiet
            )
    except (NatsError, TimeoutError, OSError) as error:
        raise StartError(f"NATS cannot be reached ({type(error).__name__}); is it up?") from None
    try:
        yield client
    except (NatsError, TimeoutError) as error:
        raise StartError(f"The message bus refuses: {error!r}") from None
    finally:
        await client.close()
