"""Every answer says which request it is of, by the id that all that follows from it carries."""

import re

import httpx
import pytest

from contracts.registry import GET_AGENT, LIST_AGENTS
from tests.gateway import samples
from tests.support.gateways import StandIns, gateway_settings, serving

ID = "x-request-id"
FORM = re.compile(r"[0-9a-f]{32}")


async def test_the_id_is_that_of_what_follows(http: httpx.AsyncClient, services: StandIns) -> None:
    await services.answer(GET_AGENT, samples.ONE_AGENT)
    answer = await http.get("/api/agents/ids1")
    assert answer.headers[ID] == services.got(GET_AGENT)[-1].envelope.correlation_id


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/"), ("GET", "/health"), ("GET", "/console/app.js"), ("GET", "/api/nothing")),
        *(("PUT", "/api/agents"), ("POST", "/api/tasks"), ("GET", "/api/agents?limit=0")),
        *(("HEAD", "/api/agents"), ("GET", "/api/agents%0A")),
    ],
)
async def test_every_answer_has_one_of_its_own(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    given = {"X-Request-Id": "mine"}
    found = {(await http.request(method, path, headers=given)).headers[ID] for _ in range(2)}
    assert len(found) == 2
    assert all(FORM.fullmatch(one) for one in found)


async def test_an_answer_from_memory_has_its_own_too(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(LIST_AGENTS, samples.AGENTS)
    found = [(await http.get("/api/agents?limit=7")).headers for _ in range(3)]
    assert len({headers[ID] for headers in found}) == 3
    assert len({headers.get_list(ID)[0] for headers in found}) == 3


async def test_who_is_refused_at_the_door_has_one() -> None:
    settings = gateway_settings("nats://127.0.0.1:1", auth_mode="token")
    with serving(settings) as served:
        async with served.client() as http:
            answer = await http.get("/api/wallet", headers={"Origin": "http://localhost:3000"})
    assert answer.status_code == 401
    assert FORM.fullmatch(answer.headers[ID])
    assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
