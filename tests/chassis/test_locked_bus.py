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
from chassis.bus import stored
from chassis.bus.rollcall import RollCall
from chassis.handling.hands import Hands
from contracts import permissions
from contracts.base import Call
from contracts.catalogue import CALLS, CONTEXTS, EVENTS
from contracts.topology import API_KEYS, DURABLES, IDEMPOTENCY
from contracts.users import ADMIN, GATEWAY, KEEPER, OPERATOR, USERS, inbox
from deploy import nats_users
from deploy.local.embedded import EmbeddedServer, embedded_nats_server
from deploy.local.home import passwords
from gateway.buckets import bucket
from tests.support.polling import eventually

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
            await topology.declare(admin.client)
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
        patient = registry.client.jetstream()
        stored = await patient.publish("bazaar.evt.agent.updated.mine", b"{}", stream="EVENTS")
        assert stored.stream == "EVENTS"


@pytest.mark.parametrize("user", [*SERVICES, GATEWAY, OPERATOR])
async def test_each_answers_its_own_requests_alone(locked: EmbeddedServer, user: str) -> None:
    async with connected(locked, user) as me:
        for context in SERVICES:
            await me.client.subscribe(f"bazaar.rpc.{context}.*", queue=context)
            assert await me.is_refused() == (user not in {context, OPERATOR})
        if user != OPERATOR:  # In his account nobody asks.
            await me.client.subscribe(f"bazaar.rpc.{user}.ping")
            assert await me.is_refused(), "replicas share the queue group"


async def test_who_looks_hears_no_request_and_answers_none(locked: EmbeddedServer) -> None:
    async with (
        connected(locked, "chat") as chat,
        connected(locked, OPERATOR) as operator,
        connected(locked, GATEWAY) as gateway,
        connected(locked, "registry") as registry,
    ):
        heard: list[str] = []

        async def lie(message: Msg) -> None:
            heard.append(message.subject)
            await message.respond(b"a lie")

        await operator.client.subscribe("bazaar.>", cb=lie)
        await gateway.client.subscribe("bazaar.evt.>", cb=lie)
        assert not await operator.is_refused()
        assert not await gateway.is_refused()
        with pytest.raises(NoRespondersError):
            await chat.client.request("bazaar.rpc.registry.list_agents", b"{}", timeout=5)

        async def answer(message: Msg) -> None:
            await message.respond(b"once")
            await message.respond(b"twice")

        await registry.client.subscribe("bazaar.rpc.registry.*", queue="registry", cb=answer)
        assert not await registry.is_refused()
        for asker in (chat, gateway):
            reply = await asker.client.request("bazaar.rpc.registry.list_agents", b"{}", timeout=5)
            assert reply.data == b"once"
            assert await registry.is_refused(), "a request is answered once"
        await registry.client.publish(f"{inbox('chat')}.anything", b"unasked")
        assert await registry.is_refused()
        assert heard == []


async def test_a_replica_answers_for_one_that_died(locked: EmbeddedServer) -> None:
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def die(message: Msg) -> None:
        await asked.put(message.reply)

    async with (
        connected(locked, GATEWAY) as gateway,
        connected(locked, "payment") as payment,
        connected(locked, "task") as survivor,
    ):
        async with connected(locked, "task") as task:
            await task.client.subscribe("bazaar.rpc.task.*", queue="task", cb=die)
            assert not await task.is_refused()
            waiting = asyncio.create_task(
                gateway.client.request("bazaar.rpc.task.invoke_agent", b"{}", timeout=20)
            )
            reply_to = await asked.get()
        await payment.client.publish(reply_to, b"a lie")
        assert await payment.is_refused()
        await survivor.client.publish(reply_to, b"in its stead")
        assert not await survivor.is_refused()
        assert (await waiting).data == b"in its stead"


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


@pytest.mark.parametrize("user", [*SERVICES, GATEWAY])
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


async def test_the_past_is_read_without_a_consumer(locked: EmbeddedServer) -> None:
    subject = "bazaar.evt.agent.updated.past"
    async with connected(locked, "registry") as registry, connected(locked, GATEWAY) as me:
        await registry.client.jetstream().publish(subject, b"1")
        found = await stored.read(me.client, "EVENTS", subject, 1, 10)
        assert [one.data for one in found.messages] == [b"1"]
        newest = await stored.last(me.client, "EVENTS", subject)
        assert newest == found.messages[0]
        assert not await me.is_refused()


async def reaches_nothing(me: User, subject: str) -> None:
    """Refused by the server, or led to the keeper of the bus (who is away here) to be refused."""

    async def turned_away() -> bool:
        try:
            await me.client.request(subject, b"{}", timeout=0.2)
        except NoRespondersError:
            return True
        except NatsTimeout:  # Without a refusal, the server was only slow to say anything.
            return await me.is_refused()
        raise AssertionError(subject)

    await eventually(turned_away)


@pytest.mark.parametrize("user", [GATEWAY, OPERATOR])
async def test_a_guest_reaches_no_stream_and_no_consumer(locked: EmbeddedServer, user: str) -> None:
    """Neither those of the services, nor any of his own."""
    async with connected(locked, user) as me:
        for place in ("EVENTS", "COMMANDS", "DEADLETTER", "KV_API_KEYS", "KV_IDEMPOTENCY"):
            for asked in (
                f"STREAM.INFO.{place}",
                f"STREAM.UPDATE.{place}",
                f"STREAM.MSG.GET.{place}",
                f"STREAM.MSG.DELETE.{place}",
                f"STREAM.PURGE.{place}",
                f"CONSUMER.CREATE.{place}",
                f"CONSUMER.CREATE.{place}.mine",
                f"CONSUMER.CREATE.{place}.mine.bazaar.evt.>",
                f"CONSUMER.DURABLE.CREATE.{place}.mine",
                f"CONSUMER.MSG.NEXT.{place}.mine",
            ):
                await reaches_nothing(me, f"$JS.API.{asked}")


