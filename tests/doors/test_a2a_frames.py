"""What is no A2A, or not ours: the protocol's own error, and nothing stored and nothing charged."""

import json
from typing import Any

import httpx
import pytest

from tests.complaints.system import Marketplace, Person

MESSAGE = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
V1 = {"a2a-version": "1.0", "content-type": "application/json"}


def frame(method: str = "SendMessage", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {"message": MESSAGE}}


NAN = json.dumps(frame(message={**MESSAGE, "metadata": {"agentId": float("nan")}})).encode()
"""JSON as only Python writes it; httpx would refuse to."""


async def sent(person: Person, body: Any, path: str = "/a2a", **more: str) -> httpx.Response:
    headers = V1 | {name.replace("_", "-"): value for name, value in more.items()}
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return await person.first.post(path, headers=headers, **content)


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (frame(), {"a2a_version": "7.0"}, -32009),
        (frame(), {"content_type": "text/plain"}, -32005),
        (frame("Steal"), {}, -32601),
        (b"{no json", {}, -32700),
        (b"no json", {"content_type": "text/plain"}, -32005),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "\xe9"}', {}, -32700),
        (b"[" * 100_000, {}, -32700),
        (NAN, {}, -32602),
        ([frame()], {}, -32600),
        (frame() | {"jsonrpc": "1.0"}, {}, -32600),
        (frame(message={**MESSAGE, "role": "user"}), {}, -32602),
        (frame(message={**MESSAGE, "parts": []}), {}, -32602),
        (frame(message={**MESSAGE, "role": "ROLE_AGENT"}), {}, -32602),
        (frame(message={**MESSAGE, "parts": [{"url": "https://a.example"}]}), {}, -32005),
        (frame(message={**MESSAGE, "parts": [{"data": {"a": 1}}]}), {}, -32005),
        (frame(message={**MESSAGE, "taskId": "not-ours"}), {}, -32001),
        (frame("GetTask", id="../wallet"), {}, -32001),
        (frame("ListTasks", pageSize=0), {}, -32602),
        (
            frame("CreateTaskPushNotificationConfig", taskId="t", url="https://a.example"),
            {},
            -32001,
        ),
        (frame("GetExtendedAgentCard", tenant=""), {}, -32007),
    ],
)
async def test_what_is_no_frame_of_ours(
    alice: Person, body: Any, headers: dict[str, str], code: int
) -> None:
    answer = await sent(alice, body, **headers)
    assert answer.status_code == 200
    assert answer.json()["error"]["code"] == code, answer.text
    assert (await alice.get("/api/messages"), (await alice.wallet())["posted"]) == ([], 100)


async def test_what_http_refuses(market: Marketplace, alice: Person) -> None:
    large = await sent(alice, frame(message={**MESSAGE, "parts": [{"text": "x" * 1_100_000}]}))
    assert large.status_code == 413
    rest = await sent(alice, {"message": {**MESSAGE, "parts": []}}, "/a2a/message:send")
    assert (rest.status_code, rest.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    old = {"request": MESSAGE | {"content": MESSAGE["parts"]}, "metadata": {"agentId": "nobody"}}
    for path, status in (("/a2a/v1/message:stream", 400), ("/a2a/v1/tasks/t:subscribe", 404)):
        refused = await alice.first.post(path, json=old)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, status)
    assert (await sent(alice, {}, "/tenant/a2a/message:send")).status_code == 404
    assert (await alice.first.get("/a2a/tasks/made-up", headers=V1)).status_code == 404
    wrong = await alice.first.get("/a2a")
    assert (wrong.status_code, wrong.json()["error"]["status"]) == (405, "UNIMPLEMENTED")
    assert (await alice.first.get("/a2a/steal")).json()["error"]["code"] == 404
    no_text = await sent(alice, b'{"message": "\xe9"}', "/a2a/message:send")
    assert (no_text.status_code, no_text.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert (await sent(alice, frame("Steal"), "/a2a/")).json()["error"]["code"] == -32601
    async with httpx.AsyncClient(base_url=market.urls[0]) as nobody:
        assert (await nobody.post("/a2a", json=frame(), headers=V1)).status_code == 401
        card = (await nobody.get("/.well-known/agent-card.json")).json()
    assert [one["url"] for one in card["supportedInterfaces"]] == [f"{market.urls[0]}/a2a"] * 4
    assert card["securitySchemes"]["bearer"]["httpAuthSecurityScheme"]["scheme"] == "Bearer"
