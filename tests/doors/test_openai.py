"""OpenAI's own client at two gateways: HubChat and agents as models, errors, money."""

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from gateway.doors.openai import completions
from tests.complaints.system import Marketplace, Person
from tests.complaints.test_sessions import session
from tests.doors.openai_client import client_of
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, says, waits_for


async def ask(client: AsyncOpenAI, model: str, text: str = "hello", **more: Any) -> Any:
    messages: Any = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}]
    return await client.chat.completions.create(model=model, messages=messages, **more)


def _of(error: openai.APIStatusError) -> Any:
    return error.body


async def said_by(stream: Any) -> tuple[str, list[Any]]:
    """The text of a stream, and its chunks."""
    chunks = [chunk async for chunk in stream]
    texts = [one.choices[0].delta.content or "" for one in chunks if one.choices]
    return "".join(texts), chunks


async def test_hubchat_is_a_model_and_its_bill_is_in_the_answer(
    market: Marketplace, alice: Person
) -> None:
    skill = f"oaipoem{alice.account[-6:]}"
    client = client_of(alice)
    poet = answers("A poem of the sea.", cost="0.1")
    async with market.agent(poet, skills=[skill]):
        said = await ask(client, "hubchat", f"Please {skill}: the sea")
    assert "A poem of the sea." in said.choices[0].message.content
    assert said.choices[0].finish_reason == "stop"
    about = said.model_extra["bazaar"]
    assert about["bill"]["subtasks"][0]["cost"] == 0.1
    message = (await alice.get("/api/messages", taskId=about["taskId"]))[-1]
    assert said.choices[0].message.content == message["content"]
    assert said.usage.prompt_tokens == message["llm"]["input"] > 0
    assert said.usage.total_tokens == message["llm"]["input"] + message["llm"]["output"]
    assert about["bill"]["total"] == message["costBreakdown"]["total"]
    more = await ask(
        client,
        "hubchat",
        "Tell nobody.",
        metadata={"task_id": about["taskId"], "max_budget": "50"},
    )
    assert more.model_extra["bazaar"]["taskId"] == about["taskId"]
    assert (await alice.get(f"/api/tasks/{about['taskId']}"))["maxBudget"] == 50
    assert (await alice.wallet())["available"] == 100 - more.model_extra["bazaar"]["bill"]["total"]


async def test_a_stream_says_what_the_message_is(market: Marketplace, alice: Person) -> None:
    """Also over a stream that broke off: with the same key it is the same turn, and paid once."""
    skill = f"oaistream{alice.account[-6:]}"
    gate = asyncio.Event()
    work = waits_for(gate, answers("Waves.", cost="0.1"))
    async with market.agent(work, skills=[skill]) as (_agent, does):
        headers = {"Idempotency-Key": f"turn-{alice.account}"}
        wish = f"Please {skill}: the sea"
        stream = await ask(client_of(alice), "hubchat", wish, stream=True, extra_headers=headers)
        first = await anext(aiter(stream))
        await does.called()
        await stream.close()
        again = await ask(
            client_of(alice, 1),
            "hubchat",
            wish,
            stream=True,
            extra_headers=headers,
            stream_options={"include_usage": True},
        )
        reading = asyncio.create_task(said_by(again))
        gate.set()
        text, chunks = await reading
        assert len(does.calls) == 1
        assert chunks[0].id == first.id
        turn = first.model_extra["bazaar"]["turnId"]
        message = (await alice.get(f"/api/turns/{turn}"))["message"]
        assert text.endswith(message["content"])
        assert chunks[-1].usage.completion_tokens == message["llm"]["output"]
        bill = chunks[-1].model_extra["bazaar"]["bill"]
        assert bill["total"] == message["costBreakdown"]["total"]
        whole = await ask(client_of(alice), "hubchat", wish, extra_headers=headers)
        assert whole.choices[0].message.content == message["content"]
        assert len(does.calls) == 1
    assert (await alice.wallet())["available"] == 100 - bill["total"]