@pytest.mark.parametrize("user", [GATEWAY, OPERATOR])
async def test_what_a_guest_has_answered_elsewhere_stays_in_his_account(
    locked: EmbeddedServer, user: str
) -> None:
    """The server does not ask whether he may publish where he wants a reply."""
    elsewhere = ("bazaar.evt.agent.updated.elsewhere", "bazaar.rpc.payment.place_hold")
    heard: list[str] = []

    async def hear(message: Msg) -> None:
        heard.append(message.subject)

    async def answer(message: Msg) -> None:
        await message.respond(b"{}")

    async with (
        connected(locked, user) as me,
        connected(locked, "payment") as payment,
        connected(locked, "registry") as registry,
        connected(locked, KEEPER) as keeper,
        connected(locked, ADMIN) as admin,
    ):
        await payment.client.subscribe("bazaar.rpc.payment.*", queue="payment", cb=hear)
        await registry.client.subscribe("bazaar.rpc.registry.*", queue="registry", cb=answer)
        await keeper.client.subscribe("bazaar.look.>", queue=KEEPER, cb=answer)
        for service in (payment, registry, keeper):
            assert not await service.is_refused()
        subject = "bazaar.evt.agent.updated.stored"
        await registry.client.jetstream().publish(subject, b"{}")
        for reply_to in elsewhere:
            if user == OPERATOR:
                await me.client.publish("bazaar.look.help", b"", reply_to)
            else:
                await me.client.publish("bazaar.rpc.registry.list_agents", b"{}", reply_to)
                asked = json.dumps({"last_by_subj": subject}).encode()
                await me.client.publish("$JS.API.DIRECT.GET.EVENTS", asked, reply_to)
        # Whoever is answered here was asked after the others.
        last = "bazaar.look.help" if user == OPERATOR else "bazaar.rpc.registry.list_agents"
        assert (await me.client.request(last, b"{}", timeout=5)).data == b"{}"
        await payment.is_refused()
        assert heard == []
        with pytest.raises(NotFoundError):
            await admin.client.jetstream().get_last_msg("EVENTS", elsewhere[0])


async def test_keys_are_read_and_not_written_by_the_gateway(locked: EmbeddedServer) -> None:
    async with connected(locked, ADMIN) as admin, connected(locked, GATEWAY) as me:
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def hear(message: Msg) -> None:
            await heard.put(message.subject)

        await me.client.subscribe("$KV.API_KEYS.*", cb=hear)
        assert not await me.is_refused()
        await bucket(admin.client, API_KEYS).put("k1", b"kept")
        async with asyncio.timeout(60):
            assert await heard.get() == "$KV.API_KEYS.k1"
        assert (await bucket(me.client, API_KEYS).get("k1")).value == b"kept"
        await me.client.publish("$KV.API_KEYS.k1", b"forged")
        assert await me.is_refused()
        kept = bucket(me.client, IDEMPOTENCY)
        revision = await kept.create("i1", b"1")
        await kept.update("i1", b"2", last=revision)
        assert (await kept.get("i1")).value == b"2"
        assert not await me.is_refused()


async def test_whoever_has_no_name_may_look_and_ask_the_keeper_alone(
    locked: EmbeddedServer,
) -> None:
    async with connected(locked, None) as me:
        await me.client.subscribe("bazaar.evt.*.*.anything")
        assert not await me.is_refused()
        with pytest.raises(NoRespondersError):
            await me.client.request("bazaar.look.help", b"", timeout=5)
        for calls in CALLS.values():
            for call in calls:
                await me.client.publish(call.subject, b"{}")
                assert await me.is_refused(), call.subject


async def test_the_gateway_asks_all_replicas_what_they_have_in_hand(locked: EmbeddedServer) -> None:
    async with connected(locked, GATEWAY) as me, connected(locked, "task") as replica:
        at_work = Hands("task", "one", list)
        await at_work.open(replica.client)
        await Hands("task", "two", list).open(replica.client)
        assert not await replica.is_refused()
        roll = RollCall("task")
        roll.known = {"gone"}
        while roll.known != {"one", "two"}:
            found = await roll.held(me.client, ["r1"], 0.1)
        assert found == set()
        assert not await me.is_refused()
        roll.known.add("gone")
        assert await roll.held(me.client, ["r1"], 0.5) is not None, "nobody is there any more"
        await me.client.subscribe("bazaar.hands.task")
        assert await me.is_refused()
        await replica.client.publish("bazaar.hands.chat", b"{}")
        assert not await replica.is_refused(), "it asks chat, and may"
        await replica.client.subscribe("bazaar.hands.chat")
        assert await replica.is_refused()


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
            if path.name != "keytool.py"  # An administrator's.
            for name in _names(path)
            if name in named and named[name].context != user
        }
        assert asked == {call.subject for call in permissions.ASKS[user] if call.verb != "ping"}, (
            user
        )


def _names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
