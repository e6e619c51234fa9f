import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import HttpUrl

from contracts.base import MAX_AMOUNT
from contracts.errors import Invalid
from registry_svc.agents_http import base_url
from registry_svc.pricing import dynamic_price, load_of
from registry_svc.rating import GIVEN_BACK, Outcome, done, rated, rating, undone
from registry_svc.tally import STARTED, Tally, completed, failed, mean_ms, put_right, thought
from registry_svc.vitals import Vitals, after_probe
from registry_svc.wording import MOST_WORD, words

prices = st.decimals(min_value=0, max_value=MAX_AMOUNT, places=6)
loads = st.integers(0, 10)


@pytest.mark.parametrize(
    ("load", "price"),
    [(0, "0.08"), (3, "0.08"), (4, "0.092"), (7, "0.092"), (8, "0.104"), (10, "0.104")],
)
def test_price_rises_at_the_loads_that_the_ui_names(load: int, price: str) -> None:
    assert dynamic_price(Decimal("0.08"), load) == Decimal(price)


@given(prices, loads, loads)
def test_price_never_falls_with_load_and_fits_into_a_message(
    base: Decimal, one: int, other: int
) -> None:
    low, high = sorted((one, other))
    cheap, dear = dynamic_price(base, low), dynamic_price(base, high)
    assert base <= cheap <= dear <= MAX_AMOUNT
    assert dear == round(dear, 6)


@given(st.integers(-100, 100), st.none() | st.integers(0, 100))
def test_load_is_the_greater_of_ours_and_theirs_within_ten(
    active: int, percent: int | None
) -> None:
    load = load_of(active, percent)
    assert 0 <= load <= 10
    assert load >= min(active, 10)
    if percent is None:
        assert load == min(max(active, 0), 10)
    else:
        assert load * 10 >= percent - 5
        assert load <= max(active, 0) or (load - 1) * 10 < percent


outcomes = st.sampled_from(
    [
        done(paid=True, overbilled=False),
        done(paid=True, overbilled=True),
        undone("agent_error", started=True),
        undone("agent_too_slow", started=True),
        undone("agent_busy", started=True),
        undone("agent_refused_price", started=True),
        GIVEN_BACK,
        rated(1),
        rated(5),
    ]
)


def stars_of(*buyers: list[Outcome]) -> Decimal:
    """The rating of an agent whose buyers have seen this."""
    counted = [sum(seen, Outcome()).counted() for seen in buyers]
    return rating(
        sum((one for one, _ in counted), Decimal(0)), sum((by for _, by in counted), Decimal(0))
    )


@given(st.lists(st.lists(outcomes, max_size=30), max_size=8))
def test_rating_stays_between_no_and_five_stars(buyers: list[list[Outcome]]) -> None:
    good, bad = done(paid=True, overbilled=False), GIVEN_BACK
    assert 0 <= stars_of(*buyers, [bad]) <= stars_of(*buyers) <= stars_of(*buyers, [good]) <= 5


