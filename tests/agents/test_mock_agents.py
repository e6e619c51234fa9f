"""The three mock agents: chance and load, a fixed lower limit, a negotiation."""

import random
from decimal import Decimal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import mock_busy, mock_highprice, mock_negotiator
from agents.errors import PriceTooLowError
from agents.mock_negotiator import ASKING, MINIMUM, negotiate
from agents.settings import Settings
from tests.agents.serving import Serve

prices = st.decimals(min_value=0, max_value=10, places=4)


class Sleeper:
    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_busy_refuses_about_its_share_and_takes_its_time(serve: Serve) -> None:
    sleeper = Sleeper()
    client = serve(mock_busy.build(Settings(), rng=random.Random(7), sleep=sleeper))
    answers = [client.post("/execute", json={"task": "x"}) for _ in range(300)]
    refused = [answer for answer in answers if answer.status_code == 503]
    done = [answer for answer in answers if answer.status_code == 200]
    assert len(refused) + len(done) == 300
    assert 150 <= len(refused) <= 210
    assert len(sleeper.slept) == len(done)
    assert all(1 <= seconds <= 3 for seconds in sleeper.slept)
    assert {answer.json()["cost"] for answer in done} == {0.12}
    assert refused[0].json()["detail"]


@pytest.mark.parametrize(("rate", "status"), [(0, 200), (1, 503)])
def test_the_busy_rate_can_be_set(serve: Serve, rate: float, status: int) -> None:
    client = serve(mock_busy.build(Settings(busy_rate=rate), sleep=Sleeper()))
    assert {client.post("/execute", json={"task": "x"}).status_code for _ in range(20)} == {status}


def test_busy_reports_its_load(serve: Serve) -> None:
    client = serve(mock_busy.build(Settings(), rng=random.Random(7)))
    reports = [client.get("/health").json() for _ in range(200)]
    loads = {report["load"] for report in reports}
    assert min(loads) >= 70
    assert max(loads) <= 100
    assert loads & set(range(70, 81))
    assert loads & set(range(81, 101))
    for report in reports:
        assert report["status"] == ("degraded" if report["load"] > 80 else "healthy")


def test_highprice_tells_its_price(highprice: httpx.Client) -> None:
    price = highprice.get("/price").raise_for_status().json()
    reason = price.pop("reason")
    assert price == {"base_price": 0.85, "negotiable": True, "min_price": 0.5}
    assert isinstance(reason, str)


@pytest.mark.parametrize(
    ("agent", "field", "price", "status", "cost"),
    [
        ("highprice", "negotiated_price", None, 200, 0.85),
        ("highprice", "negotiated_price", 0.5, 200, 0.5),
        ("highprice", "negotiated_price", 0.6543217, 200, 0.654322),
        ("highprice", "negotiated_price", 0.49999999, 402, None),
        ("negotiator", "offered_price", None, 200, 0.60),
        ("negotiator", "offered_price", 0.4, 200, 0.4),
        ("negotiator", "offered_price", 0.9, 200, 0.9),
        ("negotiator", "offered_price", 0.39, 402, None),
        ("negotiator", "offered_price", 0, 402, None),
    ],
)
def test_the_bill(
    request: pytest.FixtureRequest,
    agent: str,
    field: str,
    price: float | None,
    status: int,
    cost: float,
) -> None:
    client: httpx.Client = request.getfixturevalue(agent)
    answer = client.post("/execute", json={"task": "write a poem", field: price})
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["cost"] == cost
        assert "write a poem" in answer.json()["result"]
    else:
        assert "minimum" in answer.json()["detail"]


@pytest.fixture(scope="module")
def highprice(serve_for_module: Serve) -> httpx.Client:
    return serve_for_module(mock_highprice.build(Settings()))


@pytest.fixture(scope="module")
def negotiator(serve_for_module: Serve) -> httpx.Client:
    return serve_for_module(mock_negotiator.build(Settings()))


@given(price=prices)
@pytest.mark.parametrize("agent", [mock_highprice, mock_negotiator])
def test_an_agreed_price_is_billed_as_it_is_or_refused(agent, price: Decimal) -> None:
    if price < agent.MINIMUM:
        with pytest.raises(PriceTooLowError):
            agent.cost(price)
    else:
        assert agent.cost(price) == price


@pytest.mark.parametrize(
    ("offered", "round_number", "accepted", "counter"),
    [
        (0.60, 1, True, None),
        (0.51, 1, True, None),
        (0.75, 1, True, None),
        (0.509999, 1, False, 0.555),
        (0.50, 1, False, 0.55),
        (0.50, 2, False, 0.55),
        (0.50, 3, True, None),
        (0.40, 1, False, 0.5),
        (0.40, 3, True, None),
        (0.40, 9, True, None),
        (0.39, 1, False, 0.4),
        (0.39, 3, False, 0.4),
        (0, 5, False, 0.4),
    ],
)
def test_negotiation_over_http(
    negotiator: httpx.Client,
    offered: float,
    round_number: int,
    accepted: bool,
    counter: float | None,
) -> None:
    offer = {"offered_price": offered, "round": round_number}
    reply = negotiator.post("/negotiate", json=offer).raise_for_status().json()
    assert set(reply) == {"accepted", "counter_offer", "message"}
    assert reply["accepted"] is accepted
    assert reply["counter_offer"] == pytest.approx(counter, abs=1e-6)
    assert reply["message"]


@pytest.mark.parametrize("offer", [{}, {"offered_price": "much"}, {"offered_price": 1, "round": 0}])
def test_a_wrong_offer_is_refused(negotiator: httpx.Client, offer: dict[str, object]) -> None:
    assert negotiator.post("/negotiate", json=offer).status_code == 422


@given(offered=prices, round_number=st.integers(min_value=1, max_value=10))
def test_no_offer_below_the_minimum_is_taken_and_no_counter_is_a_trick(
    offered: Decimal, round_number: int
) -> None:
    reply = negotiate(offered, round_number)
    assert reply.accepted is (reply.counter is None)
    if reply.accepted:
        assert offered >= MINIMUM
    else:
        assert reply.counter is not None
        assert max(offered, MINIMUM) <= reply.counter < ASKING


@given(first_offer=prices)
def test_who_takes_the_counter_offers_agrees_within_three_rounds(first_offer: Decimal) -> None:
    offer = first_offer
    for round_number in (1, 2, 3):
        reply = negotiate(offer, round_number)
        if reply.counter is not None:
            offer = reply.counter
    assert reply.accepted
    assert MINIMUM <= offer <= max(first_offer, ASKING)
