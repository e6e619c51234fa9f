"""Numbers on their whole way: over HTTP, the bus and the database to an agent."""

import json
from decimal import Decimal

from nats.aio.client import Client

from contracts.envelope import ERROR_CODE, ERROR_TEXT
from contracts.ledger import ENTER_PAYMENT
from contracts.task import INVOKE_AGENT
from tests.contract_http.system import Door, Marketplace

PAYLOAD = (
    '{"long": 12345678901234567890, "longer": -1000000000000000000000000000000, "cents": 1.10,'
    ' "tiny": 5e-324, "huge": 1.7976931348623157e308, "double": 0.30000000000000004, "e": 1E2,'
    ' "nothing": -0.0, "inside": [[{"x": 9007199254740993}]], "text": "1.10"}'
)


async def test_an_agent_gets_the_numbers_that_were_sent(market: Marketplace, door: Door) -> None:
    async with door.client() as http:
        answer = await http.post(
            "/api/invoke-agent",
            content=f'{{"agentId": "translator", "payload": {PAYLOAD}}}',
            headers={"content-type": "application/json"},
        )
    assert answer.status_code == 200, answer.text
    got = json.dumps(market.agent.calls[-1].payload)
    assert json.loads(got, parse_float=Decimal) == json.loads(PAYLOAD, parse_float=Decimal)


async def _refused(client: Client, subject: str, body: str) -> str:
    answer = await client.request(subject, body.encode(), timeout=10)
    assert (answer.headers or {})[ERROR_CODE] == "422"
    return (answer.headers or {})[ERROR_TEXT]


async def test_a_service_refuses_numbers_that_would_change(market: Marketplace) -> None:
    client = await market.system.bus.client()
    order = '{"paymentId": "p", "taskId": "t", "agentId": "a", "maxBudget": "5", "amount": %s}'
    for amount in ("0.1000000000000000055", "1e-400", "12345678901234567890.1"):
        said = await _refused(client, ENTER_PAYMENT.subject, order % amount)
        assert f"the number {amount} cannot be kept" in said
    for amount in ('"1_0"', '" 1"', '"1e3"', '"+1"', '"NaN"', '"-0"', "true"):
        said = await _refused(client, ENTER_PAYMENT.subject, order % amount)
        assert "amount: " in said
    for amount in ("0.0000001", '"0.0000001"'):
        assert "decimal places" in await _refused(client, ENTER_PAYMENT.subject, order % amount)

    call = '{"agentId": "translator", "payload": {"x": 0.1000000000000000055}}'
    assert "cannot be kept" in await _refused(client, INVOKE_AGENT.subject, call)
