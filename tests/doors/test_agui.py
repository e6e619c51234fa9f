"""AG-UI's own models read what a run tells, at two gateways: text, tools, bills, interrupts."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from ag_ui.core import PROTOCOL_VERSION, Event, RunAgentInput, UserMessage
from ag_ui_validate.pytest_plugin import assert_valid_agui
from pydantic import TypeAdapter

from chassis.bus.envelopes import new_id
from tests.complaints.system import Marketplace, Person
from tests.complaints.test_sessions import session
from tests.doors.test_approvals import waiting
from tests.gateway.credentials import make_key
from tests.support.scripted_agent import answers, waits_for

EVENT: TypeAdapter[Any] = TypeAdapter(Event)


@dataclass
class Run:
    """What one run told."""

    events: list[Any] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        return [event.type.value for event in self.events]

    @property
    def text(self) -> str:
        return "".join(one.delta for one in self.events if one.type.value == "TEXT_MESSAGE_CONTENT")

    @property
    def state(self) -> dict[str, Any]:
        found = [one.snapshot for one in self.events if one.type.value == "STATE_SNAPSHOT"]
        last: dict[str, Any] = found[-1]
        return last


def asks(text: str, **more: Any) -> dict[str, Any]:
    """The body of a run, as AG-UI's own model writes it."""
    given = RunAgentInput(
        thread_id=f"thread-{new_id()}",
        run_id=f"run-{new_id()}",
        protocol_version=PROTOCOL_VERSION,
        messages=[UserMessage(id="m1", role="user", content=text)],
        **more,
    )
    body: dict[str, Any] = json.loads(given.model_dump_json(by_alias=True))
    return body


async def telling(
    person: Person, body: dict[str, Any], run: Run, number: int = 0, after: str | None = None
) -> AsyncGenerator[Any]:
    """The events of a run as they come; each is one that AG-UI's models know."""
    headers = {"accept": "text/event-stream"} | ({"last-event-id": after} if after else {})
    http = person.at(number)
    async with http.stream("POST", "/agui", json=body, headers=headers) as answer:
        assert answer.status_code == httpx.codes.OK, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                run.places.append(line.removeprefix("id: "))
            elif line.startswith("data: "):
                run.frames.append(line.removeprefix("data: "))
                event = EVENT.validate_json(run.frames[-1])
                run.events.append(event)
                yield event


async def told(person: Person, body: dict[str, Any], **more: Any) -> Run:
    """A whole run."""
    run = Run()
    async for _ in telling(person, body, run, **more):
        pass
    assert_valid_agui(run.frames)
    return run


async def test_a_run_is_a_turn_with_its_bill(market: Marketplace, alice: Person) -> None:
    skill = f"aguipoem{alice.account[-6:]}"
    async with market.agent(answers("Waves.", cost="0.1"), skills=[skill]) as (agent, does):
        body = asks(f"Please {skill}: the sea", forwarded_props={"maxBudget": 7})
        run = await told(alice, body)
        assert run.kinds[0] == "RUN_STARTED"
        assert run.kinds[-2:] == ["STATE_SNAPSHOT", "RUN_FINISHED"]
        (call,) = [one for one in run.events if one.type.value == "TOOL_CALL_START"]
        (result,) = [one for one in run.events if one.type.value == "TOOL_CALL_RESULT"]
        assert (call.tool_call_name, result.tool_call_id) == (agent, call.tool_call_id)
        assert result.content == "Waves."
        turn = await alice.get(f"/api/turns/{run.state['turnId']}")
        message = turn["message"]
        assert run.text.endswith(message["content"])
        assert run.state["bill"] == message["costBreakdown"]
        finished = run.events[-1]
        assert finished.outcome.type == "success"
        assert finished.usage[0].input_tokens == message["llm"]["input"]
        assert (await alice.get(f"/api/tasks/{turn['taskId']}"))["maxBudget"] == 7
        # The same run, sent again at the other gateway: the same turn, told and not done again.
        again = await told(alice, body, number=1)
        assert again.state == run.state
        assert len(does.calls) == 1
        # The state knows the task that the next run goes on with.
        more = await told(alice, asks("Tell nobody.", state=run.state))
        assert more.state["taskId"] == turn["taskId"]
    bill = more.state["bill"] or run.state["bill"]
    assert (await alice.wallet())["available"] == 100 - bill["total"]


