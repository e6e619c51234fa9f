import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import HttpUrl

from contracts.base import MAX_AMOUNT
from contracts.errors import Invalid
from registry_svc import domain
from registry_svc.domain import Tally, Vitals

prices = st.decimals(min_value=0, max_value=MAX_AMOUNT, places=6)
loads = st.integers(0, 10)
counts = st.integers(0, 10**9)


@pytest.mark.parametrize(
    ("load", "price"),
    [(0, "0.08"), (3, "0.08"), (4, "0.092"), (7, "0.092"), (8, "0.104"), (10, "0.104")],
)
def test_price_rises_at_the_loads_that_the_ui_names(load: int, price: str) -> None:
    assert domain.dynamic_price(Decimal("0.08"), load) == Decimal(price)


@given(prices, loads, loads)
def test_price_never_falls_with_load_and_fits_into_a_message(
    base: Decimal, one: int, other: int
) -> None:
    low, high = sorted((one, other))
    cheap, dear = domain.dynamic_price(base, low), domain.dynamic_price(base, high)
    assert base <= cheap <= dear <= MAX_AMOUNT
    assert dear == round(dear, 6)


@given(st.integers(-100, 100), st.none() | st.integers(0, 100))
def test_load_is_the_greater_of_ours_and_theirs_within_ten(
    active: int, percent: int | None
) -> None:
    load = domain.load_of(active, percent)
    assert 0 <= load <= 10
    assert load >= min(active, 10)
    if percent is None:
        assert load == min(max(active, 0), 10)
    else:
        assert load * 10 >= percent - 5
        assert load <= max(active, 0) or (load - 1) * 10 < percent


@given(counts, counts, counts)
def test_rating_stays_between_no_and_five_stars(done: int, faults: int, busy: int) -> None:
    stars = domain.rating(done, faults, busy)
    assert 0 <= stars <= 5
    assert domain.rating(done + 1, faults, busy) >= stars
    assert domain.rating(done, faults + 1, busy) <= domain.rating(done, faults, busy + 1) <= stars


def test_a_new_agent_has_the_prior_and_a_failure_weighs_more_than_being_busy() -> None:
    assert domain.rating(0, 0, 0) == Decimal("4.50")
    assert domain.rating(0, 20, 0) < domain.rating(0, 0, 20) < Decimal("4.50")
    assert domain.rating(1000, 0, 0) > Decimal("4.98")


@given(st.lists(st.integers(1, 10**6), min_size=1))
def test_mean_is_whole_and_within_what_was_measured(times: list[int]) -> None:
    assert min(times) <= domain.mean_ms(sum(times), len(times)) <= max(times)
    assert domain.mean_ms(0, 0) == 0


def test_mean_of_jobs_faster_than_the_clock_is_still_known() -> None:
    assert domain.mean_ms(0, 3) == 1


lives = st.lists(
    st.one_of(
        st.integers(1, 5000).map(lambda ms: [domain.STARTED, domain.completed(ms)]),
        st.sampled_from(["agent_unreachable", "agent_busy", "agent_error", "not_covered"]).map(
            lambda reason: [domain.STARTED, domain.failed(reason, started=True)]  # type: ignore[arg-type]  # Hypothesis widens it to str
        ),
    )
)


@given(lives, st.randoms(use_true_random=False))
def test_steps_add_up_to_the_same_in_any_order(
    steps: list[list[Tally]], dice: random.Random
) -> None:
    events = [event for step in steps for event in step]
    shuffled = dice.sample(events, len(events))
    for name in Tally.__slots__:
        assert sum(getattr(e, name) for e in shuffled) == sum(getattr(e, name) for e in events)
    assert sum(event.active for event in shuffled) == 0


def test_only_failures_of_a_started_step_count_and_only_its_own_against_the_agent() -> None:
    assert domain.failed("cancelled", started=False) is None
    assert domain.failed("cancelled", started=True) == Tally(active=-1)
    assert domain.failed("not_covered", started=True) == Tally(active=-1)
    assert domain.failed("agent_refused_payload", started=True) == Tally(active=-1)
    assert domain.failed("agent_busy", started=True) == Tally(active=-1, busy=1)
    for own in ("agent_unreachable", "agent_too_slow", "agent_error"):
        assert domain.failed(own, started=True) == Tally(active=-1, faults=1)


@given(st.lists(st.booleans()))
def test_two_failures_in_a_row_make_unavailable_and_one_answer_available(
    answers: list[bool],
) -> None:
    vitals = Vitals(available=False, failing=True, reported_load=None)
    seen: list[bool] = []
    for answered in answers:
        vitals = domain.after_probe(vitals, answered=answered, reported_load=50)
        seen.append(answered)
        once = any(seen)
        assert vitals.available == (once and any(seen[-2:]))
        assert vitals.reported_load == (50 if vitals.available else None)


@pytest.mark.parametrize(
    "url", ["http://a/?x=1", "http://a/#here", "http://me@a/", "http://me:secret@a/"]
)
def test_addresses_that_nothing_can_be_appended_to_are_refused(url: str) -> None:
    with pytest.raises(Invalid):
        domain.base_url(HttpUrl(url))


def test_an_address_is_kept_without_its_last_slash() -> None:
    assert domain.base_url(HttpUrl("http://agents.example:8001")) == "http://agents.example:8001"
    assert domain.base_url(HttpUrl("https://a.example/haiku/")) == "https://a.example/haiku"


@given(st.lists(st.text(max_size=domain.MOST_WORD)))
def test_words_are_trimmed_and_listed_once(given_words: list[str]) -> None:
    found = domain.words(given_words)
    assert found == [word.strip() for word in found]
    assert len(set(found)) == len(found)
    assert set(found) == {word.strip() for word in given_words} - {""}


@given(st.integers(-20, 20), st.integers(0, 20), st.integers(0, 20))
def test_what_is_put_right_is_no_further_off_than_what_is_under_way(
    active: int, running: int, under_way: int
) -> None:
    after = domain.put_right(active, running, under_way)
    assert min(active, running) <= after <= max(active, running)
    assert abs(running - after) == min(abs(running - active), under_way)
