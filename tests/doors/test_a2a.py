"""The A2A door: what is bought through it, and that the books say the same as over HTTP."""

import asyncio
from uuid import uuid4

import pytest
from a2a.types import ListTasksRequest, SubscribeToTaskRequest
from a2a.utils.errors import (
    InternalError,
    InvalidParamsError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)

from chassis.bus.envelopes import new_id
from tests.complaints.system import Marketplace, Person
from tests.doors.a2a_clients import (
    CANCELED,
    DONE,
    VERSIONS,
    WIRES,
    WORKING,
    bill_of,
    call,
    cancelled,
    client_of,
    closed,
    got,
    in_context,
    sent,
    text_of,
    until_told,
    wish,
)
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, says, waits_for


@pytest.mark.parametrize(("version", "binding"), WIRES)
async def test_an_agent_is_called_and_paid_and_the_task_has_the_bill(
    market: Marketplace, alice: Person, version: str, binding: str
) -> None:
    async with market.agent(answers("hola", cost="0.1"), price="0.1") as (agent, does):
        client = await client_of(alice, version=version, binding=binding)
        task = await sent(client, call(agent))
        assert (task.status.state, text_of(task)) == (DONE, "hola")
        other = await client_of(alice, 1, version=version, binding=binding)
        again = await got(other, task.id)
        assert (again.status.state, text_of(again)) == (DONE, "hola")
        assert bill_of(again)["total"] == bill_of(task)["total"] == 0.1
    assert [one.payload for one in does.calls] == [{"text": "hello", "times": 3}]
    assert (await alice.wallet())["posted"] == 99.9
    receipt = await alice.get(f"/api/tasks/{task.id}/receipt")
    assert receipt["total"] == 0.1


async def test_a_message_that_is_sent_again_is_paid_once(
    market: Marketplace, alice: Person
) -> None:
    async with market.agent(answers("hola", cost="0.1"), price="0.1") as (agent, does):
        request = call(agent, new_id())
        first = await sent(await client_of(alice, 0), request)
        again = await sent(await client_of(alice, 1), request)
        streamed = await sent(await client_of(alice, 1, streaming=True), request)
        assert first.id == again.id == streamed.id
        with pytest.raises(InvalidParamsError, match="another body"):
            await sent(await client_of(alice), call(agent, request.message.message_id, maxPrice=1))
    assert len(does.calls) == 1
    assert (await alice.wallet())["posted"] == 99.9


async def test_hubchat_is_asked_in_words_and_gone_on_with(
    market: Marketplace, alice: Person
) -> None:
    client = await client_of(alice)
    task = await sent(client, wish("Who are you?"))
    assert task.status.state == DONE
    assert task.id.startswith("turn_")
    assert text_of(await got(client, task.id)) == text_of(task)
    skill = f"a2a{new_id()[:8]}"
    async with market.agent(answers("done", cost="0.1"), price="0.1", skills=[skill]):
        bought = await sent(client, wish(f"Please {skill}: this"))
        turn = await alice.get(f"/api/turns/{bought.id.removeprefix('turn_')}")
        assert bill_of(bought)["total"] == turn["message"]["costBreakdown"]["total"]
        more = await sent(client, wish("Thank you", context_id=bought.context_id))
    assert more.context_id == bought.context_id
    ours = await alice.get(f"/api/tasks/{bought.context_id}")
    assert ours["totalCost"] >= 0.1
    assert (await got(client, ours["id"])).status.state == DONE


@pytest.mark.parametrize(("version", "binding"), WIRES)
async def test_a_stream_begins_with_the_task_and_ends_with_its_result(
    market: Marketplace, alice: Person, version: str, binding: str
) -> None:
    gate = asyncio.Event()
    agents = market.agent(waits_for(gate, answers("late", cost="0.1")), price="0.1")
    async with agents as (agent, _):
        client = await client_of(alice, version=version, binding=binding, streaming=True)
        told = client.send_message(call(agent))
        first = (await anext(told)).task
        assert first.status.state == WORKING
        gate.set()
        rest = [event async for event in told]
    kinds = [event.WhichOneof("payload") for event in rest]
    assert kinds[-2:] == ["artifact_update", "status_update"]
    assert rest[-2].artifact_update.artifact.parts[0].text == "late"
    assert rest[-1].status_update.status.state == DONE
    assert rest[-1].status_update.task_id == first.id
    assert (await alice.wallet())["posted"] == 99.9