async def test_a_run_that_broke_off_goes_on_at_the_other_gateway(
    market: Marketplace, alice: Person
) -> None:
    skill = f"aguibroken{alice.account[-6:]}"
    gate = asyncio.Event()
    work = waits_for(gate, answers("Waves.", cost="0.1"))
    async with market.agent(work, skills=[skill]) as (_agent, does):
        body, first = asks(f"Please {skill}: the sea"), Run()
        async with aclosing(telling(alice, body, first)) as events:
            async for event in events:
                if event.type.value == "TOOL_CALL_END":
                    break
        await does.called()
        assert first.places, "a place to go on from"
        rest = Run()
        reading = asyncio.create_task(_all(alice, body, rest, first.places[-1]))
        await asyncio.sleep(0.1)
        gate.set()
        await reading
        assert "TOOL_CALL_START" not in rest.kinds, "it was told before"
        assert rest.kinds.count("TOOL_CALL_RESULT") == 1
        assert rest.kinds[-1] == "RUN_FINISHED"
        assert len(does.calls) == 1
    assert (await alice.wallet())["posted"] == pytest.approx(100 - rest.state["bill"]["total"])


async def _all(person: Person, body: dict[str, Any], run: Run, after: str) -> None:
    async for _ in telling(person, body, run, 1, after):
        pass


async def test_a_run_waits_for_a_person(market: Marketplace, alice: Person) -> None:
    """Whoever has the limited key is interrupted; the account's own key approves and goes on."""
    admin = await market.client(
        market.urls[0], await make_key(market.stack.nats_url, "root", "--scopes", "admin,read")
    )
    order = {"account": alice.account, "scopes": ["read", "write"], "approveAbove": 0.05}
    made = (await admin.post("/api/keys", json=order)).json()
    limited = Person(
        alice.account, *[await market.client(url, made["token"]) for url in market.urls]
    )
    skill = f"aguiwaits{alice.account[-6:]}"
    async with market.agent(answers("Waves.", cost="0.1"), skills=[skill]) as (_agent, does):
        body = asks(f"Please {skill}: the sea")
        run = await told(limited, body)
        (asked,) = await waiting(alice)
        (waits,) = run.events[-1].outcome.interrupts
        assert (waits.id, waits.metadata["amount"]) == (asked["stepId"], "0.1")
        assert waits.expires_at
        again = await told(limited, body, number=1)
        assert again.events[-1].outcome.interrupts[0].id == waits.id
        answer = {"interruptId": waits.id, "status": "resolved", "payload": {"approved": True}}
        on = asks("", state=run.state) | {"resume": [answer], "messages": []}
        refused = await limited.first.post("/agui", json=on)
        assert (refused.status_code, does.calls) == (403, [])
        done = await told(alice, on, number=1)
        assert done.kinds[-1] == "RUN_FINISHED"
        assert done.events[-1].outcome.type == "success"
        assert "Waves." in done.text
        assert done.kinds.count("TOOL_CALL_START") == done.kinds.count("TOOL_CALL_RESULT") == 1
        assert len(does.calls) == 1


async def test_a_budget_of_nothing_is_one(market: Marketplace, alice: Person) -> None:
    """Said in the body, or in the header beside a body that says none."""
    skill = f"aguinothing{alice.account[-6:]}"
    async with market.agent(answers(cost="0.1"), skills=[skill]) as (_agent, does):
        wish = f"Please {skill}: the sea"
        run = await told(alice, asks(wish, forwarded_props={"maxBudget": 0}))
        assert does.calls == []
        assert run.kinds[-1] == "RUN_FINISHED"
        twice = [("bazaar-max-budget", "0"), ("bazaar-max-budget", "9")]
        answer = await alice.first.post("/agui", json=asks(wish), headers=twice)
        assert answer.status_code == 422, answer.text
        assert does.calls == []


