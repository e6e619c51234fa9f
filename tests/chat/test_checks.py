"""Tool calls are checked before they act: what is wrong is said so that it can be mended."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_svc.checks import MOST_CALLS, Unusable, check
from chat_svc.domain import MAX_AGENTS_PER_STEP, StoredCall, finished
from chat_svc.orchestrator import ToolCall
from chat_svc.planner import Candidate
from tests.chat.script import invoke, use


def candidate(id_: str, *skills: str, price: str = "1", **more: Any) -> Candidate:
    known: dict[str, Any] = {
        "name": f"The {id_}",
        "description": "",
        "skills": skills,
        "capabilities": (),
        "base_price": Decimal(price),
        "dynamic_price": Decimal(price),
        "load": 0,
        "rating": Decimal(5),
        "available": True,
        "input_schema": None,
    }
    return Candidate(id=id_, **known | more)


AGENTS = [
    candidate("ann", "translate", price="2"),
    candidate("ben", "Translate", price="1"),
    candidate("cid", "translate", "sing", price="3"),
    candidate("dan", "translate", price="0.5", available=False),
    candidate("eve", "sing", price="9", input_schema={"required": ["tune"]}),
    candidate("fay", "dance"),
]


def checked(
    *calls: ToolCall, before: tuple[StoredCall, ...] = (), said: str = "do it"
) -> list[StoredCall]:
    return check(calls, 1, before, AGENTS, said)


def wrong(call: StoredCall) -> str:
    """What is said to be wrong with a call."""
    assert call.error
    assert call.work is None
    found: dict[str, str] = json.loads(call.content or "")
    assert found["status"] == "failed"
    return found["error"]


def done(id_: str = "old", *, well: bool = True) -> StoredCall:
    (call,) = check([invoke(id_, "ann")], 0, (), AGENTS, "do it")
    return finished(call, json.dumps({"result": "x"}), well=well)


def agreement(id_: str, agent_id: str, *, agreed: bool = True) -> StoredCall:
    said = {"negotiation_id": id_, "agent_id": agent_id, "agreed": agreed}
    return StoredCall("n", 0, "negotiate_price", {}, None, json.dumps(said))


def who(call: StoredCall) -> list[str]:
    assert call.work is not None
    assert call.open
    return [choice.agent_id for choice in call.work.choices]


def test_questions_are_left_open():
    found = checked(
        use("a", "list_agents"), use("b", "get_task"), use("c", "list_agents", skill="x")
    )
    assert all(call.open and call.work is None for call in found)
    negotiating = use("d", "negotiate_price", agent_id="ann", max_price="0.5")
    assert all(call.open for call in checked(negotiating))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (use("a", "rm_rf"), "no tool “rm_rf”"),
        (use("a", "charge_llm", amount="9"), "no tool"),
        (use("a", "list_agents", colour="red"), "colour: Extra inputs"),
        (use("a", "negotiate_price", agent_id="ann"), "max_price: Field required"),
        (use("a", "negotiate_price", agent_id="ann", max_price=-1), "max_price"),
        (use("a", "invoke_agent", payload={}), "give agent_id or skill"),
        (use("a", "invoke_agent", agent_id="ann"), "payload: Field required"),
        (use("a", "invoke_agent", agent_id="ann", payload="text"), "payload"),
        (use("a", "invoke_agent", agent_id="ann", payload={}, budget=9), "budget"),
        (invoke("a", "nobody"), "no agent “nobody”"),
        (invoke("a", "ann", alternatives=[{"agent_id": "x", "payload": {}}]), "no agent “x”"),
        (use("a", "invoke_agent", skill="juggle", payload={}), "No agent has the skill “juggle”"),
        (invoke("a", "ann", {"$result": "b"}), "there is no call “b”"),
        (invoke("a", "ann", {"$result": 0}), "as a text"),
        (invoke("a", "ann", {"$result": "a"}), "can never be done"),
        (invoke("a", "ann", negotiation_id="n1"), "No price was agreed on"),
    ],
)
def test_what_is_wrong_is_said(call: ToolCall, words: str):
    (found,) = checked(call)
    assert words in wrong(found)


def test_too_many_calls_at_once():
    found = checked(*(use(f"c{n}", "get_task") for n in range(MOST_CALLS + 2)))
    assert [call.error for call in found] == [False] * MOST_CALLS + [True] * 2


@pytest.mark.parametrize("ids", [("llm",), ("a", "a"), ("",), ("a b",), ("x" * 65,), ("old",)])
def test_ids_that_are_none_or_not_new(ids: tuple[str, ...]):
    with pytest.raises(Unusable):
        checked(*(use(id_, "get_task") for id_ in ids), before=(done(),))


def test_others_of_the_skill_stand_by_cheapest_first():
    by_id, by_skill, by_both = checked(
        invoke("a", "ann"),
        use("b", "invoke_agent", skill="translate", payload={"text": "x"}),
        invoke("c", "cid", skill="sing"),
    )
    assert who(by_id) == ["ann", "ben", "cid"]
    assert who(by_skill) == ["ben", "ann", "cid"]
    assert who(by_both) == ["cid"]  # Eve needs a tune.
    (with_tune,) = checked(invoke("d", "cid", {"tune": "la"}, skill="sing"))
    assert who(with_tune) == ["cid", "eve"]
    (versatile,) = checked(invoke("e", "cid"))
    assert who(versatile) == ["cid"]  # Nobody else does all that Cid does.


def test_only_who_is_named_stands_by_with_a_payload_of_its_own():
    others = [{"agent_id": "cid", "payload": {"words": "hi"}}, {"agent_id": "ann", "payload": {}}]
    some, nobody, many = checked(
        invoke("a", "ann", alternatives=others),
        invoke("b", "ann", alternatives=[]),
        invoke(
            "c",
            "ann",
            alternatives=[
                one | {"agent_id": id_} for id_ in ("ben", "cid", "dan") for one in others[:1]
            ],
        ),
    )
    assert some.work is not None
    assert [(one.agent_id, one.payload) for one in some.work.choices] == [
        ("ann", {"text": "hi"}),
        ("cid", {"words": "hi"}),
    ]
    assert who(nobody) == ["ann"]
    assert who(many) == ["ann", "ben", "cid"]
    assert len(who(many)) == MAX_AGENTS_PER_STEP


def test_references_within_a_move_and_to_earlier_ones():
    chain = checked(
        invoke("b", "ann", {"$result": "a"}),
        invoke("a", "ann", {"$result": "old"}),
        before=(done(),),
    )
    assert [call.work.depends_on for call in chain if call.work] == [["a"], ["old"]]
    after_failure = checked(invoke("a", "ann", {"$result": "old"}), before=(done(well=False),))
    assert "failed and has no result" in wrong(after_failure[0])
    no_agent = checked(invoke("a", "ann", {"$result": "n"}), before=(agreement("n1", "ann"),))
    assert "no agent's result" in wrong(no_agent[0])


def test_what_can_never_be_done_is_refused_and_the_rest_is_not():
    cycle = checked(
        invoke("a", "ann", {"$result": "b"}),
        invoke("b", "ann", {"$result": "a"}),
        invoke("c", "ann", {"$result": "b"}),
        invoke("d", "ann"),
    )
    assert [call.error for call in cycle] == [True, True, True, False]
    broken = checked(
        invoke("a", "nobody"), invoke("b", "ann", {"$result": "a"}), invoke("c", "ann")
    )
    assert [call.error for call in broken] == [True, True, False]
    assert "has no agent's result" in wrong(broken[1])


def test_an_agreed_price_is_for_the_agent_that_agreed():
    before = (agreement("n1", "cid"),)
    (by_id, by_skill, other) = checked(
        invoke("a", "cid", negotiation_id="n1"),
        use("b", "invoke_agent", skill="sing", payload={}, negotiation_id="n1"),
        invoke("c", "ann", negotiation_id="n1"),
        before=before,
    )
    assert who(by_id) == ["cid"]
    assert who(by_skill) == ["cid"]
    assert "agreed on with cid" in wrong(other)
    (refused,) = checked(
        invoke("a", "cid", negotiation_id="n1"), before=(agreement("n1", "cid", agreed=False),)
    )
    assert "No price was agreed on" in wrong(refused)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.just("$result"), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["list_agents", "invoke_agent", "negotiate_price", "get_task"])
FIELDS = st.sampled_from(
    ["agent_id", "skill", "payload", "negotiation_id", "max_price", "alternatives"]
)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            NAMES | st.text(max_size=5),
            st.dictionaries(FIELDS | st.text(max_size=5), JSON | st.just("ann"), max_size=4),
        ),
        max_size=4,
    )
)
def test_whatever_is_asked_for_is_answered_and_nobody_unknown_is_called(
    asked: list[tuple[str, dict[str, Any]]],
):
    found = checked(*(ToolCall(f"c{n}", *one) for n, one in enumerate(asked)))
    assert [call.id for call in found] == [f"c{n}" for n in range(len(asked))]
    for call in found:
        json.dumps(call.input).encode()
        if call.error:
            assert wrong(call)
        elif call.work:
            assert {choice.agent_id for choice in call.work.choices} <= {a.id for a in AGENTS}


def text(id_: str, words: str, agent: str = "ben", **more: Any) -> ToolCall:
    return use(id_, "invoke_agent", agent_id=agent, payload={"text": words}, **more)


@pytest.mark.parametrize(
    ("said", "words", "why"),
    [
        ("what's my balance", "my balance", "question about your account"),
        ("Don't translate this, just tell me what it is", "Guten Tag", "asked not to translate"),
        ("please don't call any agent", "hello", "asked not to translate"),
        ("Translate this text to French", "this text", "only points at a text"),
        ("Translate 'hello' to French for at most 0.9 bucks", "hello", "more than 0.90"),
    ],
)
def test_nothing_is_bought_that_the_person_speaks_against(said: str, words: str, why: str) -> None:
    (call,) = checked(text("a", words), said=said)
    assert why in wrong(call)
    assert "nothing is charged" in wrong(call)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('Translate "this text" to French', "this text"),
        ("Translate this to French: what's my balance", "what's my balance"),
        ("now translate it", "whatever was found before"),
        ("Translate to French, but don't summarize it: hello", "hello"),
    ],
)
def test_what_was_asked_for_passes_the_gate(said: str, words: str) -> None:
    (call,) = checked(text("a", words), said=said)
    assert call.work is not None
    assert call.work.max_price is None


def test_a_cap_in_words_is_what_all_calls_together_may_cost() -> None:
    said = "Translate 'x' to French and German for at most 2.50 bucks"
    one, two = checked(text("a", "x"), text("b", "x", max_price="1.2"), said=said)
    assert [call.work and call.work.max_price for call in (one, two)] == [
        Decimal("1.50"),
        Decimal("1.2"),
    ]
    (third,) = checked(text("c", "x"), before=(one, two), said=said)
    assert "more than 2.50" in wrong(third)
