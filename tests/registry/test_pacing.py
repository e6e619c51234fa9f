"""How often agents are probed: each as often as is wanted, all together no more than may be."""

from hypothesis import given
from hypothesis import strategies as st

from registry_svc.pacing import CATCH_UP, SAVED_S, Pacing


def test_a_market_of_thousands_is_probed_less_often() -> None:
    few, many = Pacing(5, 200, agents=100), Pacing(5, 200, agents=10_000)
    assert (few.period_s, many.period_s) == (5, 50)


@given(
    per_s=st.floats(0.1, 300),
    looks=st.lists(st.floats(0, 10), max_size=20),
    most=st.integers(16, 64),
)
def test_overdue_probes_are_made_a_little_faster_than_usual_and_not_at_once(
    per_s: float, looks: list[float], most: int
) -> None:
    now = made = 0.0
    pacing = Pacing(5, per_s, clock=lambda: now)
    for pause in [0.0, *looks]:
        now += pause
        while room := pacing.room(most):
            assert room <= most
            pacing.spend(room)
            made += room
    saved = max(1.0, per_s * SAVED_S)
    assert made <= saved + now * per_s * CATCH_UP + 1e-6