async def test_a_cancelled_run_ends_in_words(market: Marketplace, alice: Person) -> None:
    skill = f"aguicancel{alice.account[-6:]}"
    gate = asyncio.Event()
    async with market.agent(waits_for(gate, answers()), skills=[skill]) as (_agent, does):
        run = Run()
        async for event in telling(alice, asks(f"Please {skill}: the sea"), run):
            if event.type.value == "TOOL_CALL_END":
                await does.called()
                turn = run.state["turnId"]
                assert (await alice.second.post(f"/api/turns/{turn}/cancel")).json()["cancelled"]
        gate.set()
        assert run.kinds[-1] == "RUN_FINISHED"
        assert run.text
    paid = (run.state["bill"] or {"total": 0})["total"]
    assert paid < 0.1, "of the model alone"
    assert (await alice.wallet())["posted"] == pytest.approx(100 - paid)


async def test_what_is_no_run_is_refused(market: Marketplace, alice: Person, bob: Person) -> None:
    """By status, before a stream begins; nothing is stored, nothing charged."""
    buyer, _ = await session(market, alice)
    good = asks("hello")
    async with market.agent(answers(cost="0.1")) as (agent, _):
        foreign = (await bob.call(agent)).json()["taskId"]
    for who, body, status in (
        (alice, {}, 422),
        (alice, good | {"messages": []}, 422),
        (alice, good | {"protocolVersion": "2.0"}, 422),
        (alice, good | {"forwardedProps": {"maxBudget": "much"}}, 422),
        (alice, good | {"messages": [{"id": "1", "role": "user", "content": " "}]}, 422),
        (alice, good | {"state": {"taskId": foreign}}, 404),
        (alice, good | {"resume": [{"interruptId": "x", "status": "cancelled"}]}, 422),
        (buyer, good, 403),
    ):
        fresh = {"runId": f"run-{new_id()}"} if body else {}
        answer = await who.first.post("/agui", json=body | fresh)
        assert answer.status_code == status, (body, answer.text)
        assert answer.json()["error"]
    missing = {"resume": [{"interruptId": "x", "status": "cancelled"}], "state": {"turnId": "no"}}
    assert (await alice.first.post("/agui", json=good | missing)).status_code == 404
    stranger = await alice.first.post("/agui", json=good, headers={"authorization": "Bearer no"})
    assert stranger.status_code == 401
    for method, kind, status in (("POST", "text/plain", 415), ("GET", "", 405)):
        headers = {"content-type": kind} if kind else {}
        answer = await alice.first.request(method, "/agui", headers=headers)
        assert answer.status_code == status
    assert await alice.get("/api/messages") == []
    assert (await alice.wallet())["available"] == 100


@pytest.mark.parametrize("door", ["openai", "agui"])
async def test_two_runs_at_once_are_two(market: Marketplace, alice: Person, door: str) -> None:
    """Streams of one account are told apart, whatever passes meanwhile."""
    skill = f"aguitwo{alice.account[-6:]}{door}"
    async with market.agent(answers(lambda got: got["text"], cost="0.1"), skills=[skill]):

        async def one(number: int) -> str:
            wish = f"Please {skill}: sea {number}"
            if door == "agui":
                return (await told(alice, asks(wish), number=number)).text
            messages = [{"role": "user", "content": wish}]
            body = {"model": "hubchat", "stream": True, "messages": messages}
            answer = await alice.at(number).post("/v1/chat/completions", json=body)
            assert answer.text.endswith("data: [DONE]\n\n")
            return answer.text

        for number, text in enumerate(await asyncio.gather(one(0), one(1))):
            assert f"sea {number}" in text
            assert f"sea {1 - number}" not in text
