"""What one call of an agent may cost, on each of the three routes, and where it may lead."""

import json
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from contracts.task import FailureReason
from task_svc.agents import Agents
from task_svc.answers import MAX_NESTS, AgentFailure
from task_svc.settings import Settings
from tests.chassis.raw_agent import NO_HTTP, TOO_MUCH, TOO_SLOW, Behaviour, RawAgent, plain, sends
from tests.support.scripted_agent import Behaviour as Script
from tests.support.scripted_agent import ScriptedAgent, answer, answers, says
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening
from tests.task.jobs import job

Call = Callable[[Agents, str], Awaitable[Any]]


async def _execute(agents: Agents, url: str) -> Any:
    return await agents.execute(job(url, limit_s=agents._settings.agent_timeout_s))


async def _negotiate(agents: Agents, url: str) -> Any:
    return await agents.offer(url, Decimal("0.5"), 1, "n-1", None)


async def _price(agents: Agents, url: str) -> Any:
    return await agents.price_list(url, None)


ROUTES: dict[str, Call] = {"execute": _execute, "negotiate": _negotiate, "price": _price}


async def failure(call: Call, url: str, **settings: Any) -> AgentFailure:
    wanted = {"agent_hosts": "127.0.0.1", "agent_attempts": 1, "agent_answer_bytes": 65_536}
    agents = Agents(Settings.model_validate(wanted | settings))
    try:
        with pytest.raises(AgentFailure) as caught:
            await call(agents, url)
        return caught.value
    finally:
        await agents.close()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", TOO_MUCH)
async def test_an_answer_beyond_a_limit_is_the_agents_error(route: str, name: str) -> None:
    behaviour, why = TOO_MUCH[name]
    if (route, name) == ("execute", "many little chunks"):
        behaviour, why = TOO_MUCH["little chunks without an end"]
    async with RawAgent(behaviour) as agent:
        found = await failure(ROUTES[route], agent.url)
    assert found.reason == "agent_error"
    assert re.fullmatch(rf"The agent answered with more than \d+ {why}(, .+)?\.", found.message)
    assert not found.again


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("behaviour", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_breaks_off_or_is_no_http_is_an_agent_that_cannot_be_reached(
    route: str, behaviour: Behaviour
) -> None:
    async with RawAgent(behaviour) as agent:
        found = await failure(ROUTES[route], agent.url)
    assert (found.reason, found.message) == ("agent_unreachable", "The agent cannot be reached.")
    assert found.again


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("behaviour", TOO_SLOW.values(), ids=TOO_SLOW)
async def test_what_does_not_come_in_time_is_an_agent_that_is_too_slow(
    route: str, behaviour: Behaviour
) -> None:
    async with RawAgent(behaviour) as agent:
        found = await failure(ROUTES[route], agent.url, agent_timeout_s=0.3)
    assert (found.reason, found.again) == ("agent_too_slow", False)


LISTS = b"[" * (MAX_NESTS + 1) + b"]" * (MAX_NESTS + 1)


@pytest.mark.parametrize(
    "behaviour",
    [
        says(b'{"result": "x", "cost": 1, "accepted": true, "more": ' + LISTS + b"}"),
        says(b'{"result": "\\ud83d", "message": "\\ud83d", "more": [' + b"0," * 20_000 + b"0]}"),
    ],
    ids=["lists in lists", "more than the patient parser is asked to read"],
)
async def test_an_answer_that_is_too_dear_to_read_is_no_answer(behaviour: Script) -> None:
    async with ScriptedAgent(behaviour, haggles=[behaviour], price_list=behaviour) as agent:
        for call in ROUTES.values():
            found = await failure(call, agent.url, agent_answer_bytes=262_144)
            assert found.reason == "agent_error"


NO_AMOUNTS = [
    "1_000",
    "\u0661\u0662",
    " 1",
    "1 ",
    "+1",
    "0x1",
    "1,5",
    "",
    "nan",
    "Infinity",
    "1e999",
    "1e-999999999",
    "0e99999999999",
    "1" * 5_000,
    True,
    False,
    [1],
    {},
]


@pytest.mark.parametrize("amount", NO_AMOUNTS, ids=lambda amount: repr(amount)[:20])
async def test_an_amount_that_can_be_read_in_two_ways_is_no_answer(amount: Any) -> None:
    work = says(answer(cost=amount))
    bought = says(answer(external_cost=amount))
    reply = says({"accepted": False, "counter_offer": amount})
    listed = says({"negotiable": True, "min_price": amount})
    for script in (work, bought):
        async with ScriptedAgent(script, haggles=[reply], price_list=listed) as agent:
            for call in ROUTES.values():
                assert (await failure(call, agent.url)).reason == "agent_error"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "Infinity", "NaN", "1" * 5_000, "01", "1."])
