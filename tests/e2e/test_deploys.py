"""A service is replaced while requests come in: what was accepted is done, once."""

from contextlib import AsyncExitStack

import httpx
import pytest
from nats.js import JetStreamContext

from tests.e2e.deploys import REFUSED, load, nothing_lost
from tests.e2e.polling import eventually
from tests.e2e.powers import Powers
from tests.e2e.system import CONTEXTS, System

pytestmark = pytest.mark.timeout(300)
SERVICES = tuple(f"{context}_svc" for context in CONTEXTS)


async def test_every_service_is_replaced_under_load_and_nothing_is_lost(
    powers: Powers, system: System, http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    async with load(system) as going:
        await going.goes_on()
        for name in (*SERVICES, "gateway"):
            await powers.replace(name)
            await going.goes_on()

    silent = [outcome for outcome in going.all() if outcome.status is None]
    odd = [outcome for outcome in going.all() if outcome.status not in {None, 200, *REFUSED}]
    assert odd == []
    assert len(silent) < len(going.accepted())  # Nobody answers while there is no gateway.
    assert await eventually(lambda: nothing_lost(http, js, powers, going.accepted()))


async def test_with_two_replicas_a_replacement_is_not_noticed(
    powers: Powers, system: System, http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    async with load(system) as going, AsyncExitStack() as seconds:
        for context in CONTEXTS:
            await seconds.enter_async_context(powers.second(context))
        await going.goes_on()
        for service in SERVICES:
            await powers.replace(service)
            await going.goes_on()

    assert [outcome for outcome in going.all() if outcome.status != httpx.codes.OK] == []
    assert await eventually(lambda: nothing_lost(http, js, powers, going.accepted()))
