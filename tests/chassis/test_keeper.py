"""The keeper: what somebody changes on the server is undone, and whoever looks is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from chassis import topology
from chassis.bus import stored
from chassis.bus.drift import differences
from chassis.bus.envelopes import new_id, origin
from chassis.endings import end
from chassis.keeper import Keeper
from chassis.keeping import letters
from chassis.keeping.looking import HELP
from contracts.envelope import ERROR_CODE, ERROR_TEXT, TURN
from contracts.permissions import FORGET, LETTERS
from contracts.topology import DURABLES, PAYMENT_STEP_COMPLETED, TASK_START, Durable
from contracts.users import ADMIN, GATEWAY, KEEPER
from deploy.local.embedded import EmbeddedServer, embedded_nats_server
from deploy.local.home import passwords
from tests.support.polling import eventually


@asynccontextmanager
async def keeping(server: EmbeddedServer) -> AsyncIterator[Keeper]:
    known = passwords(server.process.cwd.parent)
    url = server.url.replace("nats://", f"nats://{KEEPER}:{known[f'nats_{KEEPER}']}@")
    keeper = Keeper(topology.Settings(_env_file=None, nats_url=url), every_s=0.05)
    running = asyncio.create_task(keeper.run())
    try:
        await eventually(lambda: _is_kept(keeper))
        yield keeper
    finally:
        await end(running)


async def _is_kept(keeper: Keeper) -> bool:
    return (await keeper.able())[0]


@pytest.fixture(scope="module")
async def kept(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    home = tmp_path_factory.mktemp("kept")
    async with embedded_nats_server(home, locked=True) as server, keeping(server):
        yield server


@pytest.fixture
async def admin(kept: EmbeddedServer) -> AsyncIterator[Client]:
    password = passwords(kept.process.cwd.parent)[f"nats_{ADMIN}"]
    client = await nats.connect(kept.url, user=ADMIN, password=password)
    yield client
    await client.close()


@pytest.fixture
async def looker(kept: EmbeddedServer) -> AsyncIterator[Client]:
    client = await nats.connect(kept.url)
    yield client
    await client.close()


async def settings_of(client: Client, durable: Durable) -> dict[str, Any]:
    place = f"{durable.stream}.{durable.name}"
    said = await client.request(f"$JS.API.CONSUMER.INFO.{place}", b"", timeout=5)
    found: dict[str, Any] = json.loads(said.data)
    return found


async def is_as_declared(client: Client, durable: Durable) -> bool:
    said = await settings_of(client, durable)
    wanted = topology.consumer_config(durable).as_dict()
    return "config" in said and not differences("it", wanted, said["config"])


@pytest.mark.parametrize(
    "drifted",
    [
        {"inactive_threshold": 60_000_000_000},
        {"filter_subject": "bazaar.evt.step.started.*"},
        {"headers_only": True},
        {"max_batch": 1},
        {"backoff": [1_000_000_000]},
        {"max_deliver": 3},
        {"max_ack_pending": 1},
        {"sample_freq": "100"},
        {"metadata": {"a": "note"}},
        {"description": "another"},
    ],
    ids=lambda drifted: next(iter(drifted)),
)
async def test_every_setting_of_a_durable_is_seen_and_put_right(
    admin: Client, drifted: dict[str, Any]
) -> None:
    durable = PAYMENT_STEP_COMPLETED
    config = {**(await settings_of(admin, durable))["config"], **drifted}
    asked = json.dumps({"stream_name": durable.stream, "config": config}).encode()
    subject = f"$JS.API.CONSUMER.CREATE.{durable.stream}.{durable.name}.{config['filter_subject']}"
    changed = json.loads((await admin.request(subject, asked, timeout=5)).data)
    assert "error" not in changed
    await eventually(lambda: is_as_declared(admin, durable))


async def test_a_durable_that_was_paused_goes_on(admin: Client) -> None:
    place = f"{TASK_START.stream}.{TASK_START.name}"
    until = json.dumps({"pause_until": "2099-01-01T00:00:00Z"}).encode()
    await admin.request(f"$JS.API.CONSUMER.PAUSE.{place}", until, timeout=5)

    async def goes_on() -> bool:
        return not (await settings_of(admin, TASK_START)).get("paused")

    await eventually(goes_on)
    await eventually(lambda: is_as_declared(admin, TASK_START))


async def test_a_durable_that_was_deleted_or_replaced_is_made_again(admin: Client) -> None:
    js = admin.jetstream()
    durable = PAYMENT_STEP_COMPLETED
    await js.delete_consumer(durable.stream, durable.name)
    await eventually(lambda: is_as_declared(admin, durable))
    await js.delete_consumer(durable.stream, durable.name)
    with suppress(nats.js.errors.APIError):  # The keeper may have been faster.
        other = ConsumerConfig(durable_name=durable.name, ack_policy=AckPolicy.NONE)
        await js.add_consumer(durable.stream, other)
    await eventually(lambda: is_as_declared(admin, durable))


async def test_a_stranger_on_a_work_queue_goes_and_the_durable_comes_back(admin: Client) -> None:
    """It would take the orders of whoever works, and nothing could be declared beside it."""
    js = admin.jetstream()
    await js.delete_consumer(TASK_START.stream, TASK_START.name)
    with suppress(nats.js.errors.APIError):  # The keeper may have been faster.
        stranger = ConsumerConfig(name="stranger", filter_subject=TASK_START.filter)
        await js.add_consumer(TASK_START.stream, stranger)
    await eventually(lambda: is_as_declared(admin, TASK_START))
    names = [info.name for info in await js.consumers_info(TASK_START.stream)]
    assert "stranger" not in names


async def test_what_cannot_be_undone_is_told_and_holds_up_nothing_else(tmp_path: Path) -> None:
    durable = PAYMENT_STEP_COMPLETED
    async with embedded_nats_server(tmp_path, locked=True) as server, keeping(server) as keeper:
        password = passwords(tmp_path)[f"nats_{ADMIN}"]
        client = await nats.connect(server.url, user=ADMIN, password=password)
        js = client.jetstream()
        events = (await js.stream_info("EVENTS")).config
        await js.update_stream(events.evolve(allow_msg_ttl=True))
        changed = topology.consumer_config(durable).evolve(max_ack_pending=1)
        await js.add_consumer(durable.stream, changed)
        await eventually(lambda: is_as_declared(client, durable))

        async def is_told() -> bool:
            able, wrong = await keeper.able()
            return able and ["EVENTS.allow_msg_ttl" in one for one in wrong] == [True]

        await eventually(is_told)
        await client.close()


async def test_streams_and_buckets_are_put_right(admin: Client) -> None:
    js = admin.jetstream()
    events = (await js.stream_info("EVENTS")).config
    keys = (await js.stream_info("KV_API_KEYS")).config
    await js.update_stream(events.evolve(max_age=3600.0, max_msgs=5))
    await js.update_stream(keys.evolve(max_age=3600.0, max_msg_size=10))

    async def as_before() -> bool:
        found = [(await js.stream_info(name)).config for name in ("EVENTS", "KV_API_KEYS")]
        return found == [events, keys]

    await eventually(as_before)


async def test_whoever_only_looks_is_told_the_story_of_a_task(
    admin: Client, looker: Client
) -> None:
    task = new_id()
    js = admin.jetstream()
    heads = origin("task", "task.started.v1").headers()
    for text in ("one", "two"):
        body = json.dumps({"taskId": task, "said": text}).encode()
        subject = f"bazaar.evt.task.started.{task}"
        await js.publish(subject, body, headers=heads | {"Nats-Msg-Id": new_id()})
    told = json.loads((await looker.request(f"bazaar.look.task.{task}", b"", timeout=5)).data)
    assert [event["data"]["said"] for event in told["events"]] == ["one", "two"]
    assert told["events"][0]["headers"]["ce-source"] == "task"
    after = json.dumps({"after": told["events"][0]["sequence"]}).encode()
    rest = json.loads((await looker.request(f"bazaar.look.task.{task}", after, timeout=5)).data)
    assert [event["data"]["said"] for event in rest["events"]] == ["two"]


async def test_whoever_only_looks_sees_lag_and_dead_letters(admin: Client, looker: Client) -> None:
    told = json.loads((await looker.request("bazaar.look.consumers", b"", timeout=5)).data)
    assert [one["name"] for one in told["consumers"]] == [one.name for one in DURABLES]
    assert {one["name"] for one in told["streams"]} >= {"EVENTS", "COMMANDS", "DEADLETTER"}
    for number in range(letters.AT_ONCE + 2):
        ack = await admin.jetstream().publish(
            "bazaar.dlq.task-start", b'{"a": "\\u001b[2J"}', headers={"bazaar-error": str(number)}
        )
    said = await looker.request("bazaar.look.dead_letters", b"", timeout=5)
    listed = json.loads(said.data)
    assert len(listed["deadLetters"]) == letters.AT_ONCE
    assert listed["deadLetters"][-1]["headers"]["bazaar-error"] == str(number)
    one = await looker.request(f"bazaar.look.dead_letters.{ack.seq}", b"", timeout=5)
    assert json.loads(one.data)["subject"] == "bazaar.dlq.task-start"
    assert b"\x1b" not in one.data


async def test_whoever_only_looks_asks_services_through_the_keeper(
    admin: Client, looker: Client
) -> None:
    async def answer(message: Msg) -> None:
        agents = b'{"agents": [{"id": "a"}], "nextCursor": "more"}'
        await admin.publish(message.reply, agents if "list" in message.subject else b"{}")

    for context in ("registry", "task"):
        await admin.subscribe(f"bazaar.rpc.{context}.*", context, cb=answer)
    await admin.flush()
    told = json.loads((await looker.request("bazaar.look.agents", b"", timeout=5)).data)
    assert told == {"agents": [{"id": "a"}], "more": True}
    told = json.loads((await looker.request("bazaar.look.services", b"", timeout=5)).data)
    away = "does not answer"
    assert told["services"] == {"registry": "up", "task": "up", "payment": away, "chat": away}


async def test_what_cannot_be_looked_at_is_refused_in_words(looker: Client) -> None:
    help_ = await looker.request("bazaar.look.help", b"", timeout=5)
    assert help_.data.decode() == HELP
    for asked, body, code in (
        ("wallets", b"", "422"),
        ("task", b"", "422"),
        ("consumers.one", b"", "422"),
        ("help.me", b"", "422"),
        ("task.nobody", b"no json", "422"),
        ("task.nobody", b"x" * 2000, "422"),
        ("task.nobody", b'{"after": 99999999999999999999}', "422"),
        ("task.nobody", b'{"after": -1}', "422"),
        ("task.a.b", b"", "404"),
        ("dead_letters.999999", b"", "404"),
        ("dead_letters.one", b"", "404"),
        ("dead_letters." + "9" * 30, b"", "404"),
    ):
        answer = await looker.request(f"bazaar.look.{asked}", body, timeout=5)
        assert answer.headers is not None
        assert answer.headers[ERROR_CODE] == code, asked
        assert answer.headers[ERROR_TEXT]
    nothing = json.loads((await looker.request("bazaar.look.task.nobody", b"", timeout=5)).data)
    assert nothing == {"events": [], "left": 0}


async def test_a_tool_that_asks_for_streams_is_told_what_to_ask_for(looker: Client) -> None:
    with pytest.raises(nats.js.errors.APIError, match=r"ask bazaar\.look\.help"):
        await looker.jetstream().stream_info("EVENTS")
    with pytest.raises(nats.js.errors.APIError, match=r"ask bazaar\.look\.help"):
        await looker.jetstream().add_consumer("EVENTS", ConsumerConfig(name="mine"))


async def test_words_of_a_turn_are_deleted_when_chat_asks(
    kept: EmbeddedServer, admin: Client
) -> None:
    js = admin.jetstream()
    said = [("turn.completed", "mine"), ("turn.completed", "other"), ("step.completed", "mine")]
    places = [
        (await js.publish(f"bazaar.evt.{kind}.t7", b"{}", headers={TURN: turn})).seq
        for kind, turn in said
    ]
    password = passwords(kept.process.cwd.parent)["nats_chat"]
    chat = await nats.connect(kept.url, user="chat", password=password, inbox_prefix="_INBOX_chat")
    for deleted in (b"1", b"0"):
        asked = b'{"taskId": "t7", "turnIds": ["mine"]}'
        assert (await chat.request(FORGET, asked, timeout=5)).data == deleted
    for wrong in (b"", b'{"taskId": ">", "turnIds": []}', b'{"taskId": "t7"}'):
        reply = await chat.request(FORGET, wrong, timeout=5)
        assert (reply.headers or {})[ERROR_CODE] == "422"
    await chat.close()
    page = await stored.read(admin, "EVENTS", "bazaar.evt.*.*.t7", 1, 10)
    assert [one.sequence for one in page.messages] == places[1:]


async def test_the_gateway_has_dead_letters_told_and_sent_again(
    kept: EmbeddedServer, admin: Client
) -> None:
    js, home = admin.jetstream(), "bazaar.evt.step.completed.t9"
    heads = {"ce-id": "e9", "bazaar-error": "no", "Nats-Msg-Id": new_id(), "bazaar-subject": home}
    letter = await js.publish("bazaar.dlq.payment-step-completed", b'{"a": 1}', headers=heads)
    lost = [
        await js.publish("bazaar.dlq.payment-step-completed", b"{", headers={"bazaar-subject": to})
        for to in ("bazaar.rpc.payment.place_hold", "bazaar.evt.step.completed.*", ">", "$JS.API.x")
    ]
    password = passwords(kept.process.cwd.parent)["nats_gateway"]
    gateway = await nats.connect(
        kept.url, user=GATEWAY, password=password, inbox_prefix="_INBOX_gateway"
    )

    async def asks(what: str, body: bytes = b"") -> tuple[Any, dict[str, str]]:
        reply = await gateway.request(f"{LETTERS}.{what}", body, timeout=5)
        return json.loads(reply.data or b"null"), reply.headers or {}

    told, _ = await asks("list")
    assert {letter.seq, *(one.seq for one in lost)} <= {
        one["sequence"] for one in told["deadLetters"]
    }
    number = json.dumps({"number": letter.seq}).encode()
    assert (await asks("show", number))[0]["data"] == {"a": 1}
    assert (await asks("replay", number))[0] == {"subject": home}
    again = await js.get_last_msg("EVENTS", home)
    assert again.headers is not None
    assert (again.data, again.headers["ce-id"]) == (b'{"a": 1}', "e9")
    assert not any(name.startswith(("bazaar-", "Nats-Msg")) for name in again.headers)
    for durable in ("payment-step-completed", "registry-step-completed"):
        # Two that put the same aside have it again together.
        heads |= {"bazaar-consumer": durable, "Nats-Msg-Id": f"{durable}-4711"}
        twin = await js.publish(f"bazaar.dlq.{durable}", b"{}", headers=heads)
        assert (await asks("replay", b'{"number": %d}' % twin.seq))[0] == {"subject": home}
        assert (await js.get_last_msg("EVENTS", home)).seq == again.seq + 1
    for what in ("show", "replay"):
        assert (await asks(what, number))[1][ERROR_CODE] == "404"
    for one in lost:  # What says no place of ours goes nowhere, and stays.
        body = json.dumps({"number": one.seq}).encode()
        assert (await asks("replay", body))[1][ERROR_CODE] == "422"
        assert (await asks("show", body))[0]["data"] == "{"
    for wrong in (b"", b"{}", b'{"number": 0}', b'{"number": "x"}'):
        assert (await asks("replay", wrong))[1][ERROR_CODE] == "422"
    await gateway.close()


async def test_all_dead_letters_are_told_page_by_page(admin: Client) -> None:
    """Whatever was sent again in between, and however long they are."""
    js = admin.jetstream()
    long = b"x" * 300_000
    numbers = [
        (await js.publish("bazaar.dlq.task-start", long if at < 12 else b"{}")).seq
        for at in range(70)
    ]
    for gone in numbers[20:]:
        await js.delete_msg("DEADLETTER", gone)
    told: list[int] = []
    before: int | None = 2**63 - 1
    while before is not None:
        page = await letters.listed(admin, letters.Wanted(limit=9, before=before))
        assert len(page["deadLetters"]) <= 9
        told = [one["sequence"] for one in page["deadLetters"]] + told
        before = page["before"]
    assert told[-20:] == numbers[:20]
    assert len(told) == len(set(told)) == page["inAll"]


async def test_the_keeper_outlives_the_server(tmp_path: Path) -> None:
    async with embedded_nats_server(tmp_path, locked=True) as server, keeping(server) as keeper:
        await server.kill()

        async def notices() -> bool:
            return not (await keeper.able())[0]

        await eventually(notices)
        await server.start()
        await eventually(lambda: _is_kept(keeper))
