"""A service is replaced while requests come in: what was accepted is done, once."""

import httpx
import pytest
from nats.js import JetStreamContext

from contracts.users import CONTEXTS
from tests.e2e.deploys import REFUSED, load, nothing_lost
from tests.e2e.powers import Powers
from tests.e2e.system import System
from tests.support.polling import insist

pytestmark = pytest.mark.timeout(300)
SERVICES = tuple(f"{context}_svc" for context in CONTEXTS)


async def test_every_service_is_replaced_under_load_and_nothing_is_lost(
    powers: Powers, system: System, http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    async with load(system) as going:
        await going.goes_on()
        for service in SERVICES:
            await powers.replace(service)
            await going.goes_on()
        answered = going.all()
        await powers.replace("gateway")  # Nobody answers until there is another.
        await going.goes_on()

    assert [one for one in answered if one.status not in {httpx.codes.OK, *REFUSED}] == []
    odd = [one for one in going.all() if one.status not in {None, httpx.codes.OK, *REFUSED}]
    assert odd == []
    assert await insist(lambda: nothing_lost(http, js, powers, going.accepted()))
