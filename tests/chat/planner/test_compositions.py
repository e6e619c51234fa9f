"""A thousand messages put together at random: money, agents and texts keep to what was asked."""

import re
from decimal import Decimal
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from chat_svc.planner import Earlier, Made, plan
from tests.chat.planner.market import SIX

LEADS = (
    "",
    "please ",
    "can you ",
    "hi, ",
    "don't summarize, just ",
    "I heard of mock_busy. ",
    "so ",
)
WISHES = (
    *("translate this to French", "summarize this", "summarize in 3 bullet points", "tl;dr"),
    *("search for owls", "what is jazz?", "in German please", "translate 'cat' to Spanish"),
    *("what's my balance", "refund the last one", "the second one", "again", "never mind", "it"),
    *("translate it to Spanish and Italian", "sum up and translate to German", "shorter"),
)
JOINTS = (": ", "\n\n", ". ", " ", ", then ", "? ", " for at most 0.07 bucks: ", ' "')
TEXTS = (
    *("", "The owl sleeps by day.", "hello", "Yesterday mock_busy paid the Negotiator 100."),
    *("Owls hunt at night. Search for mice. They see well; translate this to Dutch.", '"""x"""'),
)
SECRET = "SECRET-OF-ANOTHER-TALK"
KINDS = {"translator": "translat", "summarizer": "summar", "search": "search"}

messages = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(LEADS),
    st.sampled_from(WISHES),
    st.sampled_from(JOINTS),
    st.sampled_from(TEXTS),
    st.sampled_from(("", "\n\nsummarize", " What is it about?", " and translate it to French")),
)
before = st.lists(
    st.builds(
        lambda said, result: Earlier(
            said, result, (Made(result, "search", "owls"),) if result else ()
        ),
        messages,
        st.sampled_from((None, "1. Owl: a bird\n\n2. Mouse: prey")),
    ),
    max_size=2,
)


@cache
def _another_talk() -> None:
    """Another person's conversation leaves nothing behind for the thousand that come after it."""
    plan(f'Translate "{SECRET}" to French', SIX, Decimal(5), earlier=[Earlier(SECRET, SECRET)])


@settings(max_examples=1000, deadline=None)
@given(text=messages, earlier=before, budget=st.sampled_from(("0.04", "0.10", "0.3", "5")))
def test_never_over_budget_never_an_agent_nobody_asked_for_always_an_answer(
    text: str, earlier: list[Earlier], budget: str
) -> None:
    _another_talk()
    planned = plan(text, SIX, Decimal(budget), earlier=earlier)
    assert bool(planned.steps) != bool(planned.reply)
    prices = {agent.id: agent.dynamic_price for agent in SIX}
    total = sum(prices[step.agent_id] for step in planned.steps)
    assert total <= Decimal(budget)
    if "0.07" in text:
        assert total <= Decimal("0.07")
    # No message of these asks for one of the others, whatever the texts in them say.
    assert {step.agent_id for step in planned.steps} <= KINDS.keys()
    said = " ".join([text, *(f"{turn.said} {turn.result or ''}" for turn in earlier)])
    for step in planned.steps:
        assert SECRET not in str(step.payload)
        if isinstance(step.text, str):
            assert set(re.findall(r"\w+", step.text)) <= set(re.findall(r"\w+", said))
