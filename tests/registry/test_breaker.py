"""Breakers: who gives no answer is left alone, longer and longer, and tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.listings import CHOOSE_AGENTS
from contracts.task import FailureReason
from registry_svc import choosing, tally
from registry_svc.breaker import LONGEST_PAUSE_S, OPENS_AT, breaker, pause_s
from tests.registry.helpers import Client, Replica, completed, failed, started
from tests.support.polling import eventually

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = "search"


@given(st.integers(0, 100_000), st.floats(0, 1_000))
def test_it_opens_for_a_pause_and_is_half_open_after_it(silent: int, after_s: float) -> None:
    state, until = breaker(silent, NOW, NOW + timedelta(seconds=after_s))
    if silent < OPENS_AT:
        assert (state, until) == ("closed", None)
    elif until is None:
        assert (state, after_s >= pause_s(silent) - 1e-5) == ("half_open", True)
    else:
        assert (state, until) == ("open", NOW + timedelta(seconds=pause_s(silent)))
    assert pause_s(silent) <= pause_s(silent + 1) <= LONGEST_PAUSE_S


@pytest.mark.parametrize("reason", ["agent_error", "agent_busy", "agent_refused_payload"])
def test_what_an_agent_answers_opens_nothing(reason: FailureReason) -> None:
    """Otherwise a buyer with a bad payload could take a competitor off the market."""
    counted = tally.failed(reason, started=True)
    assert counted is not None
    assert counted.silent == 0


async def test_silence_opens_it_an_answer_closes_it_and_choosing_sees_both(
    replica: Replica, client: Client
) -> None:
    async with replica():
        await client.publish(*(started(ID, f"quiet{n}") for n in range(OPENS_AT + 1)))
        silent: tuple[FailureReason, ...] = ("agent_unreachable", "agent_too_slow")
        events = [failed(ID, silent[n % 2], f"quiet{n}") for n in range(OPENS_AT)]
        await client.publish(*events[:-1])
        await eventually(client.handled)
        assert (await client.agent(ID)).breaker == "closed"
        await client.publish(events[-1])
        await eventually(client.handled)
        agent = await client.agent(ID)
        assert agent.breaker == "open"
        assert agent.retry_at is not None
        skill = agent.skills[0]
        [one] = [
            one
            for one in (await client.ask(CHOOSE_AGENTS, skill=skill, away=True)).candidates
            if one.agent.id == ID
        ]
        assert one.scores.breaker == choosing.ANSWERS["open"]
        await client.publish(completed(ID, f"quiet{OPENS_AT}", ms=5))
        await eventually(client.handled)
        closed = await client.agent(ID)
        assert (closed.breaker, closed.retry_at) == ("closed", None)
