"""What is answered below the layers is counted once, whoever answers it in the end."""

from collections.abc import AsyncIterator
from functools import partial
from inspect import iscoroutinefunction

import pytest

from contracts.registry import LIST_AGENTS
from contracts.task import LIST_TASKS
from gateway import remembering
from gateway.again import COPIED, Count, Repeat
from gateway.cache import Answer
from gateway.layers.windows import SlidingWindow
from tests.gateway import samples
from tests.gateway.credentials import issuing, make_key
from tests.gateway.telling import Telling, telling, unhurried
from tests.gateway.wire import Wire, connected, gateway, get, other_end, repeats
from tests.support.polling import until

AGENTS = "/api/agents"


@pytest.fixture(autouse=True)
def _unhurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if iscoroutinefunction(request.function):  # The others have a clock of their own.
        unhurried(monkeypatch)


@pytest.fixture
async def services(bus_url: str) -> AsyncIterator[Telling]:
    async with telling(bus_url) as found:
        await found.answer(LIST_TASKS, samples.TASKS)
        await found.answer(LIST_AGENTS, samples.AGENTS)
        yield found


async def statuses(wire: Wire, asked: bytes, times: int) -> list[int]:
    return [(await wire.ask(asked)).status_code for _ in range(times)]


async def test_a_token_of_an_issuer_counts_once_for_each_answer(
    bus_url: str, services: Telling
) -> None:
    """Whose it is, is not remembered: all layers look at it, each time."""
    del services
    with issuing() as issuer:
        token = issuer.token(issuer.new_key("one"))
        known = {"jwks_url": issuer.url, "jwt_issuer": "https://issuer.example"}
        mode = {"auth_mode": "jwt", "jwt_audience": "bazaar", "rate_limit_account": "6/hour"}
        asked = get(AGENTS, f"Authorization: Bearer {token}")
        async with gateway(bus_url, **mode, **known) as served, connected(served) as wire:
            assert await statuses(wire, asked, 8) == [200] * 6 + [429] * 2


async def test_a_key_that_is_looked_up_anew_counts_once_for_each_answer(
    bus_url: str, services: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    del services
    key = await make_key(bus_url, "again-anew", "--scopes", "read")
    asked = get(AGENTS, f"Authorization: Bearer {key}")
    mode = {"auth_mode": "token", "rate_limit_account": "7/hour"}
    async with gateway(bus_url, **mode) as served, connected(served) as wire:
        before = await repeats(served)
        assert await statuses(wire, asked, 4) == [200] * 4
        assert await repeats(served) - before == 2
        monkeypatch.setattr(remembering, "REMEMBERED_S", 0.0)
        assert await statuses(wire, asked, 5) == [200] * 3 + [429] * 2


async def test_who_is_refused_for_his_address_is_not_counted_for_his_account(
    bus_url: str, services: Telling
) -> None:
    """Behind a proxy, an account comes from two addresses."""
    del services
    key = await make_key(bus_url, "again-places", "--scopes", "read")
    here, there = (
        get(AGENTS, f"Authorization: Bearer {key}", f"X-Forwarded-For: 192.0.2.{one}")
        for one in (1, 2)
    )
    limits = {"rate_limit_address": "6/hour", "rate_limit_account": "10/hour"}
    mode = {"auth_mode": "token", "trusted_proxies": "127.0.0.1"}
    async with gateway(bus_url, **limits, **mode) as served, connected(served) as wire:
        assert await statuses(wire, here, 9) == [200] * 6 + [429] * 3
        assert await statuses(wire, there, 6) == [200] * 4 + [429] * 2


def test_what_is_not_answered_so_is_not_counted() -> None:
    """The layers count it."""
    answer, holds = Answer(200, [], b"x", None), [True]
    address, account = (SlidingWindow(most, 3600, lambda: 1_000.0) for most in (5, 3))
    counts = tuple(
        Count(partial(one.hit, "one"), partial(one.give_back, "one")) for one in (address, account)
    )
    repeat = Repeat(lambda: answer, (lambda: holds[0],), counts, (), 200, b"", b"", bodiless=False)
    assert repeat.answer() is answer
    holds[0] = False
    assert [repeat.answer() for _ in range(9)] == [None] * 9
    holds[0] = True
    assert [repeat.answer() for _ in range(9)] == [answer] * 2 + [None] * 7
    assert [address.hit("one") for _ in range(3)] == [True] * 2 + [False]


async def test_an_empty_line_before_it_ends_no_connection(bus_url: str, services: Telling) -> None:
    """Old clients send one behind a body: a head is due from then on, and this is one."""
    del services
    async with gateway(bus_url) as served, connected(served) as wire:
        before = await repeats(served)
        assert await statuses(wire, get(AGENTS), 2) == [200] * 2
        end = other_end(wire)
        wire.writer.write(b"\r\n")
        await until(lambda: end._deadline is not None, "a head is due")
        assert await statuses(wire, get(AGENTS), 1) == [200]
        assert await repeats(served) - before == 1
        assert end._deadline is None


def test_a_long_body_is_not_copied_for_each_who_is_slow() -> None:
    for length in (COPIED, COPIED + 1):
        answer = Answer(200, [], b"x" * length, None)
        repeat = Repeat(
            lambda: None, (), (), (), 200, b"x-request-id: ", b"\r\n\r\n", bodiless=False
        )
        parts = repeat.rendered(answer, "7", [(b"date", b"today")])
        head = b"HTTP/1.1 200 OK\r\ndate: today\r\nx-request-id: 7\r\n\r\n"
        assert b"".join(parts) == head + answer.body
        assert (parts[-1] is answer.body) == (length > COPIED)
