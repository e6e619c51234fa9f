"""What is secret is in no log line, no event, no answer and no table but its own."""

import json
import logging

import httpx
import pytest
from structlog.testing import capture_logs

from chassis.bus.envelopes import new_id
from tests.doubles.machine import facilitator as behaving
from tests.doubles.machine.seller import nothing
from tests.machine.system import CALL, PAYER, SECRET, WEBHOOK_KEY, Market, dear, told
from tests.support.told import endpoint

TOKEN, CREDENTIALS = f"token-{new_id()}", f"credentials-{new_id()}"
TABLES = (
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
    " WHERE schemaname IN ('payment', 'task', 'registry') AND tablename NOT LIKE 'machine_%'"
)


async def test_secrets_stay_where_they_belong(
    shop: Market, caplog: pytest.LogCaptureFixture
) -> None:
    """Machines pay and are refused, agents are paid or take it, receivers fail and are told."""
    answers: list[httpx.Response] = []
    with caplog.at_level(logging.INFO), capture_logs() as log:
        async with endpoint() as receiver, shop.http() as http:
            receiver.answers = [500, 500]
            hook = await http.post("/api/webhooks", json={"url": receiver.url})
            made = await http.post("/api/tasks", json={"userQuery": "Wait"})
            push = {"about": made.json()["id"], "pushId": "mine", "url": receiver.url}
            push |= {"token": TOKEN, "scheme": "Bearer", "credentials": CREDENTIALS}
            answers.append(await http.post("/api/pushes", json=push))
            answers.append(await http.get("/api/pushes", params={"about": made.json()["id"]}))
            headers = await paid_in(shop, http, answers)
            signatures = await paid_out(shop)
            await receiver.told(4)
            id_ = hook.json()["id"]
            answers.append(await http.get("/api/webhooks"))
            answers.append(await http.get(f"/api/webhooks/{id_}/deliveries"))
            answers.append(await http.delete(f"/api/webhooks/{id_}"))
    sent = [*headers, *signatures]
    secrets = [PAYER.key.hex(), SECRET, WEBHOOK_KEY, TOKEN, CREDENTIALS, hook.json()["secret"]]
    secrets += [*sent, *(told(one)["payload"]["signature"] for one in sent)]
    told_ = [f"{one.text} {one.headers}" for one in answers]
    told_ += [json.dumps(log, default=str), caplog.text, repr(shop.system.heard)]
    assert log
    assert [text[:200] for text in told_ for secret in secrets if secret in text] == []
    tables = [row["name"] for row in await shop.system.rows(TABLES)]
    having = " UNION ALL ".join(
        f"SELECT '{name}' FROM {name} AS t WHERE to_jsonb(t)::text LIKE ANY ($1)"  # noqa: S608  (names of tables)
        for name in tables
    )
    assert await shop.system.rows(having, [f"%{one}%" for one in secrets]) == []
    assert await shop.system.rows(having, [f"%{shop.account}%"]) != []


async def paid_in(
    shop: Market, http: httpx.AsyncClient, answers: list[httpx.Response]
) -> list[str]:
    """Pay for a call when nobody settles it, when nobody knows, and well; what was signed."""
    price, headers = await dear(shop), []
    shop.facilitator.script.extend([behaving.refuses, behaving.breaks])
    async with shop.system.agent(price=price) as (agent_id, _):
        body = {"agentId": agent_id, **CALL}
        asked = await http.post("/api/invoke-agent", json=body)
        for status in (402, 409, 200):
            headers.append(shop.buyer().sign(asked.headers["payment-required"]))
            answer = await http.post(
                "/api/invoke-agent", json=body, headers={"PAYMENT-SIGNATURE": headers[-1]}
            )
            assert answer.status_code == status, answer.text
            answers.append(answer)
    return headers


async def paid_out(shop: Market) -> list[str]:
    """Call an agent that takes its payment and does nothing, and again; what was signed."""
    account = await shop.system.account("5")
    async with shop.seller("$0.10") as (agent_id, seller):
        seller.after.append(nothing())
        refusal = await shop.system.refusal(account, agent_id)
        assert "not known" in refusal.message
        done = await shop.system.invoke(account, agent_id)
        await shop.system.money(account, done.task_id)
    return [one for one in seller.signatures if one]
