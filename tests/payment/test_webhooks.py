"""Webhooks: signed by the Standard Webhooks scheme, tried again, disabled at last, replayed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
import uvicorn
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.bus.envelopes import new_id, origin
from chassis.outbound import Outbound
from contracts import hooks as calls
from contracts.errors import Conflict, Invalid, NotFound, Unavailable
from contracts.listings import AgentSuspended
from contracts.task_events import TaskCompleted
from payment_svc.app import build
from payment_svc.hooks import requests, sending, signing, store, telling
from tests.payment.books_helpers import Desk
from tests.payment.conftest import payment_settings
from tests.payment.selling_desk import Shop
from tests.support.listening import listening_server
from tests.support.stack import Stack

KEY = "a key of the tests"


@dataclass
class Receiver:
    """Somebody's endpoint: it checks signatures with the library, and answers as it is told."""

    url: str = ""
    secret: str | None = None
    answers: list[int] = field(default_factory=list)
    heard: list[tuple[str, Any]] = field(default_factory=list)

    async def hear(self, request: Request) -> Response:
        body = await request.body()
        if self.secret is not None:
            event = Webhook(self.secret).verify(body, dict(request.headers))
            self.heard.append((request.headers["webhook-id"], event))
        return Response(status_code=self.answers.pop(0) if self.answers else 204)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self.hear, methods=["POST"])])


@dataclass
class Teller:
    """The handlers of webhooks, driven directly, for one account."""

    desk: Desk
    http: Outbound
    listening: telling.Listening
    account: str = field(default_factory=new_id)
    sealed: signing.Sealed | None = field(default_factory=lambda: signing.Sealed(KEY))

    async def add(self, url: str, *events: str, id_: str | None = None) -> calls.WebhookView:
        request = calls.AddWebhook.model_validate(
            {"webhook_id": id_ or new_id(), "url": url, "events": list(events)}
        )
        here = self.desk.here(self.account)
        made = await requests.add_webhook(
            request, self.desk.db, self.http, self.sealed, self.listening, here
        )
        return made.webhook

    async def send(self, **settings: Any) -> None:
        config = self.desk.settings.model_copy(update=settings)
        await sending.work(self.desk.db, self.http, self.sealed, config)

    async def ask(self, function: Any, request: Any) -> Any:
        here = self.desk.here(self.account)
        async with self.desk.db.transaction(here) as tx:
            return await function(request, tx, here)

    async def deliveries(self, hook: str, **page: Any) -> list[calls.DeliveryView]:
        request = calls.ListDeliveries(webhook_id=hook, **page)
        found: calls.DeliveryList = await self.ask(requests.list_deliveries, request)
        return found.deliveries

    async def tell(self, event_id: str, **data: Any) -> None:
        async with self.desk.db.transaction() as tx:
            await telling.tell(tx, self.account, "task.completed", event_id, data)

    async def due_now(self, hook: str) -> None:
        """The time of the next try has come."""
        async with self.desk.db.transaction() as tx:
            await tx.conn.exec_driver_sql(
                "UPDATE payment.webhook_deliveries SET next_attempt_at = now()"
                " WHERE webhook_id = $1 AND status = 'pending'",
                (hook,),
            )


@pytest.fixture
async def desk(stack: Stack) -> AsyncIterator[Desk]:
    config = payment_settings(
        stack, webhook_key=KEY, webhook_hosts="127.0.0.1", payout_delay_s=0.001, refund_grace_s=0
    )
    service = build(config)
    service.database.departures = None
    yield Desk(service, config)
    await service.database.engine.dispose()


@pytest.fixture
async def teller(desk: Desk) -> AsyncIterator[Teller]:
    http = Outbound(["127.0.0.1"])
    yield Teller(desk, http, telling.Listening(desk.db))
    await http.aclose()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    async with listening_server(uvicorn.Config(found.app(), log_level="warning")) as url:
        found.url = f"{url}/hook"
        yield found