@given(st.lists(outcomes, min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_what_is_added_up_event_by_event_is_the_whole_in_any_order(
    seen: list[Outcome], dice: random.Random
) -> None:
    """Exactly, to the last digit: a rating is kept by what each event adds to it."""
    now, tally = Outcome(), Tally()
    for outcome in dice.sample(seen, len(seen)):
        now += outcome
        tally += thought(now, outcome)
    assert (tally.opinions, tally.opinion_weight) == sum(seen, Outcome()).counted()
    assert tally.unique_buyers == int(any(one.paid for one in seen))


def test_a_rating_is_not_bought() -> None:
    """A thousand calls of one account move it less than ten accounts that call three times."""
    good, bad = done(paid=True, overbilled=False), GIVEN_BACK
    assert stars_of() == Decimal("4.50")
    assert stars_of([good] * 1_000) < Decimal("4.60")
    assert stars_of([bad] * 1_000) > Decimal("3.70")
    assert stars_of(*[[good] * 3] * 10) > stars_of([good] * 1_000)
    assert stars_of(*[[good] * 3] * 100) > Decimal("4.90")


def test_what_an_outcome_is_worth() -> None:
    good, over = (done(paid=True, overbilled=one) for one in (False, True))
    fault, busy = (undone(why, started=True) for why in ("agent_too_slow", "agent_busy"))
    assert fault is not None
    assert busy is not None
    assert (
        stars_of([fault] * 4) < stars_of([over] * 4) < stars_of([busy] * 4) < stars_of([good] * 4)
    )
    assert stars_of([rated(1)]) == stars_of([over] * 5)
    for reason in ("agent_refused_payload", "not_covered", "cancelled", "registry_unavailable"):
        assert undone(reason, started=True) is None
    assert undone("agent_error", started=False) is None


@given(st.lists(st.integers(1, 10**6), min_size=1))
def test_mean_is_whole_and_within_what_was_measured(times: list[int]) -> None:
    assert min(times) <= mean_ms(sum(times), len(times)) <= max(times)
    assert mean_ms(0, 0) == 0


def test_mean_of_jobs_faster_than_the_clock_is_still_known() -> None:
    assert mean_ms(0, 3) == 1


lives = st.lists(
    st.one_of(
        st.integers(1, 5000).map(lambda ms: [STARTED, completed(ms)]),
        st.sampled_from(["agent_unreachable", "agent_busy", "agent_error", "not_covered"]).map(
            lambda reason: [STARTED, failed(reason, started=True)]  # type: ignore[arg-type]  # Hypothesis widens it to str
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
    assert failed("cancelled", started=False) is None
    assert failed("cancelled", started=True) == Tally(active=-1)
    assert failed("not_covered", started=True) == Tally(active=-1)
    assert failed("agent_refused_payload", started=True) == Tally(active=-1)
    assert failed("agent_busy", started=True) == Tally(active=-1, busy=1)
    for own in ("agent_unreachable", "agent_too_slow", "agent_error"):
        silent = int(own != "agent_error")
        assert failed(own, started=True) == Tally(active=-1, faults=1, silent=silent)


@given(st.lists(st.booleans()))
def test_two_failures_in_a_row_make_unavailable_and_one_answer_available(
    answers: list[bool],
) -> None:
    vitals = Vitals(available=False, failing=True, reported_load=None)
    seen: list[bool] = []
    for answered in answers:
        vitals = after_probe(vitals, answered=answered, reported_load=50)
        seen.append(answered)
        once = any(seen)
        assert vitals.available == (once and any(seen[-2:]))
        assert vitals.reported_load == (50 if vitals.available else None)


@pytest.mark.parametrize(
    "url", ["http://a/?x=1", "http://a/#here", "http://me@a/", "http://me:secret@a/"]
)
def test_addresses_that_nothing_can_be_appended_to_are_refused(url: str) -> None:
    with pytest.raises(Invalid):
        base_url(HttpUrl(url))


def test_an_address_is_kept_without_its_last_slash() -> None:
    assert base_url(HttpUrl("http://agents.example:8001")) == "http://agents.example:8001"
    assert base_url(HttpUrl("https://a.example/haiku/")) == "https://a.example/haiku"


@given(st.lists(st.text(max_size=MOST_WORD)))
def test_words_are_trimmed_and_listed_once(given_words: list[str]) -> None:
    found = words(given_words)
    assert found == [word.strip() for word in found]
    assert len(set(found)) == len(found)
    assert set(found) == {word.strip() for word in given_words} - {""}


@given(st.integers(-20, 20), st.integers(0, 20), st.integers(0, 20))
def test_what_is_put_right_is_no_further_off_than_what_is_under_way(
    active: int, running: int, under_way: int
) -> None:
    after = put_right(active, running, under_way)
    assert min(active, running) <= after <= max(active, running)
    assert abs(running - after) == min(abs(running - active), under_way)
