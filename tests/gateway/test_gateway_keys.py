"""API keys: who comes in, with what they may, and that a revoked key is out at once."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from contracts.ledger import CHECK_LEDGER, OPEN_WALLET, LedgerCheck, OpenWallet, WalletView
from contracts.listings import CLOSE_LISTINGS, ClosedListings, CloseListings
from contracts.selling import REQUEST_PAYOUT, PayoutReply, PayoutView
from contracts.spending import CLOSE_ACCOUNT, ClosedAccount
from contracts.task import GET_TASK, LIST_TASKS
from contracts.topology import API_KEYS
from deploy.local.embedded import embedded_nats_server
from gateway.keys import KeyRing, new_key
from gateway.link import Link
from tests.gateway import samples
from tests.gateway.credentials import bearer, keytool_says, make_key
from tests.gateway.reading import fresh, reading, started, tell
from tests.gateway.test_gateway_process import process
from tests.support.gateways import (
    ID_SECRET,
    Served,
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)
from tests.support.polling import until
from tests.support.stack import declare

WHOLE = "read,write,admin"


@pytest.fixture(scope="module")
async def guarded(bus_url: str) -> AsyncIterator[Served]:
    """A gateway that lets in who has a key."""
    with serving(gateway_settings(bus_url, auth_mode="token")) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
        yield served


@pytest.fixture
async def door(guarded: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with guarded.client() as client:
        yield client


async def routes(http: httpx.AsyncClient) -> list[tuple[str, str]]:
    document = (await http.get("/openapi.json")).json()
    return [
        (method.upper(), path.format(id="t1"))
        for path, methods in document["paths"].items()
        for method in methods
    ]


async def test_nobody_comes_in_without_a_key(door: httpx.AsyncClient, services: StandIns) -> None:
    tried = 0
    for method, path in await routes(door):
        if not path.startswith("/api"):
            continue
        tried += 1
        answer = await door.request(method, path, json={})
        assert_problem(answer, 401, "Authorization")
        assert answer.headers["www-authenticate"] == 'Bearer realm="AgentBazaar"'
    assert tried > 15
    assert_problem(await door.get("/api/nothing"), 401)
    assert services.asked == []
    for path in ("/health", "/ready", "/docs", "/openapi.json"):
        assert (await door.get(path)).status_code == 200


async def test_stripe_needs_no_key_but_its_signature(door: httpx.AsyncClient) -> None:
    """The payment service looks at it; here nobody answers."""
    answer = await door.post("/api/payments/stripe/webhook", content=b"{}")
    assert_problem(answer, 503, "payment service is down")


@pytest.mark.parametrize(
    "header",
    [
        "Bearer nonsense",
        "Bearer bzr_0123456789abcdef_" + "a" * 43,
        "Bearer bzr_0123456789abcdef_" + "a" * 44,
        "Bearer bzr_*_" + "a" * 43,
        "Bearer " + "a" * 5000,
        "Basic YTpi",
        "Bearer",
        "",
    ],
)
async def test_what_is_no_key_is_refused(door: httpx.AsyncClient, header: str) -> None:
    answer = await door.get("/api/tasks", headers={"Authorization": header})
    assert_problem(answer, 401)


async def test_a_key_decides_about_the_account(
    bus_url: str, door: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(LIST_TASKS, samples.TASKS)
    names = [fresh("account") for _ in range(2)]
    for name in names:
        key = await make_key(bus_url, name)
        assert (await door.get("/api/tasks", headers=bearer(key))).status_code == 200
        other_case = {"authorization": f"bearer {key}"}
        assert (await door.get("/api/tasks", headers=other_case)).status_code == 200
        wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
        assert_problem(await door.get("/api/tasks", headers=bearer(wrong)), 401, "not known")
    assert [a.envelope.account for a in services.got(LIST_TASKS)] == [
        n for n in names for _ in "12"
    ]


async def test_a_scope_that_is_missing_is_named(
    bus_url: str, door: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(LIST_TASKS, samples.TASKS)
    await services.answer(CHECK_LEDGER, LedgerCheck(ok=True, findings=[]))
    account = fresh("account")
    reader = bearer(await make_key(bus_url, account, "--scopes", "read"))
    writer = bearer(await make_key(bus_url, account, "--scopes", "write"))
    admin = bearer(await make_key(bus_url, account, "--scopes", WHOLE))
    assert (await door.get("/api/tasks", headers=reader)).status_code == 200
    refused = await door.post("/api/tasks", json={"userQuery": "x"}, headers=reader)
    assert_problem(refused, 403, "write")
    assert 'error="insufficient_scope", scope="write"' in refused.headers["www-authenticate"]
    assert_problem(await door.get("/api/tasks", headers=writer), 403, "read")
    assert_problem(await door.get("/api/ledger/check", headers=reader), 403, "admin")
    letters = "/api/dead-letters"
    for who in (reader, writer):
        assert_problem(await door.get(letters, headers=who), 403, "admin")
        assert_problem(await door.get(f"{letters}/1", headers=who), 403, "admin")
        assert_problem(await door.post(f"{letters}/1/replay", headers=who), 403, "admin")
    for cursor in ("0", "x", "-1", "1e3"):
        refused = await door.get(letters, params={"cursor": cursor}, headers=admin)
        assert_problem(refused, 422, "cursor")
    # There is no keeper here, who tells them.
    assert_problem(await door.get(letters, headers=admin), 503, "keeper")
    assert (await door.get("/api/ledger/check", headers=admin)).json()["ok"] is True


async def test_a_revoked_key_is_out_at_once_at_every_replica(
    bus_url: str, guarded: Served, services: StandIns
) -> None:
    await services.answer(LIST_TASKS, samples.TASKS)
    note = "of the \x1b[2J\u202enight\n watch"
    key = await make_key(bus_url, fresh("account"), "--note", note)
    with serving(gateway_settings(bus_url, auth_mode="token")) as other:
        async with guarded.client() as one, other.client() as two:
            await until_answered(two, "/ready", 200)
            for http in (one, two, one, two):
                assert (await http.get("/api/tasks", headers=bearer(key))).status_code == 200
            id_ = key.split("_")[1]
            listed = await keytool_says(bus_url, "list")
            assert "of the [2Jnight watch" in next(
                line for line in listed.out.splitlines() if line.startswith(id_)
            )
            assert key not in listed.out + listed.err
            assert (await keytool_says(bus_url, "revoke", id_)).code == 0
            one.headers.update(bearer(key))
            two.headers.update(bearer(key))
            await until_answered(one, "/api/tasks", 401)
            await until_answered(two, "/api/tasks", 401)
    again = await keytool_says(bus_url, "revoke", id_)
    assert (again.code, again.err) == (1, f"There is no key {id_}.\n")


async def test_an_account_is_closed_with_all_its_keys_and_no_other(
    bus_url: str, door: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(LIST_TASKS, samples.TASKS)
    account = fresh("closed")
    keys = [await make_key(bus_url, account) for _ in range(2)]
    other = await make_key(bus_url, fresh("other"))
    closed = ClosedAccount(account=account, closed_at=samples.THEN, reason="Spam.", revoked=3)
    await services.answer(CLOSE_ACCOUNT, closed)
    # The listings are closed last; what fails on the way is done by the same command again.
    failed = await keytool_says(bus_url, "close", account, "--reason", "Spam.")
    assert failed.code == 1
    left = [["poet", "painter"], ["piper"]]

    def suspend(_: CloseListings) -> ClosedListings:
        return ClosedListings(agent_ids=left.pop(0) if left else [])

    await services.answer(CLOSE_LISTINGS, suspend)
    said = await keytool_says(bus_url, "close", account, "--reason", "Spam.")
    assert (said.code, said.out) == (0, "")
    assert "is closed since 2026-01-02 03:04 UTC (Spam.)" in said.err
    assert "3 listings suspended now" in said.err
    for key in keys:
        door.headers.update(bearer(key))
        await until_answered(door, "/api/tasks", 401)
    door.headers.update(bearer(other))
    await until_answered(door, "/api/tasks", 200)
    order = services.got(CLOSE_LISTINGS)[0]
    assert (order.body.reason, order.envelope.account) == ("Spam.", account)


async def test_an_admin_has_an_account_paid_out(bus_url: str, services: StandIns) -> None:
    paid = PayoutView(
        id="p1", amount=Decimal(2), status="pending", rail="simulated", created_at=samples.THEN
    )
    await services.answer(REQUEST_PAYOUT, PayoutReply(payout=paid))
    said = await keytool_says(bus_url, "payout", "gone", "--amount", "2")
    assert (said.code, said.err) == (
        0,
        "Payout p1 of 2 BazaarBucks to gone is pending.\n",
    )
    order = services.got(REQUEST_PAYOUT)[0]
    assert (order.body.amount, order.envelope.account) == (Decimal(2), "gone")


async def test_a_missed_revocation_counts_after_a_moment(bus_url: str, guarded: Served) -> None:
    """Whoever did not hear the change asks again when its memory is five seconds old."""
    del guarded
    now = 1000.0
    link = Link(gateway_settings(bus_url), {})
    link.open()
    await until(lambda: link.connected, "connected")
    ring = KeyRing(link, lambda: now)
    key = await make_key(bus_url, "someone")
    assert (await ring.identify(key)).account == "someone"
    assert (await keytool_says(bus_url, "revoke", key.split("_")[1])).code == 0
    now += 4.9
    assert (await ring.identify(key)).account == "someone"
    now += 0.2
    with pytest.raises(Exception, match="not known"):
        await ring.identify(key)
    await link.close()


async def test_a_key_that_is_over_is_refused(
    bus_url: str, door: httpx.AsyncClient, services: StandIns
) -> None:
    over = datetime.now(UTC) - timedelta(seconds=1)
    id_, token, kept = new_key("someone", frozenset({"read"}), expires_at=over)
    bucket = await services.client.jetstream().key_value(API_KEYS.name)
    await bucket.create(id_, kept.model_dump_json().encode())
    assert_problem(await door.get("/api/tasks", headers=bearer(token)), 401, "expired")
    valid = await make_key(bus_url, "someone", "--days", "0.5")
    answer = await door.get("/api/tasks", headers=bearer(valid))
    assert_problem(answer, 503, "task service is down")


async def test_what_is_kept_of_a_key_does_not_open_the_door(
    bus_url: str, door: httpx.AsyncClient, services: StandIns
) -> None:
    token = await make_key(bus_url, "someone")
    bucket = await services.client.jetstream().key_value(API_KEYS.name)
    kept = (await bucket.get(token.split("_")[1])).value or b""
    assert token.encode() not in kept
    assert token.split("_", 2)[2].encode() not in kept
    guess = f"bzr_{token.split('_')[1]}_{json.loads(kept)['hash'][:43]}"
    assert_problem(await door.get("/api/tasks", headers=bearer(guess)), 401)


async def test_a_bus_that_is_away_is_no_wrong_key(tmp_path: Path) -> None:
    async with embedded_nats_server(tmp_path) as server:
        await declare(server.url)
        key = await make_key(server.url, "someone")
        with serving(gateway_settings(server.url, auth_mode="token")) as served:
            async with served.client() as http:
                await until_answered(http, "/ready", 200)
                await server.kill()
                await until_answered(http, "/ready", 503)
                answer = await http.get("/api/tasks", headers=bearer(key))
                assert_problem(answer, 503)
                assert answer.headers["retry-after"]


async def test_an_account_hears_only_its_own_events(
    bus_url: str, guarded: Served, services: StandIns
) -> None:
    await services.answer(GET_TASK, samples.ONE_TASK)
    mine, yours, task = fresh("account"), fresh("account"), fresh("task")
    async with guarded.client() as http:
        http.headers.update(bearer(await make_key(bus_url, mine)))
        async with reading(http, "/api/events") as heard:
            await tell(services.client, started(task, 1), yours)
            await tell(services.client, started(task, 2), "demo")
            await tell(services.client, started(task, 3), mine)
            await heard.until_heard(1)
        async with reading(http, f"/api/tasks/{task}/events") as told:
            await told.until_heard(1)
    assert heard.steps == told.steps == ["s3"]


async def test_a_key_is_never_in_the_log(bus_url: str, services: StandIns) -> None:
    await services.answer(LIST_TASKS, samples.TASKS)
    key = await make_key(bus_url, "someone")
    async with process(
        NATS_URL=bus_url, AUTH_MODE="token", ID_SECRET=ID_SECRET, LOG_LEVEL="DEBUG"
    ) as gateway:
        assert (await gateway.http.get("/api/tasks", headers=bearer(key))).status_code == 200
        gateway.http.headers.update(bearer(key[:-1]))
        assert (await gateway.http.get("/api/tasks")).status_code == 401
        gateway.service.terminate()
        log = json.dumps(await gateway.end())
    assert '"account": "someone"' in log
    assert key.split("_", 2)[2][:20] not in log


async def test_the_key_tool_opens_a_wallet(bus_url: str, services: StandIns) -> None:
    def opened(request: OpenWallet) -> WalletView:
        # The second time it is open, and as it was.
        amount = request.grant if request.grant == Decimal("2.5") else Decimal(100)
        return WalletView(account="alice", posted=amount, held=0, available=amount)

    await services.answer(OPEN_WALLET, opened)
    said = await keytool_says(bus_url, "make", "alice", "--grant", "2.5")
    assert "2.5 BazaarBucks available" in said.err
    assert "open before" not in said.err
    assert services.got(OPEN_WALLET)[0].envelope.account == "alice"
    said = await keytool_says(bus_url, "wallet", "alice", "--grant", "20")
    assert "100 BazaarBucks available" in said.err
    assert "open before, and stays as it is" in said.err
    await services.stop(OPEN_WALLET)
    said = await keytool_says(bus_url, "make", "alice", "--grant", "")
    assert (said.code, said.out.startswith("bzr_")) == (0, True)
    assert "payment service is down" in said.err
    assert (await keytool_says(bus_url, "wallet", "alice")).code == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["make", "a b"], "letters"),
        (["make", ""], "letters"),
        (["make", "alice", "--scopes", "read,root"], "admin, read, write"),
        (["make", "alice", "--days", "-1"], "number of days"),
        (["make", "alice", "--grant", "much"], "amount"),
        (["make", "alice", "--grant", "-1"], "amount"),
    ],
)
def test_the_key_tool_names_what_is_wrong(
    capsys: pytest.CaptureFixture[str], argv: list[str], words: str
) -> None:
    from gateway import keytool

    with pytest.raises(SystemExit):
        keytool.main(argv)
    assert words in capsys.readouterr().err