async def test_an_agent_is_a_model(market: Marketplace, alice: Person) -> None:
    client = client_of(alice)
    needs = {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}
    async with (
        market.agent(answers("Hola.", cost="0.3"), price="0.3") as (agent, does),
        market.agent(answers(), info={"input_schema": needs}) as (other, _),
    ):

        async def listed() -> bool:
            models = {one.id async for one in client.models.list()}
            assert {"hubchat", agent} <= models
            return other not in models

        assert await eventually(listed)
        assert (await client.models.retrieve(agent)).id == agent
        parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
        messages: Any = [{"role": "user", "content": parts}]
        said: Any = await client.chat.completions.create(model=agent, messages=messages)
        assert (said.choices[0].message.content, said.usage) == ("Hola.", None)
        assert does.calls[0].payload["text"] == "hel\nlo"
        assert said.model_extra["bazaar"]["bill"]["total"] == 0.3
        text, chunks = await said_by(await ask(client, agent, stream=True, temperature=0.7))
        assert text == "Hola."
        assert chunks[-1].model_extra["bazaar"]["taskId"]
        keyed = {"Idempotency-Key": f"call-{alice.account}"}
        one = await ask(client, agent, extra_headers=keyed)
        two = await ask(client_of(alice, 1), agent, extra_headers=keyed, stream=True)
        assert (await said_by(two))[1][0].id == one.id
        assert len(does.calls) == 3
    assert (await alice.wallet())["available"] == pytest.approx(100 - 3 * 0.3)


async def test_what_cannot_be_is_refused_in_openais_words(
    market: Marketplace, alice: Person, bob: Person
) -> None:
    """Nothing stored, nothing charged, and no client sends again what would be done twice."""
    client = client_of(alice)
    async with market.agent(answers(cost="0.3"), price="0.3") as (agent, does):
        with pytest.raises(openai.NotFoundError) as unknown:
            await ask(client, "gpt-4o")
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("../agents")
        with pytest.raises(openai.AuthenticationError) as stranger:
            await ask(client.with_options(api_key="sk-nothing"), "hubchat")
        assert stranger.value.code == "invalid_api_key"
        wrong: list[dict[str, Any]] = [
            {"n": 2},
            {"response_format": {"type": "json_object"}},
            {"tool_choice": "required"},
            {"metadata": {"max_budget": "much"}},
            {"metadata": {"max_budget": ""}},
            {"messages": []},
            {"messages": [{"role": "assistant", "content": "I speak."}]},
            {"messages": [{"role": "user", "content": ""}]},
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            {"stream": "perhaps"},
        ]
        for body in wrong:
            for model in ("hubchat", agent):
                if model == agent and body.get("messages") == [{"role": "user", "content": ""}]:
                    continue
                with pytest.raises(openai.BadRequestError) as bad:
                    await ask(client, model, extra_body=body)
                assert bad.value.type == "invalid_request_error", body
                assert _of(bad.value)["message"], body
        foreign = (await bob.call(agent)).json()["taskId"]
        for model in ("hubchat", agent):
            with pytest.raises(openai.NotFoundError):
                await ask(client, model, metadata={"task_id": foreign})
        poor = client_of(await market.person("0.05"))
        for stream in (False, True):
            with pytest.raises(openai.APIStatusError) as dear:
                await ask(poor, agent, stream=stream)
            assert (dear.value.status_code, dear.value.code) == (402, "insufficient_quota")
            assert (_of(dear.value)["required"], _of(dear.value)["available"]) == (0.3, 0.05)
            assert dear.value.response.headers["x-should-retry"] == "false"
        assert len(does.calls) == 1, "the foreign one"
    for path, status in (("/v1/embeddings", 404), ("/v1/chat/completions", 405)):
        answer = await alice.first.get(path)
        assert answer.status_code == status
        assert answer.json()["error"]["type"] == "invalid_request_error"
    one = {"model": "hubchat", "messages": [{"role": "user", "content": "hello"}]}
    twice = [("idempotency-key", "a"), ("idempotency-key", "b")]
    answer = await alice.first.post("/v1/chat/completions", json=one, headers=twice)
    assert (answer.status_code, "once" in answer.text) == (400, True)
    for content, kind, status in (
        (b"{", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b'{"model": "hubchat", "model": "x"}', "application/json", 400),
        (b"x" * 1_100_000, "application/json", 413),
    ):
        answer = await alice.first.post(
            "/v1/chat/completions", content=content, headers={"content-type": kind}
        )
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["message"]
    assert await alice.get("/api/messages") == []
    assert (await alice.wallet())["available"] == 100


