"""Refusals, pages, envelopes, CORS, health and the OpenAPI document."""

import re
from typing import Any

import httpx
import pytest

from contracts.base import Pong, ping_call
from contracts.chat import LIST_MESSAGES
from contracts.errors import (
    BadAnswer,
    Conflict,
    Internal,
    Invalid,
    NotFound,
    PaymentRequired,
    Refusal,
    TooSlow,
    Unavailable,
)
from contracts.payment import LIST_BAZAARBUCKS, LIST_STRIPE
from contracts.registry import GET_AGENT, LIST_AGENTS, AgentList, AgentReply
from contracts.task import INVOKE_AGENT, LIST_STEPS, LIST_TASKS
from tests.gateway import samples
from tests.support.gateways import StandIns, assert_problem, gateway_settings, serving

CALL = {"agentId": "translator", "payload": {}}
CONTEXTS = ("registry", "task", "payment", "chat")
LISTS = [
    ("/api/agents", LIST_AGENTS, samples.AGENTS),
    ("/api/tasks", LIST_TASKS, samples.TASKS),
    ("/api/tasks/t1/steps", LIST_STEPS, samples.STEPS),
    ("/api/messages", LIST_MESSAGES, samples.MESSAGES),
    ("/api/messages?taskId=t1", LIST_MESSAGES, samples.MESSAGES),
    ("/api/payments/bazaarbucks", LIST_BAZAARBUCKS, samples.PAYMENTS),
    ("/api/payments/stripe", LIST_STRIPE, samples.CARDS),
]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("The payload lacks a text."), 422),
        (NotFound("Agent not found"), 404),
        (Conflict("The task is over."), 409),
        (PaymentRequired("The wallet holds 1 BazaarBuck, the call costs 2."), 402),
        (BadAnswer("The agent “Übersetzer” answered nonsense."), 502),
        (Unavailable("The agent is busy."), 503),
        (TooSlow("The agent did not answer in time."), 504),
        (Internal("Something went wrong on our side."), 500),
    ],
)
async def test_a_refusal_keeps_its_code_and_its_sentence(
    http: httpx.AsyncClient, services: StandIns, error: Refusal, status: int
) -> None:
    await services.answer(INVOKE_AGENT, error)
    assert_problem(await http.post("/api/invoke-agent", json=CALL), status, error.message)


async def test_who_comes_too_early_is_told_when(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(INVOKE_AGENT, Unavailable("It wants to be left alone.", wait_s=19.2))
    answer = await http.post("/api/invoke-agent", json=CALL)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "20")


@pytest.mark.parametrize("reply", [b"", b"{", b"[]", b'{"agents": [{"id": 5}]}'])
async def test_an_answer_of_another_shape_is_500_without_details(
    http: httpx.AsyncClient, services: StandIns, reply: bytes
) -> None:
    await services.answer(LIST_AGENTS, reply)
    answer = await http.get("/api/agents")
    assert_problem(answer, 500, "registry service")
    assert "agents.0" not in answer.text


async def test_a_defect_of_the_gateway_is_500_without_details(bus_url: str) -> None:
    with serving(gateway_settings(bus_url)) as served:

        @served.app.get("/api/broken")
        async def broken() -> None:
            raise RuntimeError("the secret of line 7")

        async with served.client() as http:
            answer = await http.get("/api/broken", headers={"Origin": "http://localhost:5000"})
    assert_problem(answer, 500)
    assert "secret" not in answer.text
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5000"