async def test_a_message_is_signed_and_its_secret_is_shown_once(
    teller: Teller, receiver: Receiver
) -> None:
    hook = await teller.add(receiver.url, "task.completed")
    assert hook.secret is not None
    assert hook.secret.startswith("whsec_")
    receiver.secret = hook.secret
    await teller.tell("e1", taskId="t1")
    await teller.tell("e1", taskId="t1")  # Said twice, told once.
    await teller.send()
    ((id_, event),) = receiver.heard
    assert (id_, event["type"], event["data"]) == ("e1", "task.completed", {"taskId": "t1"})
    (told,) = await teller.deliveries(hook.id)
    assert (told.status, told.attempts, told.answered) == ("delivered", 1, 204)
    (listed,) = (await teller.ask(requests.list_webhooks, calls.ListWebhooks())).webhooks
    assert (listed.secret, listed.failing_since) == (None, None)
    again = await teller.add(receiver.url, "task.completed", id_=hook.id)
    assert (again.id, again.secret) == (hook.id, None)
    kept = await teller.desk.rows("SELECT secret FROM payment.webhooks WHERE id = $1", hook.id)
    assert hook.secret not in kept[0].secret
    with pytest.raises(Conflict):
        await teller.add(f"{receiver.url}s", "task.completed", id_=hook.id)


async def test_what_fails_is_tried_again_with_growing_delay(
    teller: Teller, receiver: Receiver
) -> None:
    hook = await teller.add(receiver.url)
    receiver.secret = hook.secret
    receiver.answers = [500, 302, 429, 200]
    await teller.tell("e1")
    for tries, answered in ((1, 500), (2, 302), (3, 429)):
        await teller.send()
        (told,) = await teller.deliveries(hook.id)
        assert (told.status, told.attempts, told.answered) == ("pending", tries, answered)
        assert told.next_attempt_at is not None
        await teller.send()  # It is not due yet.
        await teller.due_now(hook.id)
    await teller.send()
    (told,) = await teller.deliveries(hook.id)
    assert (told.status, told.attempts) == ("delivered", 4)
    assert {id_ for id_, _ in receiver.heard} == {"e1"}
    (listed,) = (await teller.ask(requests.list_webhooks, calls.ListWebhooks())).webhooks
    assert listed.failing_since is None
    waits = [sending.again_s(n) for n in range(1, 12)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (5, 6 * 3600)


async def test_a_webhook_that_fails_for_days_is_disabled_and_a_replay_ends_that(
    teller: Teller, receiver: Receiver
) -> None:
    hook = await teller.add(receiver.url)
    receiver.secret = hook.secret
    receiver.answers = [500, 500]
    await teller.tell("e1")
    await teller.tell("e2")
    await teller.send(webhook_disable_s=0.0)
    (listed,) = (await teller.ask(requests.list_webhooks, calls.ListWebhooks())).webhooks
    assert listed.disabled_at is not None
    assert [one.status for one in await teller.deliveries(hook.id)] == ["failed", "failed"]
    await teller.tell("e3")
    assert len(await teller.deliveries(hook.id)) == 2
    receiver.heard.clear()
    await teller.ask(requests.replay_deliveries, calls.ReplayDeliveries(webhook_id=hook.id))
    await teller.send()
    assert {id_ for id_, _ in receiver.heard} == {"e1", "e2"}
    await teller.tell("e4")
    await teller.send()
    told = await teller.deliveries(hook.id)
    assert {one.status for one in told} == {"delivered"}
    one = calls.ReplayDeliveries(webhook_id=hook.id, delivery_id=told[0].id)
    assert (await teller.ask(requests.replay_deliveries, one)).deliveries == 1
    await teller.send()
    assert [id_ for id_, _ in receiver.heard].count(told[0].event_id) == 2


async def test_who_says_that_it_is_gone_is_told_nothing_more(
    teller: Teller, receiver: Receiver
) -> None:
    hook = await teller.add(receiver.url)
    receiver.answers = [410]
    await teller.tell("e1")
    await teller.send()
    (listed,) = (await teller.ask(requests.list_webhooks, calls.ListWebhooks())).webhooks
    assert listed.disabled_at is not None
    assert [one.status for one in await teller.deliveries(hook.id)] == ["failed"]


async def test_two_replicas_send_each_message_once(teller: Teller, receiver: Receiver) -> None:
    hook = await teller.add(receiver.url)
    receiver.secret = hook.secret
    for number in range(12):
        await teller.tell(f"e{number}")
    await asyncio.gather(*(teller.send() for _ in range(3)))
    assert sorted(id_ for id_, _ in receiver.heard) == sorted(f"e{n}" for n in range(12))


async def test_sellers_are_told_what_they_are_paid_and_what_is_given_back(
    teller: Teller, receiver: Receiver
) -> None:
    shop = await Shop(teller.desk).open()
    teller.account = shop.seller
    hook = await teller.add(receiver.url)
    receiver.secret = hook.secret
    step = await shop.work("10")
    await shop.refund(step, "4")
    await shop.refund(step, "1")
    await shop.settle()
    await shop.ask()
    await shop.pay()
    await teller.send()
    told = {id_: (event["type"], Decimal(event["data"]["amount"])) for id_, event in receiver.heard}
    assert sorted(told.values()) == [
        ("payout.paid", Decimal(5)),
        ("seller.paid", Decimal(10)),
        ("seller.refunded", Decimal(1)),
        ("seller.refunded", Decimal(4)),
    ]
    assert "payer" not in str(receiver.heard)


async def test_a_seller_is_told_that_an_agent_is_off_the_market(
    teller: Teller, receiver: Receiver
) -> None:
    hook = await teller.add(receiver.url, "seller.suspended")
    receiver.secret = hook.secret
    here = teller.desk.here(new_id())  # An admin suspended it.
    said = {"agent_id": "poet", "name": "Poet", "reason": "It rhymes.", "by": "admin"}
    for owner in (teller.account, None):
        event = AgentSuspended.model_validate({**said, "owner": owner})
        async with teller.desk.db.transaction(here) as tx:
            await telling.on_agent_suspended(event, tx, here)
    await teller.send()
    [(_, told)] = receiver.heard
    assert told["type"] == "seller.suspended"
    assert told["data"] == {
        "agentId": "poet",
        "name": "Poet",
        "reason": "It rhymes.",
        "by": "admin",
    }


async def test_buyers_are_told_that_a_task_ended(teller: Teller, receiver: Receiver) -> None:
    event = TaskCompleted(task_id="t1", total_cost=Decimal("1.5"))
    here = origin("task", "task.completed.v1", teller.account)
    heard = (teller.desk.db, teller.listening, here)
    await telling.on_task_completed(event, *heard)  # Nobody listens yet.
    hook = await teller.add(receiver.url, "task.completed")
    receiver.secret = hook.secret
    for _ in range(2):
        await telling.on_task_completed(event, *heard)
    await teller.send()
    ((id_, said),) = receiver.heard
    assert id_ == here.id
    assert said["data"] == {"taskId": "t1", "totalCost": "1.5", "turnId": None}


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "http://10.0.0.1/hook",
        "http://[::1]/hook",
        "http://user:word@example.com/",
        "http://example.com/#part",
    ],
)
async def test_an_address_that_may_not_be_called_is_no_webhook(teller: Teller, url: str) -> None:
    with pytest.raises(Invalid):
        await teller.add(url)


