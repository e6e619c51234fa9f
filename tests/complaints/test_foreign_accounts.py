"""What belongs to another account is as if it were not there, at every address that has an id."""

from typing import Any

import httpx

from contracts.topology import IDEMPOTENCY
from tests.complaints.system import Json, Marketplace, Person
from tests.support.scripted_agent import answers

STORED = """
    SELECT (SELECT count(*) FROM task.tasks) + (SELECT count(*) FROM task.steps)
         + (SELECT count(*) FROM chat.messages) + (SELECT count(*) FROM payment.ledger_accounts)
    AS n
"""


ELSEWHERE = ("/api/dead-letters/", "/api/agents/", "/api/keys/", "/api/disputes/", "/api/webhooks/")
"""Listings are everybody's to see, keys an admin's; tests/payment tries disputes and webhooks."""
SESSION = {"limit": 1, "expiresAt": "2100-01-01T00:00:00Z"}
NEEDED: dict[str, Json] = {"rating": {"stars": 5}, "dispute": {"note": "It is not what I meant."}}
"""Bodies of what cannot be asked with an empty one."""


async def owned(market: Marketplace, person: Person) -> dict[str, str]:
    """One id of everything that an account can have, by the beginning of its addresses."""
    skill = f"vqowned{person.account[-6:]}"
    buys = answers(cost="0.1", requires_external_tool=True, external_cost=2, vendor="Shop")
    async with market.agent(buys, price="3", skills=[skill]):
        said = await person.say(f"Please {skill}: the sea", maxBudget=9)
    await person.wallet()
    [paid, *_] = await person.get("/api/payments/bazaarbucks")
    [card] = await person.get("/api/payments/stripe")
    [step, *_] = await person.get(f"/api/tasks/{said['taskId']}/steps")
    return {
        "/api/tasks/": said["taskId"],
        "/api/hubchat/messages/": said["taskId"],
        "/api/turns/": said["turnId"],
        "/api/steps/": step["id"],
        "/api/payments/bazaarbucks/": paid["id"],
        "/api/payments/stripe/": card["id"],
        "/api/sessions/": (await made(person, "/api/sessions", SESSION))["id"],
    }


async def made(person: Person, path: str, body: Json) -> Json:
    """What a POST made."""
    answer = await person.first.post(path, json=body)
    assert answer.status_code == httpx.codes.OK, answer.text
    found: Json = answer.json()
    return found


async def addresses(person: Person) -> list[tuple[str, str]]:
    """Method and path of every operation whose path has the id of something that is owned."""
    document: Json = (await person.first.get("/openapi.json")).json()
    return [
        (method, path)
        for path, operations in document["paths"].items()
        for method in operations
        if "{" in path and not path.startswith(ELSEWHERE)
    ]


async def asked(http: httpx.AsyncClient, method: str, url: str) -> tuple[int, Any]:
    """Status and body of a request with nothing in it that could be left out."""
    body: Json | None = None
    if method == "post" and not url.endswith(("/cancel", "/retry")):
        body = NEEDED.get(url.rpartition("/")[2], {})
    answer = await http.request(method, url, json=body)
    return answer.status_code, answer.json()


async def test_tasks_of_others_could_be_read_cancelled_and_subscribed_to(
    market: Marketplace, alice: Person, bob: Person
) -> None:
    """infiniflow/ragflow#14901, infiniflow/ragflow#19358, a2aproject/a2a-go#351.

    Every address of the document with an id in it, event streams too, answers the same for a
    foreign id as for one that nobody has.
    """
    hers = await owned(market, alice)
    before = [await alice.get(path) for path in ("/api/tasks", "/api/wallet", "/api/messages")]

    tried = await addresses(bob)
    assert len(tried) >= 10
    for number, (method, path) in enumerate(tried):
        beginning = path[: path.index("{")]
        rest = path[path.index("}") + 1 :]
        foreign = await asked(bob.at(number), method, f"{beginning}{hers[beginning]}{rest}")
        unknown = await asked(bob.at(number), method, f"{beginning}nobodys-id{rest}")
        assert foreign == unknown, f"{method} {path}"
        assert foreign[0] == httpx.codes.NOT_FOUND, f"{method} {path}: {foreign}"
    task = hers["/api/tasks/"]
    for body in ({"taskId": task}, {"taskId": "nobodys-id"}):
        status, said = await asked_with(bob, "/api/hubchat/message", {"content": "go on"} | body)
        assert (status, said["error"]) == (httpx.codes.NOT_FOUND, "Task not found")
    assert (await bob.get("/api/messages", taskId=task)) == []

    after = [await alice.get(path) for path in ("/api/tasks", "/api/wallet", "/api/messages")]
    assert after == before
    assert (await bob.wallet())["posted"] == 100


async def asked_with(person: Person, path: str, body: Json) -> tuple[int, Json]:
    """Status and body of a POST."""
    answer = await person.second.post(path, json=body)
    return answer.status_code, answer.json()


async def test_whoever_had_no_key_filled_the_tables(market: Marketplace, alice: Person) -> None:
    """BerriAI/litellm#42689: each wrong key left rows of its own, for whoever reads them to pay."""

    async def stored() -> list[int]:
        [row] = await market.system.rows(STORED)
        js = (await market.system.bus.client()).jetstream()
        keys = await js.stream_info(f"KV_{IDEMPOTENCY.name}")
        return [row["n"], keys.state.messages]

    await alice.wallet()
    before = await stored()
    body = {"agentId": "translator", "payload": {"text": "hello"}}
    for number in range(20):
        headers = {"Authorization": f"Bearer bzr_{number:032x}", "Idempotency-Key": f"k{number}"}
        gateway = alice.at(number)
        answer = await gateway.post("/api/invoke-agent", json=body, headers=headers)
        assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert await stored() == before