async def test_a_service_that_is_down_is_named_at_once_and_works_when_it_is_back(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    async def answers(status: int) -> None:
        answer = await http.get("/api/agents/translator")
        assert answer.status_code == status
        if status == 503:
            assert_problem(answer, 503, "registry service is down")

    await answers(503)
    await services.answer(GET_AGENT, samples.ONE_AGENT)
    await answers(200)
    await services.stop(GET_AGENT)
    await answers(503)
    await services.answer(GET_AGENT, samples.ONE_AGENT)
    await answers(200)


@pytest.mark.parametrize(("path", "call", "reply"), LISTS)
async def test_pages(
    http: httpx.AsyncClient, services: StandIns, path: str, call: Any, reply: Any
) -> None:
    """The newest 100 unless asked otherwise; `Link` leads from page to page until the last."""
    about = {"task_id": "t1"} if "t1" in path else {}

    def one_page(request: Any) -> Any:
        last = request.cursor == "b2+/&="
        return reply.model_copy(update={"next_cursor": None if last else "b2+/&="})

    await services.answer(call, one_page)

    first = await http.get(path)
    link = re.fullmatch(r'<([^>]+)>; rel="next"', first.headers["link"])
    assert link
    assert link[1].startswith(f"{path}&" if "?" in path else f"{path}?")
    second = await http.get(link[1])

    assert isinstance(first.json(), list)
    assert second.json() == first.json()
    assert "link" not in second.headers
    asked = [(each.body.limit, each.body.cursor) for each in services.got(call)]
    assert asked == [(100, None), (100, "b2+/&=")]
    assert services.got(call)[1].body == call.request.model_validate(about | {"cursor": "b2+/&="})
    plus = "&" if "?" in path else "?"
    await http.get(f"{path}{plus}limit=500&cursor=")
    assert services.got(call)[-1].body == call.request.model_validate(about | {"limit": 500})
    link_of_500 = (await http.get(f"{path}{plus}limit=500")).headers["link"]
    assert "limit=500" in link_of_500


async def test_what_agents_wrote_steers_no_terminal_that_shows_an_answer(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    """Whoever asks with curl sees the bytes as they come; as JSON they mean the same."""
    said = "a\x9b31mb\x7fc\u202ed\u0085e\U000e0041f"
    agent = samples.AGENT.model_copy(update={"name": said})
    await services.answer(GET_AGENT, AgentReply(agent=agent))
    await services.answer(LIST_AGENTS, AgentList(agents=[agent], next_cursor=None))
    await services.answer(LIST_TASKS, Invalid(said))
    for path in ("/api/agents/translator", "/api/agents", "/api/tasks"):
        answer = await http.get(path)
        assert answer.text.isprintable(), path
        shown = answer.json()
        one = shown[0] if isinstance(shown, list) else shown
        assert one.get("name", said) == said


async def test_the_envelope_says_who_asked_for_what(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(GET_AGENT, samples.ONE_AGENT)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    await http.get("/api/agents/translator", headers={"traceparent": trace})
    await http.get("/api/agents/translator")

    first, second = (asked.envelope for asked in services.got(GET_AGENT))
    assert (first.source, first.account) == ("gateway", "demo")
    assert first.traceparent == trace
    assert first.correlation_id == first.causation_id
    assert first.correlation_id != second.correlation_id
    assert first.id != second.id


@pytest.mark.parametrize(
    "trace",
    [
        "nonsense",
        "",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ],
)
async def test_a_malformed_trace_is_replaced(
    http: httpx.AsyncClient, services: StandIns, trace: str
) -> None:
    await services.answer(GET_AGENT, samples.ONE_AGENT)
    await http.get("/api/agents/translator", headers={"traceparent": trace})
    passed_on = services.got(GET_AGENT)[0].envelope.traceparent
    assert passed_on != trace
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", passed_on or "")


@pytest.mark.parametrize("origin", ["http://localhost:5000", "http://localhost:3000"])
async def test_listed_origins_may_call(
    http: httpx.AsyncClient, services: StandIns, origin: str
) -> None:
    await services.answer(LIST_AGENTS, samples.AGENTS)
    allowed = await http.options(
        "/api/hubchat/message",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, idempotency-key, last-event-id",
        },
    )
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == origin
    assert allowed.headers["access-control-allow-credentials"] == "true"
    assert "POST" in allowed.headers["access-control-allow-methods"]
    asked = {"Origin": origin, "Access-Control-Request-Method": "HEAD"}
    assert (await http.options("/api/agents", headers=asked)).status_code == 200

    answers = [
        await http.get("/api/agents", headers={"Origin": origin}),
        await http.get("/api/unknown", headers={"Origin": origin}),
        await http.post("/api/tasks", content=b" " * 2_000_000, headers={"Origin": origin}),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 413]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-credentials"] == "true"
        exposed = answer.headers["access-control-expose-headers"]
        assert {"Link", "Idempotency-Outcome"} <= set(exposed.split(", "))
        assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:50000", "null"])
async def test_other_origins_may_not(
    http: httpx.AsyncClient, services: StandIns, origin: str
) -> None:
    await services.answer(LIST_AGENTS, samples.AGENTS)
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answers = [
        await http.options("/api/hubchat/message", headers=preflight),
        await http.get("/api/agents", headers={"Origin": origin}),
    ]
    assert [answer.status_code for answer in answers] == [400, 403]
    for answer in answers:
        assert "access-control-allow-origin" not in answer.headers


async def test_health_names_every_service(http: httpx.AsyncClient, services: StandIns) -> None:
    for context in CONTEXTS[:-1]:
        pong = Pong(service=context, version="1", details={"engine": "rules"})
        await services.answer(ping_call(context), pong)

    missing = (await http.get("/health")).json()
    assert missing["status"] == "degraded"
    assert set(missing["services"]) == {"gateway", "bus", *CONTEXTS}
    assert missing["services"]["chat"]["status"] == "down"
    assert missing["services"]["chat"]["detail"] == "The chat service is down."

    await services.answer(ping_call("chat"), Unavailable("The chat service lost its database."))
    lame = (await http.get("/health")).json()
    assert lame["services"]["chat"]["detail"] == "The chat service lost its database."

    await services.answer(ping_call("chat"), Pong(service="chat", version="1"))
    answer = await http.get("/health")
    whole = answer.json()
    assert (answer.status_code, whole["status"]) == (200, "ok")
    assert whole["version"]
    assert {each["status"] for each in whole["services"].values()} == {"up"}
    for name in ("bus", *CONTEXTS):
        assert isinstance(whole["services"][name]["ms"], int)
    assert whole["services"]["task"]["details"] == {"engine": "rules"}


async def test_a_service_that_hangs_does_not_hang_health(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    for context in CONTEXTS:
        await services.answer(ping_call(context), None)  # takes the request, never answers
    answer = await http.get("/health")
    assert answer.status_code == 200
    for context in CONTEXTS:
        assert answer.json()["services"][context]["status"] == "down"
        assert "in time" in answer.json()["services"][context]["detail"]
    assert answer.json()["services"]["bus"]["status"] == "up"


async def test_the_openapi_document_is_complete(http: httpx.AsyncClient) -> None:
    answer = await http.get("/openapi.json")
    document = answer.json()
    assert answer.status_code == 200
    assert document["info"]["title"] == "AgentBazaar"
    assert document["info"]["version"]
    routes = {
        (method.upper(), path): route
        for path, methods in document["paths"].items()
        for method, route in methods.items()
    }
    assert set(routes) == {
        ("GET", "/api/agents"),
        ("GET", "/api/agents/choose"),
        ("GET", "/api/agents/{id}"),
        ("POST", "/api/agents"),
        ("POST", "/api/agents/import"),
        ("PATCH", "/api/agents/{id}"),
        ("DELETE", "/api/agents/{id}"),
        ("POST", "/api/agents/{id}/suspend"),
        ("POST", "/api/agents/{id}/resume"),
        ("GET", "/api/tasks"),
        ("GET", "/api/tasks/{id}"),
        ("GET", "/api/tasks/{id}/steps"),
        ("POST", "/api/tasks"),
        ("POST", "/api/tasks/{id}/cancel"),
        ("GET", "/api/turns/{id}"),
        ("POST", "/api/turns/{id}/cancel"),
        ("POST", "/api/invoke-agent"),
        ("POST", "/api/quotes"),
        ("GET", "/api/messages"),
        ("POST", "/api/hubchat/message"),
        ("DELETE", "/api/hubchat/messages/{id}"),
        ("GET", "/api/payments/bazaarbucks"),
        ("GET", "/api/payments/stripe"),
        ("POST", "/api/payments/bazaarbucks"),
        ("POST", "/api/payments/bazaarbucks/{id}/refund"),
        ("POST", "/api/payments/stripe/{id}/retry"),
        ("POST", "/api/payments/stripe/{id}/refund"),
        ("POST", "/api/payments/checkout"),
        ("POST", "/api/sessions"),
        ("GET", "/api/sessions"),
        ("DELETE", "/api/sessions/{id}"),
        ("GET", "/api/session"),
        ("POST", "/api/keys"),
        ("GET", "/api/keys"),
        ("DELETE", "/api/keys/{id}"),
        ("GET", "/api/wallet"),
        ("GET", "/api/ledger"),
        ("GET", "/api/ledger/check"),
        ("GET", "/api/tasks/{id}/receipt"),
        ("GET", "/api/approvals"),
        ("POST", "/api/steps/{id}/approve"),
        ("POST", "/api/steps/{id}/reject"),
        ("GET", "/api/dead-letters"),
        ("GET", "/api/dead-letters/{id}"),
        ("POST", "/api/dead-letters/{id}/replay"),
        ("GET", "/api/events"),
        ("GET", "/api/tasks/{id}/events"),
        ("GET", "/api/hubchat/stream"),
        ("GET", "/health"),
        ("GET", "/ready"),
        ("GET", "/.well-known/jwks.json"),
        ("DELETE", "/api/agents/{id}/credential"),
        ("POST", "/api/agents/{id}/credential"),
        ("GET", "/api/disputes"),
        ("POST", "/api/disputes/{id}/decision"),
        ("POST", "/api/disputes/{id}/note"),
        ("POST", "/api/payments/bazaarbucks/{id}/dispute"),
        ("GET", "/api/seller"),
        ("PUT", "/api/seller/destination"),
        ("POST", "/api/seller/onboarding"),
        ("GET", "/api/seller/earnings"),
        ("GET", "/api/seller/payouts"),
        ("POST", "/api/seller/payouts"),
        ("POST", "/api/tasks/{id}/rating"),
        ("GET", "/api/webhooks"),
        ("POST", "/api/webhooks"),
        ("DELETE", "/api/webhooks/{id}"),
        ("GET", "/api/webhooks/{id}/deliveries"),
        ("POST", "/api/webhooks/{id}/replay"),
    }
    for (method, path), route in routes.items():
        assert route["summary"], path
        content = route["responses"]["200"]["content"]
        if path.endswith(("/events", "/stream")):
            assert set(content) == {"text/event-stream"}
        else:
            schema = content["application/json"]["schema"]
            assert schema.get("$ref") or schema["items"]["$ref"], path
        bare = (
            *("/retry", "/cancel", "/resume", "/approve", "/reject", "/onboarding"),
            "letters/{id}/replay",
        )
        if method == "POST" and not path.endswith(bare):
            assert route["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        if path.startswith("/api/"):
            errors = {status for status in route["responses"] if status not in {"200", "304"}}
            assert {"422", "429", "500", "503"} <= errors, path
            assert ("504" in errors) == (path != "/api/events"), path  # which asks no service
            for status in errors:
                kind, shape = "application/json", "/Problem"
                if status == "402":
                    kind, shape = "application/problem+json", "/PaymentProblem"
                content = route["responses"][status]["content"][kind]
                assert content["schema"]["$ref"].endswith(shape), (path, status)
    amount = document["components"]["schemas"]["Task"]["properties"]["totalCost"]
    assert amount["type"] == "number"
    docs = await http.get("/docs")
    assert docs.status_code == 200
    assert "text/html" in docs.headers["content-type"]
