"""Trouble: an agent that is down, a budget that is too small, texts that are very long."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
from nats.aio.client import Client

from contracts import envelope
from contracts.task import INVOKE_AGENT, InvokeAgent
from deploy.local.ports import free_port
from tests.e2e import books
from tests.e2e.market import Gate, Market, new_skill
from tests.e2e.problems import is_error
from tests.support.polling import insist

CHAT, TASKS, INVOKE = "/api/hubchat/message", "/api/tasks", "/api/invoke-agent"


async def test_what_the_budget_does_not_cover_is_402_and_the_agent_is_not_called(
    http: httpx.AsyncClient, market: Market
) -> None:
    agent = await market.agent(new_skill("carve"), price="0.2")
    made = await http.post(TASKS, json={"userQuery": "too cheap", "maxBudget": 0.19})
    task = made.json()["id"]

    answer = await http.post(
        INVOKE, json={"agentId": agent.id, "taskId": task, "payload": {"text": "x"}}
    )

    assert "budget" in is_error(answer, 402)
    assert agent.calls == []
    assert await nothing_charged(http, task)


async def test_what_the_wallet_does_not_cover_is_402_and_the_agent_is_not_called(
    bus: Client, market: Market
) -> None:
    agent = await market.agent(new_skill("carve"))
    call = InvokeAgent(agent_id=agent.id, payload={"text": "x"})

    answer = await bus.request(
        INVOKE_AGENT.subject,
        call.model_dump_json().encode(),
        timeout=10,
        headers={envelope.ACCOUNT: "somebody-without-a-wallet"},
    )

    assert answer.headers is not None
    assert answer.headers[envelope.ERROR_CODE] == "402"
    assert "wallet" in answer.headers[envelope.ERROR_TEXT]
    assert agent.calls == []


async def test_hubchat_keeps_to_the_budget(http: httpx.AsyncClient, market: Market) -> None:
    skill = new_skill("carve")
    agent = await market.agent(skill, price="0.2")

    answer = await http.post(CHAT, json={"content": f"{skill} a spoon", "maxBudget": 0.19})

    said = answer.json()["message"]
    assert "budget" in said["content"]
    assert said["costBreakdown"] is None
    assert agent.calls == []


async def test_a_cap_on_the_price_holds(http: httpx.AsyncClient, market: Market) -> None:
    agent = await market.agent(new_skill("carve"), price="0.2")
    capped = {"agentId": agent.id, "payload": {"text": "x"}, "maxPrice": 0.15}

    answer = await http.post(INVOKE, json=capped)

    assert answer.status_code == 200, answer.text
    assert answer.json()["cost"] == 0.15


Trouble = Callable[[Market], Awaitable[str]]


async def nobody_home(market: Market) -> str:
    """Listed, but nothing listens there."""
    url = f"http://127.0.0.1:{free_port()}"
    skill = new_skill("absent")
    about = {"name": skill, "description": "", "skills": [skill], "basePrice": "0.1"}
    found: str = (await market.register(skill, url, **about))["id"]
    return found


async def hanging(market: Market) -> str:
    """Takes the work and never answers."""

    agent = await market.agent(new_skill("slow"))

    async def never(_text: str) -> str:
        await agent.ending.passed()
        return ""

    agent.work = never
    return agent.id


async def broken(market: Market) -> str:
    """Fails at every call."""
    agent = await market.agent(new_skill("broken"))
    agent.refuses = 500
    return agent.id


async def overloaded(market: Market) -> str:
    """Is always busy."""
    agent = await market.agent(new_skill("busy"))
    agent.refuses = 503
    return agent.id


async def talking_nonsense(market: Market) -> str:
    """Answers 200 with something that is no answer."""
    agent = await market.agent(new_skill("odd"))
    agent.refuses = 200
    return agent.id


TROUBLES: dict[Trouble, int] = {
    nobody_home: 502,
    hanging: 504,
    broken: 502,
    overloaded: 503,
    talking_nonsense: 502,
}


async def test_an_agent_in_trouble_fails_the_step_and_nothing_is_charged(
    http: httpx.AsyncClient, market: Market
) -> None:
    async def one(trouble: Trouble, status: int) -> None:
        agent_id = await trouble(market)
        task = (await http.post(TASKS, json={"userQuery": f"try {agent_id}"})).json()["id"]

        call = {"agentId": agent_id, "taskId": task, "payload": {"text": "x"}}
        answer = await http.post(INVOKE, json=call)

        assert "agent" in is_error(answer, status).lower()
        assert await nothing_charged(http, task)
        assert (await books.get(http, f"/api/tasks/{task}"))["status"] == "failed"

    await asyncio.gather(*(one(trouble, status) for trouble, status in TROUBLES.items()))


async def test_hubchat_says_that_the_only_agent_failed(
    http: httpx.AsyncClient, market: Market
) -> None:
    skill = new_skill("mend")
    (await market.agent(skill)).refuses = 500

    answer = await http.post(CHAT, json={"content": f"{skill} my socks"})

    said = answer.json()["message"]
    assert f"I could not {skill}" in said["content"]
    assert said["costBreakdown"] is None
    assert await nothing_charged(http, said["taskId"])


async def test_a_price_that_the_agent_refuses_is_402_and_nothing_is_charged(
    http: httpx.AsyncClient,
) -> None:
    task = (await http.post(TASKS, json={"userQuery": "haggle"})).json()["id"]
    offer = {"task": "paint", "offered_price": 0.39}

    answer = await http.post(
        INVOKE, json={"agentId": "mock_negotiator", "taskId": task, "payload": offer}
    )

    assert "0.40" in is_error(answer, 402)
    assert await nothing_charged(http, task)


async def nothing_charged(http: httpx.AsyncClient, task_id: str) -> bool:
    """No cost on the task or its steps, no payment for it, and nothing held for it any more."""
    task = await books.get(http, f"/api/tasks/{task_id}")
    steps = await books.get(http, f"/api/tasks/{task_id}/steps")
    payments = await books.everything(http, "/api/payments/bazaarbucks")
    assert task["totalCost"] == 0
    assert all(step["cost"] == step["externalCost"] == 0 for step in steps)
    assert all(step["status"] == "failed" for step in steps)
    assert not [payment for payment in payments if payment["taskId"] == task_id]
    return True


async def test_many_heavy_messages_do_not_break_the_chat_page(http: httpx.AsyncClient) -> None:
    heavy = [f"{n} " + "ñandú " * 25_000 for n in range(12)]
    for content in heavy:
        assert (await http.post(CHAT, json={"content": content})).status_code == 200

    newest = await books.get(http, "/api/messages")
    found = [message["content"] for message in await books.everything(http, "/api/messages")]

    assert newest[-1]["role"] == "assistant"
    assert newest[-2]["content"] == heavy[-1]
    assert set(heavy) <= set(found)


async def test_a_heavy_wish_of_several_steps_is_answered(http: httpx.AsyncClient) -> None:
    content = "Translate to Spanish, French, German and Italian: " + "😀 " * 60_000
    answer = await http.post(CHAT, json={"content": content, "maxBudget": 100})
    assert answer.json()["done"] is True


async def test_the_reply_to_a_caller_who_hangs_up_is_stored_all_the_same(
    http: httpx.AsyncClient, market: Market
) -> None:
    gate = Gate()
    skill = new_skill("wait")

    async def wait(text: str) -> str:
        await gate.passed()
        return f"waited for {text}"

    agent = await market.agent(skill, work=wait)
    call = asyncio.create_task(http.post(CHAT, json={"content": f"{skill} for me"}))

    await insist(agent.is_at_work)
    call.cancel()
    gate.open()

    async def answered() -> bool:
        [*_, last] = await books.get(http, "/api/messages")
        return last["role"] == "assistant" and "waited for" in last["content"]

    assert await insist(answered)
