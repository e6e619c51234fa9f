"""A price that binds, over the whole market: what is quoted, billed, paid, and said about it."""

from decimal import Decimal
from typing import Any

import pytest

from agents import mock_busy, mock_highprice, mock_negotiator, search, summarizer, translator
from agents.settings import Settings
from contracts.errors import PaymentRequired
from contracts.ledger import CHECK_LEDGER, GET_RECEIPT
from contracts.registry import REGISTER_AGENT
from registry_svc.seeds import SEEDS
from tests.agents.serving import served
from tests.support.polling import eventually
from tests.support.scripted_agent import accepts, answers
from tests.support.services import task_service
from tests.support.stack import running
from tests.support.system import System
from tests.task.plans import spec, start

BY_SIZE = {"mode": "by_size", "perThousand": "0.5"}
BUYS = {"purchases": "0.01", "purchasesOf": "num_results", "purchasesDefault": 5}


async def bills(system: System, agent_id: str, billing: dict[str, Any]) -> None:
    """Have an agent's listing say how it bills; task_svc is told as of any change."""
    listed = await system.listed(agent_id)
    await system.ask(
        REGISTER_AGENT,
        "demo",
        id=agent_id,
        endpoint_url=listed.endpoint_url,
        name=listed.name,
        description=listed.description,
        skills=listed.skills,
        base_price=listed.base_price,
        billing=billing,
    )


@pytest.mark.parametrize(
    ("billing", "bill", "payload", "quoted", "cost", "external", "over"),
    [
        # Listed at 0.01 and billed 0.95.
        ({}, {"cost": 0.95}, {}, "0.01", "0.01", "0", True),
        ({}, {"cost": 0.01, "external_cost": 0.01}, {}, "0.01", "0.01", "0", True),
        ({}, {"cost": 0, "external_cost": 5}, {}, "0.01", "0", "0.01", True),
        (BY_SIZE, {"cost": 0.0125}, {"text": "hello"}, "0.0125", "0.0125", "0", False),
        (BY_SIZE, {"cost": 0.0126}, {"text": "hello"}, "0.0125", "0.0125", "0", True),
        (BUYS, {"cost": 0.01, "external_cost": 0.05}, {}, "0.06", "0.01", "0.05", False),
        (BUYS, {"cost": 0.06}, {}, "0.06", "0.01", "0", False),
        (
            BUYS,
            {"cost": 0.01, "external_cost": 0.05},
            {"num_results": 2},
            "0.03",
            "0.01",
            "0.02",
            True,
        ),
        (BY_SIZE | {"ceiling": "0.02"}, {"cost": 9}, {"t": "x" * 999}, "0.02", "0.02", "0", True),
        (BY_SIZE | {"tolerance": "1.5"}, {"cost": 0.015}, {}, "0.01", "0.015", "0", False),
        (BY_SIZE | {"tolerance": "1.5"}, {"cost": 0.02}, {}, "0.01", "0.015", "0", True),
        ({"tolerance": "2"}, {"cost": 0.02}, {}, "0.01", "0.01", "0", True),
    ],
    ids=str,
)
async def test_what_is_billed_beyond_the_quote_is_refused_and_said(
    system: System,
    billing: dict[str, Any],
    bill: dict[str, Any],
    payload: dict[str, Any],
    quoted: str,
    cost: str,
    external: str,
    over: bool,
):
    account = await system.account()
    async with system.agent(answers(**bill), price="0.01") as (agent_id, _):
        if billing:
            await bills(system, agent_id, billing)
        reply = await system.invoke(account, agent_id, payload=payload)
    paid, asked = Decimal(cost) + Decimal(external), sum(Decimal(str(one)) for one in bill.values())
    assert (reply.cost, reply.external_cost) == (Decimal(cost), Decimal(external))
    assert (reply.quoted, reply.billed) == (Decimal(quoted), asked)
    assert await system.paid(account, reply.task_id) == paid
    (step,) = await system.steps(account, reply.task_id)
    assert (step.quoted, step.billed, step.paid) == (Decimal(quoted), asked, paid)
    (line,) = (await system.ask(GET_RECEIPT, account, task_id=reply.task_id)).lines
    assert (line.quoted, line.billed, line.paid) == (Decimal(quoted), asked, paid)
    done = (await system.event(reply.task_id, "step.completed")).body
    assert (Decimal(done["quoted"]), done["overbilled"]) == (Decimal(quoted), over)
    if asked > paid:
        await system.event(reply.task_id, "hold.overcharged")
    else:
        assert system.events(reply.task_id, "hold.overcharged") == []
    assert (await system.ask(CHECK_LEDGER, account, full=True)).ok


