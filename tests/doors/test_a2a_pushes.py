"""Push notifications of the A2A door, by the library's client at two gateways."""

import asyncio
from typing import Any

import pytest
from a2a.client import Client
from a2a.types import (
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    ListTaskPushNotificationConfigsRequest,
    SendMessageRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import InvalidParamsError, TaskNotFoundError, UnsupportedOperationError

from chassis.bus.envelopes import new_id
from tests.complaints.system import Marketplace, Person
from tests.doors.a2a_clients import DONE, call, cancelled, client_of, got, sent, wish
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, waits_for
from tests.support.told import Endpoint, endpoint

SUBMITTED = TaskState.TASK_STATE_SUBMITTED
TOKEN, CREDENTIALS = "a-token-of-mine", "of-mine-alone"


def push(url: str, **more: Any) -> TaskPushNotificationConfig:
    config = TaskPushNotificationConfig(url=url, token=TOKEN, **more)
    config.authentication.scheme = "Bearer"
    config.authentication.credentials = CREDENTIALS
    return config


def pushing(request: SendMessageRequest, config: TaskPushNotificationConfig) -> SendMessageRequest:
    request.configuration.task_push_notification_config.CopyFrom(config)
    return request


async def listed(client: Client, task_id: str) -> list[TaskPushNotificationConfig]:
    asked = ListTaskPushNotificationConfigsRequest(task_id=task_id)
    return list((await client.list_task_push_notification_configs(asked)).configs)


def states(told: Endpoint) -> list[str]:
    """The states that were told; of 1.0 as of 0.3."""
    found = [body.get("statusUpdate", body)["status"]["state"] for _, body in told.heard]
    return [one.removeprefix("TASK_STATE_").lower() for one in found]


@pytest.mark.parametrize(
    ("version", "binding"), [("1.0", "JSONRPC"), ("1.0", "HTTP+JSON"), ("0.3", "JSONRPC")]
)
async def test_who_named_an_address_is_told_when_it_changes_and_ends(
    market: Marketplace, alice: Person, version: str, binding: str
) -> None:
    """The first message does not arrive at once; what shows who we are is shown nobody else."""
    gate = asyncio.Event()
    agents = market.agent(waits_for(gate, answers("late", cost="0.1")), price="0.1")
    async with endpoint() as told, agents as (agent, does):
        told.answers = [500]
        client = await client_of(alice, version=version, binding=binding)
        task = await sent(client, pushing(call(agent, now=True), push(told.url, id="mine")))
        await told.told(1)
        other = await client_of(alice, 1, version=version, binding=binding)
        asked = GetTaskPushNotificationConfigRequest(task_id=task.id, id="mine")
        config = await other.get_task_push_notification_config(asked)
        assert (config.id, config.task_id, config.url) == ("mine", task.id, told.url)
        assert (config.token, config.authentication.credentials) == ("", "")
        assert config.authentication.scheme == "Bearer"
        assert config in await listed(other, task.id) if version == "1.0" else True
        await does.called()
        gate.set()
        await told.told(2)
        await market.system.rows(
            "UPDATE payment.webhook_deliveries SET next_attempt_at = now()"
            " WHERE status = 'pending' AND type = 'a2a.task'"
        )
        heard = await told.told(3)
    assert sorted(states(told)) == ["completed", "working", "working"]
    for headers, _ in heard:
        assert headers["x-a2a-notification-token"] == TOKEN
        assert headers["authorization"] == f"Bearer {CREDENTIALS}"
    assert len({headers["webhook-id"] for headers, _ in heard}) == 2
    [end] = [body for _, body in heard if "completed" in str(body).lower()]
    end = end.get("statusUpdate", {**end, "taskId": end.get("id")})
    assert (end["taskId"], end["metadata"]["agentbazaar/bill"]) == (task.id, {"total": 0.1})
    kept = await market.system.rows(
        "SELECT h.secret, d.body, d.note FROM payment.webhooks h JOIN payment.webhook_deliveries d"
        " ON d.webhook_id = h.id JOIN payment.pushes p ON p.webhook_id = h.id WHERE p.about = $1",
        task.id,
    )
    assert kept
    assert TOKEN not in str(kept)
    assert CREDENTIALS not in str(kept)
    assert await alice.get("/api/webhooks") == []


async def test_a_push_of_a_wish_that_is_waited_for(market: Marketplace, alice: Person) -> None:
    skill = f"a2apush{new_id()[:8]}"
    agents = market.agent(answers("done", cost="0.1"), price="0.1", skills=[skill])
    async with endpoint() as told, agents:
        client = await client_of(alice)
        task = await sent(client, pushing(wish(f"Please {skill}: this"), push(told.url)))
        assert task.status.state == DONE

        async def ended() -> bool:
            return states(told)[-1:] == ["completed"]

        await eventually(ended)
    assert {body["statusUpdate"]["taskId"] for _, body in told.heard} == {task.id}
    bill = told.heard[-1][1]["statusUpdate"]["metadata"]["agentbazaar/bill"]
    turn = await alice.get(f"/api/turns/{task.id.removeprefix('turn_')}")
    assert bill["total"] == turn["message"]["costBreakdown"]["total"]


async def test_pushes_are_their_accounts_and_end(alice: Person, bob: Person) -> None:
    """About a task that nobody works on yet; it is there for A2A, too."""
    async with endpoint() as told, endpoint() as never:
        client, his = await client_of(alice), await client_of(bob, 1)
        made = await alice.first.post("/api/tasks", json={"userQuery": "Wait for more"})
        task = made.json()["id"]
        assert (await got(client, task)).status.state == SUBMITTED
        gone, mine = push(never.url, id="gone"), push(f"{told.url}s", id="mine")
        replaced = push(told.url, id="mine")
        for config in (gone, mine, replaced):
            config.task_id = task
            await client.create_task_push_notification_config(config)
        found = await listed(await client_of(alice, 1), task)
        assert [one.url for one in found] == [never.url, told.url]
        ending = DeleteTaskPushNotificationConfigRequest(task_id=task, id="gone")
        reading = GetTaskPushNotificationConfigRequest(task_id=task, id="mine")
        for foreign in (
            his.create_task_push_notification_config(replaced),
            his.get_task_push_notification_config(reading),
            his.delete_task_push_notification_config(ending),
            listed(his, task),
        ):
            with pytest.raises(TaskNotFoundError):
                await foreign
        for _ in range(2):
            await client.delete_task_push_notification_config(ending)
        reading.id = "gone"
        with pytest.raises(TaskNotFoundError):
            await client.get_task_push_notification_config(reading)
        assert (await alice.first.post(f"/api/tasks/{task}/cancel")).json()["cancelled"]

        async def ended() -> bool:
            return states(told)[-1:] == ["failed"]

        await eventually(ended)
        assert "failed" not in states(never)


async def test_a_cancelled_task_is_told_as_such(market: Marketplace, alice: Person) -> None:
    agents = market.agent(waits_for(asyncio.Event(), answers()))
    async with endpoint() as told, agents as (agent, _):
        client = await client_of(alice)
        task = await sent(client, pushing(call(agent, now=True), push(told.url)))
        await cancelled(client, task.id)

        async def ended() -> bool:
            return states(told)[-1:] == ["canceled"]

        await eventually(ended)
    assert (await alice.wallet())["available"] == 100


async def test_what_cannot_be_told_is_refused_before_anything_is_done(
    market: Marketplace, alice: Person
) -> None:
    client = await client_of(alice)
    async with market.agent(answers(cost="0.1"), price="0.1") as (agent, does):
        for config in (
            push("http://10.0.0.1/hook"),
            push("ftp://127.0.0.1/hook"),
            push("http://user:word@127.0.0.1/hook"),
            push("http://127.0.0.1/hook", id="not an id"),
            TaskPushNotificationConfig(url="http://127.0.0.1/hook", token="two\r\nlines: 1"),
            TaskPushNotificationConfig(url="http://127.0.0.1/hook", token="x" * 2_000),
        ):
            with pytest.raises(InvalidParamsError):
                await sent(client, pushing(call(agent), config))
        made = await alice.first.post(
            "/api/sessions", json={"limit": 1, "expiresAt": "2099-01-01T00:00:00Z"}
        )
        session = await market.client(market.urls[0], made.json()["token"])
        spender = await client_of(Person(alice.account, session, session))
        with pytest.raises(UnsupportedOperationError, match="session"):
            await sent(spender, pushing(call(agent), push("http://127.0.0.1/hook")))
        assert does.calls == []
    assert await alice.get("/api/tasks") == []
