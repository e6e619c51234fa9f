"""The users of the bus: each may do what is his, and the server refuses the rest."""

import ast
import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.errors import NotFoundError

from chassis import topology
from contracts import permissions
from contracts.base import Call
from contracts.catalogue import CALLS, CONTEXTS, EVENTS
from contracts.permissions import ADMIN, GATEWAY, OPERATOR, USERS, inbox
from contracts.topology import DURABLES
from deploy import nats_users
from deploy.local.embedded import EmbeddedServer, embedded_nats_server
from deploy.local.home import passwords

PROJECT = Path(__file__).parents[2]
SERVICES = tuple(CONTEXTS)


class User:
    """A connection, and what the server refused it."""

    def __init__(self) -> None:
        self.client = Client()
        self.refused: list[str] = []

    async def told(self, error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            self.refused.append(str(error))

    async def is_refused(self) -> bool:
        """Whether the server has refused something since the last look."""
        await self.client.flush()
        await self.client.flush()
        refused, self.refused = self.refused, []
        return bool(refused)


@pytest.fixture(scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    home = tmp_path_factory.mktemp("locked")
    async with embedded_nats_server(home, locked=True) as server:
        async with connected(server, ADMIN) as admin:
            await topology.declare(admin.client.jetstream())
        yield server


@asynccontextmanager
async def connected(server: EmbeddedServer, user: str | None) -> AsyncIterator[User]:
    found = User()
    known = passwords(server.process.cwd.parent)
    await found.client.connect(
        server.url,
        user=user,
        password=known[f"nats_{user}"] if user else None,
        error_cb=found.told,
        inbox_prefix=inbox(user or OPERATOR),
        allow_reconnect=False,
    )
    try:
        yield found
    finally:
        await found.client.close()


async def test_a_wrong_password_and_an_unknown_name_are_shown_the_door(
    locked: EmbeddedServer,
) -> None:
    for user, password in (("task", "guessed"), ("nobody", "x")):
        with pytest.raises(Exception, match=r"(?i)authorization|no servers"):
            await nats.connect(
                locked.url, user=user, password=password, allow_reconnect=False, error_cb=_quiet
            )


async def _quiet(_error: Exception) -> None:
    return None


@pytest.mark.parametrize("user", [*SERVICES, GATEWAY, OPERATOR])
async def test_each_publishes_its_own_events_alone(locked: EmbeddedServer, user: str) -> None:
    async with connected(locked, user) as me:
        for context, events in EVENTS.items():
            for event in events:
                await me.client.publish(f"bazaar.evt.{event.type}.x", b"{}")
                assert await me.is_refused() == (context != user), event.type
        await me.client.publish("bazaar.evt.task.invented.x", b"{}")
        assert await me.is_refused()
        await me.client.publish("bazaar.cmd.task.start.x", b"{}")
        assert await me.is_refused() == (user != "chat")


async def test_a_wrong_services_event_is_not_stored(locked: EmbeddedServer) -> None:
    async with connected(locked, "registry") as registry, connected(locked, ADMIN) as admin:
        js = registry.client.jetstream(timeout=0.2)
        with pytest.raises(NatsTimeout):
            await js.publish("bazaar.evt.wallet.credited.thief", b"{}", stream="EVENTS")
        assert registry.refused
        with pytest.raises(NotFoundError):
            await admin.client.jetstream().get_last_msg(
                "EVENTS", "bazaar.evt.wallet.credited.thief"
            )
        stored = await js.publish("bazaar.evt.agent.updated.mine", b"{}", stream="EVENTS")
        assert stored.stream == "EVENTS"


@pytest.mark.parametrize("user", [*SERVICES, GATEWAY, OPERATOR])
async def test_each_answers_its_own_requests_alone(locked: EmbeddedServer, user: str) -> None:
    async with connected(locked, user) as me:
        for context in SERVICES:
            await me.client.subscribe(f"bazaar.rpc.{context}.*", queue=context)
            assert await me.is_refused() == (context != user)
        await me.client.subscribe(f"bazaar.rpc.{user}.ping")
        assert await me.is_refused() == (user != OPERATOR), "replicas share the queue group"


async def test_who_listens_cannot_answer_in_anothers_name(locked: EmbeddedServer) -> None:
    async with (
        connected(locked, "chat") as chat,
        connected(locked, OPERATOR) as operator,
        connected(locked, "registry") as registry,
    ):

        async def lie(message: Msg) -> None:
            await message.respond(b"a lie")

        await operator.client.subscribe("bazaar.>", cb=lie)
        assert not await operator.is_refused()
        with pytest.raises(NatsTimeout):
            await chat.client.request("bazaar.rpc.registry.list_agents", b"{}", timeout=0.3)
        assert await operator.is_refused()

        answered = asyncio.Event()

        async def answer(message: Msg) -> None:
            await message.respond(b"once")
            await message.respond(b"twice")
            answered.set()

        await registry.client.subscribe("bazaar.rpc.registry.*", queue="registry", cb=answer)
        assert not await registry.is_refused()
        reply = await chat.client.request("bazaar.rpc.registry.list_agents", b"{}", timeout=5)
        assert reply.data == b"once"
        await answered.wait()
        assert await registry.is_refused(), "a request is answered once"
        await registry.client.publish(f"{inbox('chat')}.anything", b"unasked")
        assert await registry.is_refused()


async def test_a_replica_answers_for_one_that_died(locked: EmbeddedServer) -> None:
    async with connected(locked, "task") as task, connected(locked, "payment") as payment:
        for service in (task, payment):
            await service.client.publish(f"{inbox(GATEWAY)}.anything", b"{}")
        assert not await task.is_refused()
        assert await payment.is_refused()


@pytest.mark.parametrize("user", [*SERVICES, GATEWAY, OPERATOR])
async def test_each_asks_what_it_may_alone(locked: EmbeddedServer, user: str) -> None:
    asks = {call.subject for call in permissions.ASKS[user]}
    async with connected(locked, user) as me:
        for calls in CALLS.values():
            for call in calls:
                await me.client.publish(call.subject, b"{}")
                pinged = call.verb == "ping" and any(
                    subject.startswith(f"bazaar.rpc.{call.context}.") for subject in asks
                )
                allowed = call.subject in asks or pinged
                assert await me.is_refused() == (not allowed), call.subject


@pytest.mark.parametrize("user", [*SERVICES, GATEWAY, OPERATOR])
async def test_each_reads_its_own_consumers_alone(locked: EmbeddedServer, user: str) -> None:
    async with connected(locked, user) as me:
        for durable in DURABLES:
            place = f"{durable.stream}.{durable.name}"
            mine = durable.name.startswith(f"{user}-")
            for subject in (
                f"$JS.API.CONSUMER.MSG.NEXT.{place}",
                f"$JS.ACK.{place}.1.1.1.1.1",
                f"bazaar.dlq.{durable.name}",
            ):
                await me.client.publish(subject, b"")
                assert await me.is_refused() == (not mine), subject
            for subject in (
                f"$JS.API.CONSUMER.DELETE.{place}",
                f"$JS.API.CONSUMER.CREATE.{place}",
                f"$JS.API.CONSUMER.CREATE.{place}.{durable.filter}",
                f"$JS.API.CONSUMER.DURABLE.CREATE.{place}",
            ):
                await me.client.publish(subject, b"{}")
                assert await me.is_refused(), subject
        for subject in ("STREAM.DELETE.EVENTS", "STREAM.PURGE.COMMANDS", "STREAM.UPDATE.EVENTS"):
            await me.client.publish(f"$JS.API.{subject}", b"")
            assert await me.is_refused(), subject


@pytest.mark.parametrize("user", [*SERVICES, GATEWAY, OPERATOR])
async def test_nobody_listens_at_anothers_inbox(locked: EmbeddedServer, user: str) -> None:
    async with connected(locked, user) as me:
        for other in USERS:
            await me.client.subscribe(f"{inbox(other)}.>")
            assert await me.is_refused() == (other != user), other
        await me.client.subscribe("$KV.API_KEYS.*")
        assert await me.is_refused() == (user != GATEWAY)
        for subject in (">", "*.>", "$JS.ACK.>", "$KV.>"):
            await me.client.subscribe(subject)
            assert await me.is_refused(), subject


@pytest.mark.parametrize("user", [GATEWAY, None])
async def test_the_past_is_read_without_taking_from_anybody(
    locked: EmbeddedServer, user: str | None
) -> None:
    async with connected(locked, "registry") as registry, connected(locked, user) as me:
        await registry.client.jetstream().publish("bazaar.evt.agent.updated.past", b"1")
        js = me.client.jetstream()
        pushed = await js.subscribe("bazaar.evt.agent.updated.past", ordered_consumer=True)
        assert (await pushed.next_msg(5)).data == b"1"
        pulled = await js.pull_subscribe("bazaar.evt.agent.updated.past", stream="EVENTS")
        assert (await pulled.fetch(1, timeout=5))[0].data == b"1"
        assert not await me.is_refused()


@pytest.mark.parametrize("user", [GATEWAY, OPERATOR])
async def test_a_consumer_without_a_name_cannot_take_a_services_place(
    locked: EmbeddedServer, user: str
) -> None:
    """The subject says no name there, so that the server's permissions see none."""
    theirs = DURABLES[0]
    async with connected(locked, user) as me, connected(locked, ADMIN) as admin:
        before = await admin.client.jetstream().consumer_info(theirs.stream, theirs.name)
        for name in ("name", "durable_name"):
            asked = {
                "stream_name": theirs.stream,
                "config": {
                    name: theirs.name,
                    "filter_subject": theirs.filter,
                    "ack_policy": "none",
                    "deliver_subject": me.client.new_inbox(),
                },
            }
            answer = await me.client.request(
                f"$JS.API.CONSUMER.CREATE.{theirs.stream}", json.dumps(asked).encode(), timeout=5
            )
            assert "error" in json.loads(answer.data), name
        after = await admin.client.jetstream().consumer_info(theirs.stream, theirs.name)
        assert after.config == before.config


async def test_whoever_has_no_name_may_look_and_ask_but_change_nothing(
    locked: EmbeddedServer,
) -> None:
    async with connected(locked, None) as me:
        await me.client.subscribe("bazaar.evt.*.*.anything")
        assert not await me.is_refused()
        with pytest.raises(NoRespondersError):
            await me.client.request("bazaar.rpc.registry.list_agents", b"{}", timeout=5)
        await me.client.publish("bazaar.rpc.payment.refund_payment", b"{}")
        assert await me.is_refused()


def test_the_written_configuration_is_that_of_the_contracts() -> None:
    assert nats_users.FILE.read_text() == nats_users.config(), "run: make specs"


def test_what_a_service_asks_and_orders_in_its_code_it_may() -> None:
    """A request that the server refuses would be seen as a time-out, in a running system alone."""
    calls = {call.subject: call for found in CALLS.values() for call in found}
    named = {
        name: thing
        for modules in CONTEXTS.values()
        for module in modules
        for name, thing in vars(module).items()
        if isinstance(thing, Call) and thing.subject in calls
    }
    for user in (*SERVICES, GATEWAY):
        package = user if user == GATEWAY else f"{user}_svc"
        asked = {
            named[name].subject
            for path in (PROJECT / package).rglob("*.py")
            for name in _names(path)
            if name in named and named[name].context != user
        }
        assert asked <= {call.subject for call in permissions.ASKS[user]}, user


def _names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
