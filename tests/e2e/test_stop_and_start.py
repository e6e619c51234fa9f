"""Stopped in good order and started again: the data is there, and the work goes on."""

import httpx
from nats.js import JetStreamContext

from contracts.users import CONTEXTS
from tests.e2e import books, traffic
from tests.e2e.market import Market, new_skill
from tests.e2e.powers import Powers
from tests.e2e.system import WEBHOOK_SECRET, System
from tests.support.polling import insist

PATHS = ("/api/messages", "/api/tasks", "/api/payments/bazaarbucks", "/api/payments/stripe")


async def test_a_stop_leaves_no_process_and_a_start_goes_on_where_it_was(
    powers: Powers, system: System
) -> None:
    async with system.bus() as bus, Market(bus, system.agent_host) as market:
        agent = await market.slow_agent(new_skill("embroider"))
        async with system.client() as http:
            newest = await books.newest_task(http)
            await traffic.all_at_once(http, traffic.mixed(wishes=4, calls=2))
            await insist(lambda: books.sound(http, bus.jetstream(), newest))
            before = [await books.everything(http, path) for path in PATHS]
            left = powers.watch()

            interrupted = traffic.begin(http, traffic.for_agent(agent))
            await insist(agent.is_at_work)
            await powers.stop()

            assert left() == []
            for outcome in await interrupted:
                assert outcome.status in (None, 200, 409, 503), outcome
        await bus.close()

        await powers.start()
        await powers.is_up()
        async with system.client() as http, system.bus() as again:
            for path, items in zip(PATHS, before, strict=True):
                after = {item["id"]: item for item in await books.everything(http, path)}
                assert [item for item in items if after.get(item["id"]) != item] == []
            assert await insist(lambda: books.sound(http, again.jetstream(), newest))
            outcomes = await traffic.all_at_once(http, traffic.mixed(wishes=4, calls=2))
            assert [outcome for outcome in outcomes if outcome.status != 200] == []


async def test_after_all_that_every_sum_agrees_and_every_job_is_counted(
    http: httpx.AsyncClient, js: JetStreamContext, powers: Powers
) -> None:
    assert await insist(lambda: books.sound(http, js, None))
    assert await insist(lambda: books.wallet_agrees(http))
    assert await insist(lambda: books.ledger_is_sound(powers))
    assert await insist(lambda: books.jobs_are_counted(http, js))


async def test_no_log_holds_a_secret(powers: Powers, http: httpx.AsyncClient) -> None:
    """Neither what the system was given nor what callers show, after all of the above."""
    key, signature = "bzr_6f1d2a90c4b7e853_shown-by-a-caller", "t=1,v1=7369676e6174757265"
    shown = {"authorization": f"Bearer {key}", "stripe-signature": signature}
    assert (await http.get("/api/tasks", headers=shown)).status_code == httpx.codes.OK
    assert (await http.get("/api/nothing", headers=shown)).status_code == httpx.codes.NOT_FOUND
    refused = await http.post("/api/payments/stripe/webhook", content=b"{}", headers=shown)
    assert refused.status_code == httpx.codes.BAD_REQUEST

    logs = powers.logs()
    assert set(logs) > {"gateway", "postgres", "nats", "chat_svc", "provision"}
    assert b"webhook refused" in logs["payment_svc"], "the last that was asked for is in the logs"
    assert set(powers.secrets()) >= {"postgres", *CONTEXTS}
    for secret in (*powers.secrets().values(), WEBHOOK_SECRET, key, signature):
        for name, log in logs.items():
            assert secret.encode() not in log, name
