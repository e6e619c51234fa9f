"""`kill -9` in the middle of work: nothing is lost, done twice, paid twice or left open."""

import asyncio
import time
from decimal import Decimal

import httpx
import pytest

from tests.e2e import books, traffic
from tests.e2e.conftest import GRANT
from tests.e2e.market import Market, OwnAgent, new_skill
from tests.e2e.polling import eventually
from tests.e2e.powers import Powers
from tests.e2e.system import System
from tests.payment.helpers import broken_books

AT_ONCE_S = 3.0
ANSWER_S = 40.0
AWAY = {
    "registry_svc": ("/api/agents", "registry"),
    "task_svc": ("/api/tasks", "task"),
    "payment_svc": ("/api/payments/stripe", "payment"),
    "chat_svc": ("/api/messages", "chat"),
    "nats": ("/api/tasks", "bus"),
    "postgres": ("/api/tasks", "database"),
}
"""What is asked for while it is away, and the word that names it."""


async def slow_agent(market: Market) -> OwnAgent:
    """An agent that is at work for a while, so that something can die meanwhile."""

    async def work(text: str) -> str:
        await asyncio.sleep(0.4)
        return f"done with {text}"

    return await market.agent(new_skill("weave"), work=work)


def requests(agent: OwnAgent) -> list[tuple[str, dict[str, object]]]:
    """Wishes and calls that the slow agent has a part in, and some others."""
    chat, invoke = "/api/hubchat/message", "/api/invoke-agent"
    own: list[tuple[str, dict[str, object]]] = [
        *((chat, {"content": f"{agent.skill} a rug and translate it to Spanish"}) for _ in "abc"),
        *((invoke, {"agentId": agent.id, "payload": {"text": f"rug {n}"}}) for n in "abc"),
    ]
    return own + traffic.mixed(wishes=3, calls=3)


async def names_what_is_away(http: httpx.AsyncClient, path: str, word: str) -> bool:
    began = time.monotonic()
    answer = await http.get(path)
    assert time.monotonic() - began < AT_ONCE_S, "the gateway took its time"
    return answer.status_code == 503 and word in answer.json()["error"]


@pytest.mark.parametrize("victim", [*AWAY, "gateway", "translator"])
async def test_a_kill_in_the_middle_of_work(
    victim: str, powers: Powers, system: System, market: Market
) -> None:
    agent = await slow_agent(market)
    async with system.client(ANSWER_S) as http:
        before = await books.newest_task(http)
        traffic_ = asyncio.create_task(traffic.all_at_once(http, requests(agent)))

        async def in_the_middle() -> bool:
            return agent.working > 0

        await eventually(in_the_middle)
        await powers.kill(victim)

        if victim in AWAY:
            path, word = AWAY[victim]
            assert await eventually(lambda: names_what_is_away(http, path, word), AT_ONCE_S)
        outcomes = await traffic_
        for outcome in outcomes:
            assert outcome.status in (None, 200, 502, 503, 504), outcome
            assert outcome.status in (None, 200) or outcome.body["error"]
        print([(o.path[-12:], o.status, o.body.get("error")) for o in outcomes])

        await eventually(lambda: works_again(http))
        async with system.bus() as bus:
            js = bus.jetstream()

            async def consistent() -> bool:
                assert await books.unanswered(js) == {}
                tasks = await books.tasks_since(http, before)
                assert {task["status"] for task in tasks} <= {"completed", "failed"}
                assert await books.disagreements(http, js, tasks) == []
                return True

            assert await eventually(consistent)
    await eventually(lambda: ledger_is_sound(powers))


async def works_again(http: httpx.AsyncClient) -> bool:
    """The gateway finds every service, and a wish goes all the way, by themselves."""
    try:
        health = (await http.get("/health")).json()
        assert health["status"] == "ok", health
        said = await http.post("/api/hubchat/message", json={"content": "Translate 'hello' to Spanish"})
    except httpx.TransportError as error:
        raise AssertionError(str(error)) from error
    assert said.status_code == 200, said.text
    message = said.json()["message"]
    return message is not None and message["content"] == "hola"


async def ledger_is_sound(powers: Powers) -> bool:
    """No hold is open, every rule of the books is kept, the wallet lacks exactly what was paid."""
    async with powers.sql() as sql:
        assert await sql.fetchval("SELECT count(*) FROM holds WHERE status = 'held'") == 0
        assert await broken_books(sql) == []
        wallet = await sql.fetchval("SELECT posted FROM ledger_accounts WHERE id = 'wallet:demo'")
        paid = await sql.fetchval(
            "SELECT (SELECT coalesce(sum(amount), 0) FROM bazaarbucks_payments)"
            " + (SELECT coalesce(sum(amount), 0) FROM stripe_payments)"
        )
        assert wallet == Decimal(GRANT) - paid
    return True


def test_no_log_holds_a_secret(powers: Powers) -> None:
    logs = sorted(powers.logs.iterdir())
    assert len(logs) >= 16
    for secret in powers.secrets().values():
        for log in logs:
            assert secret.encode() not in log.read_bytes(), log
        assert secret not in powers.said()