async def test_a_bill_beyond_what_was_agreed_is_overbilled(system: System, task_id: str):
    account = await system.account()
    async with system.haggler(answers(cost=1), haggles=[accepts()]) as (agent_id, _):
        found = await system.negotiate(account, agent_id, task_id=task_id)
        step = spec(task_id, agent_id, negotiation_id=found.negotiation_id)
        await system.order(account, start(task_id, step))
        await system.step_is(account, task_id, task_id, "completed")
    done = (await system.event(task_id, "step.completed")).body
    assert (Decimal(done["quoted"]), Decimal(done["cost"])) == (Decimal("0.6"), Decimal("0.6"))
    assert done["overbilled"]


async def test_what_is_larger_than_the_budget_is_not_begun(system: System):
    """The hold is for what was promised from the start, whatever the size comes to."""
    account = await system.account()
    task = await system.new_task(account, max_budget="0.5")
    async with system.agent(answers(cost=0.01), price="0.01") as (agent_id, agent):
        await bills(system, agent_id, BY_SIZE)
        text = {"text": "x" * 1_000}
        refused = await system.refusal(account, agent_id, task_id=task.id, payload=text)
        assert isinstance(refused, PaymentRequired)
        assert agent.calls == []
        await system.invoke(account, agent_id, task_id=task.id, payload=text, max_price="0.5")


async def test_the_settings_tolerance_is_for_who_declares_none(system: System):
    account = await system.account()
    async with (
        running(task_service(system.stack, price_tolerance="1.2")),
        system.agent(answers(cost=0.15), price="0.10") as (agent_id, _),
    ):
        # Two replicas answer; enough calls reach both.
        costs = {(await system.invoke(account, agent_id)).cost for _ in range(24)}
    assert costs == {Decimal("0.10"), Decimal("0.12")}
    assert (await system.ask(CHECK_LEDGER, account, full=True)).ok


async def test_the_six_are_promised_what_they_bill(system: System):
    """What `agents/` bill is what their listings say, for a payload as the UI sends it."""
    account = await system.account()
    text = "The quick brown fox jumps over the lazy dog. " * 50
    modules = {
        "summarizer": (summarizer, {"text": text, "max_length": 30}),
        "translator": (translator, {"text": "hello", "target_language": "es"}),
        "search": (search, {"query": "bazaar"}),
        "mock_busy": (mock_busy, {"task": "hi"}),
        "mock_highprice": (mock_highprice, {"task": "hi"}),
        "mock_negotiator": (mock_negotiator, {"task": "hi"}),
    }
    settings = Settings(busy_rate=0, search_engine="local")
    for seed in SEEDS:
        module, payload = modules[seed.id]
        with served(module.build(settings)) as http:
            agent_id = f"six-{seed.id}"
            await system.list_agent(agent_id, str(http.base_url), price=seed.base_price)
            shown = seed.billing.model_dump(mode="json")
            await bills(system, agent_id, shown)
            said = http.get("/info").json()
            for name, value in said["billing"].items():
                assert getattr(seed.billing, name) == (
                    Decimal(str(value)) if isinstance(value, float) else value
                ), (seed.id, name)
            reply = await system.invoke(account, agent_id, payload=payload)
        assert reply.billed is not None
        assert reply.quoted is not None
        assert reply.cost + reply.external_cost == reply.billed <= reply.quoted, seed.id
    assert await eventually(lambda: _settled(system, account))


async def _settled(system: System, account: str) -> bool:
    return (await system.wallet(account))[1] == 0