@pytest.mark.parametrize("version", VERSIONS)
async def test_who_hung_up_subscribes_again_at_the_other_gateway_and_pays_once(
    market: Marketplace, alice: Person, version: str
) -> None:
    gate = asyncio.Event()
    agents = market.agent(waits_for(gate, answers("late", cost="0.1")), price="0.1")
    async with agents as (agent, does):
        client = await client_of(alice, 0, version=version, streaming=True)
        told = client.send_message(call(agent))
        task = (await anext(told)).task
        await closed(told)
        other = await client_of(alice, 1, version=version, streaming=True)
        again = other.subscribe(SubscribeToTaskRequest(id=task.id))
        assert (await anext(again)).task.status.state == WORKING
        gate.set()
        artifact, _ = await until_told(again, "artifact_update")
        assert artifact.artifact_update.artifact.parts[0].text == "late"
        assert (await anext(again)).status_update.status.state == DONE
        with pytest.raises(UnsupportedOperationError):
            await anext(other.subscribe(SubscribeToTaskRequest(id=task.id)))
    assert len(does.calls) == 1
    assert (await alice.wallet())["posted"] == 99.9


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_task_that_is_not_waited_for_is_listed_cancelled_and_costs_nothing(
    market: Marketplace, alice: Person, version: str
) -> None:
    async with market.agent(waits_for(asyncio.Event(), answers())) as (agent, does):
        client = await client_of(alice, 0, version=version)
        task = await sent(client, call(agent, now=True))
        assert task.status.state == WORKING
        await does.called()
        other = await client_of(alice, 1, version=version)
        if version != "0.3":  # That has no list.
            [listed] = (await other.list_tasks(ListTasksRequest(page_size=10))).tasks
            assert (listed.id, listed.status.state) == (task.id, WORKING)
        assert (await cancelled(other, task.id)).status.state == CANCELED

        async def ended() -> bool:
            return (await got(client, task.id)).status.state == CANCELED

        await eventually(ended)
    assert (await alice.wallet())["available"] == 100
    async with market.agent() as (agent, _):
        done = await sent(client, call(agent))
        with pytest.raises(TaskNotCancelableError):
            await cancelled(client, done.id)


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_fails_is_an_error_in_words_and_costs_nothing(
    market: Marketplace, alice: Person, version: str
) -> None:
    client = await client_of(alice, version=version)
    async with market.agent(says({"detail": "out of order"}, 500)) as (agent, _):
        with pytest.raises(InternalError):
            await sent(client, call(agent))
        with pytest.raises(InvalidParamsError, match="Agent not found"):
            await sent(client, call("nobody"))
        with pytest.raises(TaskNotFoundError):
            await got(client, "made-up")
        with pytest.raises(TaskNotFoundError):
            await got(client, "turn_made-up")
    assert (await alice.wallet())["available"] == 100


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_budget_is_reached(market: Marketplace, version: str) -> None:
    poor = await market.person("0.15")
    client = await client_of(poor, version=version)
    async with market.agent(answers(cost="0.1"), price="0.1") as (agent, does):
        await sent(client, call(agent))
        with pytest.raises(UnsupportedOperationError, match=r"0\.1 BazaarBucks are needed"):
            await sent(client, call(agent))
    assert len(does.calls) == 1
    assert (await poor.wallet())["posted"] == 0.05


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_anothers_is_not_there(
    market: Marketplace, alice: Person, bob: Person, version: str
) -> None:
    his = await client_of(bob, version=version, streaming=True)
    async with market.agent() as (agent, _):
        task = await sent(await client_of(alice), call(agent))
    for asked in (got(his, task.id), cancelled(his, task.id)):
        with pytest.raises(TaskNotFoundError):
            await asked
    with pytest.raises(TaskNotFoundError):
        await anext(his.subscribe(SubscribeToTaskRequest(id=task.id)))
    if version != "0.3":
        assert not (await his.list_tasks(ListTasksRequest())).tasks


async def test_a_context_that_a_client_makes_up_is_a_conversation_of_its_own(
    market: Marketplace, alice: Person, bob: Person
) -> None:
    theirs = str(uuid4())
    async with market.agent(answers(cost="0.1"), price="0.1") as (agent, _):
        first, again, other = [
            await sent(await client_of(person, number), in_context(call(agent), theirs))
            for person, number in ((alice, 0), (alice, 1), (bob, 0))
        ]
    assert {first.context_id, again.context_id, other.context_id} == {theirs}
    assert first.id == again.id != other.id
    assert (await got(await client_of(alice), first.id)).context_id == theirs
    [task] = await alice.get("/api/tasks")
    assert task["id"] == first.id
    assert (await alice.wallet())["posted"] == 99.8
    said = await sent(await client_of(bob), wish("Who are you?", context_id="of my own: 1"))
    assert (said.status.state, said.context_id) == (DONE, "of my own: 1")


async def test_a_session_is_answered_at_the_end_and_reads_no_streams(
    market: Marketplace, alice: Person
) -> None:
    made = await alice.first.post(
        "/api/sessions", json={"limit": 0.2, "expiresAt": "2099-01-01T00:00:00Z"}
    )
    session = await market.client(market.urls[0], made.json()["token"])
    client = await client_of(Person(alice.account, session, session))
    streaming = await client_of(Person(alice.account, session, session), streaming=True)
    async with market.agent(answers(cost="0.1"), price="0.1") as (agent, _):
        assert (await sent(client, call(agent, now=True))).status.state == DONE
        with pytest.raises(UnsupportedOperationError, match="session"):
            await sent(streaming, call(agent))
        with pytest.raises(UnsupportedOperationError, match="session"):
            await sent(client, wish("hello"))
        assert (await sent(client, call(agent))).status.state == DONE
        with pytest.raises(UnsupportedOperationError):
            await sent(client, call(agent))
    assert (await alice.wallet())["posted"] == 99.8