async def test_a_number_beyond_numbers_is_no_answer(number: str) -> None:
    work = says(f'{{"result": "x", "cost": {number}}}')
    reply = says(f'{{"accepted": false, "counter_offer": {number}}}')
    listed = says(f'{{"negotiable": true, "min_price": {number}}}')
    async with ScriptedAgent(work, haggles=[reply], price_list=listed) as agent:
        for call in ROUTES.values():
            assert (await failure(call, agent.url)).reason == "agent_error"


TWICE = {
    "the same": b'{"result": "x", "cost": 1, "accepted": true, "cost": 1, "accepted": true}',
    "another": b'{"result": "x", "cost": 1, "accepted": true, "cost": 2, "accepted": false}',
    "in other signs": b'{"result": "x", "cost": 1, "accepted": true, "c\\u006fst": 2,'
    b' "accepte\\u0064": false}',
    "further in": b'{"result": "x", "cost": 1, "accepted": true, "more": [{"a": 1, "a": 2}]}',
    "for the patient parser": b'{"result": "\\ud83d", "cost": 1, "accepted": true, "cost": 2,'
    b' "accepted": true}',
}


@pytest.mark.parametrize("body", TWICE.values(), ids=TWICE)
async def test_an_answer_that_says_a_thing_twice_is_no_answer(body: bytes) -> None:
    said = says(body)
    async with ScriptedAgent(said, haggles=[said], price_list=said) as agent:
        for call in ROUTES.values():
            assert (await failure(call, agent.url)).reason == "agent_error"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-32-le"])
async def test_an_answer_in_another_encoding_than_utf_8_is_no_answer(encoding: str) -> None:
    said = says(json.dumps(answer() | {"accepted": True}).encode(encoding))
    async with ScriptedAgent(said, haggles=[said], price_list=said) as agent:
        for call in ROUTES.values():
            assert (await failure(call, agent.url)).reason == "agent_error"


INSIDE: list[tuple[str, str]] = [
    ("http://127.0.0.1:{port}", "127.0.0.1 is a loopback address"),
    ("http://localhost:{port}", "localhost leads to a loopback address"),
    ("http://[::ffff:127.0.0.1]:{port}", "a loopback address"),
    ("http://2130706433:{port}", "its host is not an IP address in the usual form"),
    ("http://10.0.0.1", "10.0.0.1 is a private address"),
    ("http://169.254.169.254", "the metadata address of a cloud"),
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("url", "why"), INSIDE)
async def test_an_address_inside_is_not_called(route: str, url: str, why: str) -> None:
    async with RawAgent(sends(plain(b"{}"))) as agent:
        found = await failure(ROUTES[route], url.format(port=agent.port), agent_hosts="")
    assert agent.connections == 0
    assert found.reason == "agent_unreachable"
    assert found.message.startswith("The agent's address may not be called: ")
    assert why in found.message
    assert not found.again, "it will not be another address in a second"


async def test_a_listing_whose_address_is_refused_by_now_costs_nothing(stack: Stack) -> None:
    payment = payment_service(stack)
    services = registry_service(stack), payment, task_service(stack, agent_hosts="")
    async with running(*services), listening(stack, payment) as system:
        await _not_paid(system)


async def _not_paid(system: System) -> None:
    account = await system.account("5")
    async with system.agent(answers()) as (agent_id, agent):
        refused = await system.refusal(account, agent_id)
    assert "may not be called: 127.0.0.1 is a loopback address" in refused.message
    assert agent.calls == []
    (task_id,) = [
        row["id"]
        for row in await system.rows("SELECT id FROM task.tasks WHERE account = $1", account)
    ]
    (step,) = await system.steps(account, task_id)
    reason: FailureReason = "agent_unreachable"
    assert (step.status, step.reason) == ("failed", reason)
    assert (await system.money(account, task_id)).captured == 0
    assert await system.wallet(account) == (Decimal(5), Decimal(0))