async def test_somebody_elses_webhook_is_unknown(teller: Teller, receiver: Receiver) -> None:
    hook = await teller.add(receiver.url)
    teller.account = new_id()
    for function, request in (
        (requests.list_deliveries, calls.ListDeliveries(webhook_id=hook.id)),
        (requests.replay_deliveries, calls.ReplayDeliveries(webhook_id=hook.id)),
        (requests.delete_webhook, calls.DeleteWebhook(webhook_id=hook.id)),
    ):
        with pytest.raises(NotFound):
            await teller.ask(function, request)
    with pytest.raises(Conflict):
        await teller.add(receiver.url, id_=hook.id)


async def test_a_deleted_webhook_is_told_nothing(teller: Teller, receiver: Receiver) -> None:
    hook = await teller.add(receiver.url)
    await teller.tell("e1")
    await teller.ask(requests.delete_webhook, calls.DeleteWebhook(webhook_id=hook.id))
    await teller.send()
    await teller.tell("e2")
    left = await teller.desk.rows(
        "SELECT id FROM payment.webhook_deliveries WHERE webhook_id = $1", hook.id
    )
    assert left == []


async def test_there_are_limits_and_a_key_is_needed(teller: Teller, receiver: Receiver) -> None:
    for _ in range(requests.MOST):
        await teller.add(receiver.url)
    with pytest.raises(Conflict, match="at most 10"):
        await teller.add(receiver.url)
    teller.sealed = None
    with pytest.raises(Unavailable, match="WEBHOOK_KEY"):
        await teller.add(receiver.url)


async def test_a_changed_key_is_said(teller: Teller, receiver: Receiver) -> None:
    hook = await teller.add(receiver.url)
    await teller.tell("e1")
    teller.sealed = signing.Sealed("another key")
    await teller.send()
    (told,) = await teller.deliveries(hook.id)
    assert "another WEBHOOK_KEY" in str(told.note)
    assert store.AT_ONCE >= store.OF_ONE
