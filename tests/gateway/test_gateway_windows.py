"""Windows that slide: never more than is allowed in one, and who is refused is told the truth."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.layers import windows
from gateway.layers.windows import SlidingWindow

WINDOW_S = 60.0


@given(
    most=st.integers(min_value=1, max_value=20),
    steps=st.lists(st.floats(min_value=0, max_value=90), max_size=80),
)
def test_it_is_the_estimate_of_two_counters(most: int, steps: list[float]) -> None:
    """The rule as it is told: what came in the window before counts by the part that overlaps."""
    clock, taken = [1_000.0], list[float]()
    counted = SlidingWindow(most, WINDOW_S, lambda: clock[0])
    for step in steps:
        clock[0] += step
        window = clock[0] // WINDOW_S
        here = sum(at // WINDOW_S == window for at in taken)
        before = sum(at // WINDOW_S == window - 1 for at in taken)
        estimate = before * (1 - clock[0] / WINDOW_S % 1) + here
        wait = counted.wait_s("one")
        allowed = counted.hit("one")
        assert allowed == (estimate < most)
        assert (wait > 0) == (not allowed)
        if allowed:
            taken.append(clock[0])


@given(
    most=st.integers(min_value=1, max_value=20),
    steps=st.lists(st.floats(min_value=0, max_value=10), min_size=1, max_size=120),
)
def test_who_waits_as_long_as_he_is_told_is_let_in_and_not_much_earlier(
    most: int, steps: list[float]
) -> None:
    clock = [1_000.0]
    counted = SlidingWindow(most, WINDOW_S, lambda: clock[0])
    for step in steps:
        clock[0] += step
        if not counted.hit("one"):
            wait = counted.wait_s("one")
            assert 0 < wait <= 2 * WINDOW_S
            clock[0] += wait * 0.99 - 1e-6
            assert wait < 0.01 or not counted.hit("one")
            clock[0] += wait * 0.01 + 0.01
            assert counted.hit("one")


@given(steps=st.lists(st.floats(min_value=0, max_value=5), max_size=200))
def test_in_no_two_windows_are_more_than_twice_as_many(steps: list[float]) -> None:
    clock, recent = [1_000.0], deque[float]()
    counted = SlidingWindow(10, WINDOW_S, lambda: clock[0])
    for step in steps:
        clock[0] += step
        if counted.hit("one"):
            recent.append(clock[0])
        while recent and recent[0] <= clock[0] - WINDOW_S:
            recent.popleft()
        assert len(recent) <= 20


def test_callers_are_counted_each_for_himself() -> None:
    counted = SlidingWindow(2, WINDOW_S, lambda: 1_000.0)
    assert [counted.hit(name) for name in "aabab"] == [True, True, True, False, True]


def test_who_is_gone_is_forgotten() -> None:
    clock = [6_000.0]
    counted = SlidingWindow(2, WINDOW_S, lambda: clock[0])
    for number in range(50):
        counted.hit(f"early {number}")
    clock[0] += WINDOW_S
    assert counted.hit("early 3")
    assert counted.hit("late")
    assert len(counted) == 51, "the window before still counts"
    clock[0] += WINDOW_S
    counted.hit("latest")
    assert len(counted) == 3


def test_a_crowd_makes_it_no_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MOST_NAMES", 100)
    counted = SlidingWindow(1, WINDOW_S, lambda: 1_000.0)
    for number in range(1_000):
        assert counted.hit(str(number))
        assert len(counted) <= 100
    assert not counted.hit("999")


def test_nobody_is_forgotten_for_one_who_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there may be: who comes again in the next window takes nobody's place."""
    monkeypatch.setattr(windows, "MOST_NAMES", 3)
    clock = [1_000 * WINDOW_S]
    counted = SlidingWindow(1, WINDOW_S, lambda: clock[0])
    assert [counted.hit(name) for name in "abc"] == [True] * 3
    clock[0] += WINDOW_S
    assert [counted.hit(name) for name in "abc"] == [False] * 3


def test_what_was_counted_for_nothing_may_be_had_again() -> None:
    clock = [1_000 * WINDOW_S]
    counted = SlidingWindow(2, WINDOW_S, lambda: clock[0])
    counted.give_back("one")
    assert [counted.hit("one") for _ in range(3)] == [True, True, False]
    counted.give_back("one")
    assert [counted.hit("one") for _ in range(2)] == [True, False]
    clock[0] += WINDOW_S * 2
    counted.give_back("one")
    assert [counted.hit("one") for _ in range(3)] == [True, True, False]
