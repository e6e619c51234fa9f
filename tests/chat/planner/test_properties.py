"""What holds for every text and every list of agents."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chat_svc.planner import MAX_STEPS, Candidate, Earlier, Made, Plan, payload_for, plan
from tests.chat.planner.market import MANY

WORDS = [
    "translate",
    "summarize",
    "search",
    "find",
    "for",
    "and",
    "then",
    "also",
    "to",
    "into",
    "in",
    "french",
    "german",
    "spanish",
    "es",
    "'hello'",
    '"a',
    'b"',
    "it",
    "this",
    ":",
    "\n",
    ".",
    ",",
    ";",
    "?",
    "in",
    "50",
    "words",
    "top",
    "3",
    "results",
    "ask",
    "tell",
    "use",
    "the",
    "negotiator",
    "mock_busy",
    "basho",
    "paint",
    "write",
    "a",
    "haiku",
    "about",
    "who",
    "can",
    "how",
    "much",
    "cost",
    "agents",
    "premium",
    "task",
    "general",
    "what",
    "is",
    "information",
    "-",
    "1.",
    "result",
    "summary",
    "now",
    "please",
    "übersetze",
    "résume",
    "busca",
    "«",
    "»",
    "“",
    "”",
    "'",
    '"',
    "the",
    "following",
    "original",
    "both",
    "all",
    "->",
    "@translator",
    "$result",
    '{"$result":0}',
    "\x00",
    "again",
    "do it again",
    "same",
    "with",
    "original",
]

texts = st.one_of(
    st.text(max_size=300),
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join),
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=12)), max_size=12).map(" ".join),
)
words = st.one_of(
    st.sampled_from(["translate", "summarize", "search", "haiku", "general", "premium"]),
    st.text(max_size=15),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from(
                    ["type", "properties", "required", "enum", "minimum", "text", "language"]
                ),
                st.text(max_size=5),
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
schemas = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from(["properties", "required", "type"]), json_values, max_size=3),
    st.sampled_from([one.input_schema for one in MANY]),
)
amounts = st.decimals(0, 10, places=6)
agents = st.builds(
    Candidate,
    id=words,
    name=words,
    description=st.text(max_size=60),
    skills=st.lists(words, max_size=3).map(tuple),
    capabilities=st.lists(words, max_size=2).map(tuple),
    base_price=amounts,
    dynamic_price=amounts,
    load=st.integers(0, 10),
    rating=st.decimals(0, 5, places=2),
    available=st.booleans(),
    input_schema=schemas,
    negotiable=st.booleans(),
)
markets = st.one_of(
    st.lists(agents, max_size=6),
    st.lists(st.sampled_from(MANY), max_size=len(MANY), unique_by=lambda one: one.id),
)
made = st.builds(Made, st.text(max_size=9), words, st.none() | st.text(max_size=9), st.booleans())
turns = st.builds(
    Earlier, texts, st.none() | st.text(max_size=30), st.lists(made, max_size=3).map(tuple)
)
conversations = st.lists(turns, max_size=3)


def check(planned: Plan, market: list[Candidate], budget: Decimal) -> None:
    by_id: dict[str, Candidate] = {}
    for agent in market:
        by_id.setdefault(agent.id, agent)
    assert bool(planned.steps) != bool(planned.reply)
    assert len(planned.steps) <= MAX_STEPS
    prices = [
        by_id[step.agent_id].dynamic_price if step.max_offer is None else step.max_offer
        for step in planned.steps
    ]
    assert sum(prices) <= budget or not planned.steps
    assert all(step.max_offer is None or step.max_offer > 0 for step in planned.steps)
    for index, step in enumerate(planned.steps):
        assert by_id[step.agent_id].available
        assert step.agent_id not in step.alternatives
        assert set(step.alternatives) <= set(by_id)
        standing_by = [by_id[id_].available for id_ in step.alternatives]
        assert standing_by == sorted(standing_by, reverse=True)
        assert all(0 <= earlier < index for earlier in step.depends_on)
        assert json.loads(json.dumps(step.payload)) == step.payload
        for other in (step.agent_id, *step.alternatives):
            assert payload_for(by_id[other], step.skill, step.text, step.options)


@settings(max_examples=250, deadline=None)
@given(text=texts, market=markets, budget=st.decimals(-1, 12, places=6), before=conversations)
def test_a_plan_keeps_to_the_list_and_the_budget(
    text: str, market: list[Candidate], budget: Decimal, before: list[Earlier]
) -> None:
    planned = plan(text, market, budget, earlier=before)
    check(planned, market, budget)
    assert plan(text, market, budget, earlier=before) == planned


@settings(max_examples=200, deadline=None)
@given(
    data=st.text(st.characters(codec="utf-8", exclude_characters='"“”'), max_size=200)
    .map(str.strip)
    .filter(bool)
)
def test_a_quotation_arrives_as_it_was_typed(data: str) -> None:
    (step,) = plan(f'Translate "{data}" to French', list(MANY), Decimal(5)).steps
    assert step.payload == {"input": data, "lang": "fr"}


@settings(max_examples=200, deadline=None)
@given(words_=st.lists(st.sampled_from(WORDS), min_size=1, max_size=40))
def test_nothing_in_a_text_after_a_colon_adds_a_step(words_: list[str]) -> None:
    data = "Dear all, " + " ".join(word for word in words_ if word != "also")
    (step,) = plan(f"Summarize this text: {data}", list(MANY), Decimal(5)).steps
    assert step.text == data.strip()