async def test_what_an_agent_fails_at_costs_nothing(market: Marketplace, alice: Person) -> None:
    async with market.agent(says("no")) as (agent, _):
        with pytest.raises(openai.InternalServerError) as failed:
            await ask(client_of(alice), agent)
        assert failed.value.response.headers["x-should-retry"] == "false"
        with pytest.raises(openai.APIError):
            await said_by(await ask(client_of(alice), agent, stream=True))
    assert (await alice.wallet())["available"] == 100


async def test_a_turn_is_cancelled_while_it_is_streamed(market: Marketplace, alice: Person) -> None:
    skill = f"oaicancel{alice.account[-6:]}"
    gate = asyncio.Event()
    async with market.agent(waits_for(gate, answers(cost="0.1")), skills=[skill]) as (_, does):
        stream = await ask(client_of(alice), "hubchat", f"Please {skill}: the sea", stream=True)
        chunks = aiter(stream)
        about = (await anext(chunks)).model_extra["bazaar"]
        await does.called()
        cancelled = await alice.second.post(f"/api/turns/{about['turnId']}/cancel")
        assert cancelled.json()["cancelled"]
        text, rest = await said_by(chunks)
        gate.set()
    assert text
    assert rest[-1].choices[0].finish_reason == "stop"
    about |= rest[-1].model_extra["bazaar"]
    paid = (about["bill"] or {"total": 0})["total"]
    assert paid < 0.1, "of the model alone"
    assert (await alice.wallet())["posted"] == pytest.approx(100 - paid)


async def test_a_session_calls_agents_and_no_hubchat(market: Marketplace, alice: Person) -> None:
    buyer, _ = await session(market, alice, limit=0.5)
    async with market.agent(answers(cost="0.3"), price="0.3") as (agent, _):
        client = client_of(buyer)
        assert (await ask(client, agent)).choices[0].message.content == "done"
        with pytest.raises(openai.APIStatusError) as spent:
            await ask(client, agent)
        assert spent.value.status_code == 402
        with pytest.raises(openai.PermissionDeniedError):
            await ask(client, "hubchat")
        with pytest.raises(openai.PermissionDeniedError):
            await ask(client, "hubchat", stream=True)


async def test_a_turn_that_takes_long_is_named(
    market: Marketplace, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks again with the same key waits for the same turn."""
    monkeypatch.setattr(completions, "WAIT_S", 0.0)
    skill = f"oailong{alice.account[-6:]}"
    gate = asyncio.Event()
    headers = {"Idempotency-Key": f"long-{alice.account}"}
    wish = f"Please {skill}: the sea"
    async with market.agent(waits_for(gate, answers(cost="0.1")), skills=[skill]) as (_, does):
        body = {"model": "hubchat", "messages": [{"role": "user", "content": wish}]}
        try:
            hung_up = asyncio.create_task(
                alice.first.post("/v1/chat/completions", json=body, headers=headers)
            )
            await does.called()
            hung_up.cancel()
        finally:
            gate.set()
        said = await ask_raw(alice, body, headers)
        assert len(does.calls) == 1
    assert said["choices"][0]["message"]["content"]


async def ask_raw(person: Person, body: Any, headers: dict[str, str]) -> Any:
    answer = await person.second.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == httpx.codes.OK, answer.text
    return json.loads(answer.content)
