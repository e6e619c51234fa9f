"""The summarizer's price and its local engine."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import summarizer
from agents.engines.sentences import count_words, split_sentences, summarize
from agents.service import number
from agents.settings import Settings
from tests.agents.serving import Serve

TEXT = (
    "Solar power turns sunlight into electricity. My neighbour has a garden. "
    "Solar panels have become cheap, and solar power now grows faster than any other source of "
    "electricity. Yesterday it rained for an hour. Because the sun sets, solar electricity needs "
    "storage such as batteries. Nobody knows where the cat is."
)

words = st.text(alphabet="abcdefghXYZäöüñ猫犬", min_size=1, max_size=8)
sentences = st.builds(
    lambda parts, mark: " ".join(parts) + mark,
    st.lists(words, min_size=1, max_size=12),
    st.sampled_from([".", "!", "?", "…", "。", "", '."', ".)"]),
)
prose = st.builds(
    lambda parts, gap: gap.join(parts),
    st.lists(sentences, min_size=1, max_size=12),
    st.sampled_from([" ", "\n", "\n\n"]),
)
any_text = st.text(min_size=1).filter(str.strip)


@given(text=st.text(max_size=5000))
def test_the_bill_is_by_the_characters(text: str) -> None:
    assert summarizer.cost(text) == Decimal("0.05") + Decimal("0.00002") * len(text)


@given(amount=st.decimals(min_value=0, max_value=1_000_000, places=12))
def test_amounts_leave_with_six_decimals(amount: Decimal) -> None:
    assert abs(Decimal(str(number(amount))) - amount) <= Decimal("0.0000005")


def test_over_http(serve: Serve) -> None:
    client = serve(summarizer.build(Settings()))
    answer = client.post("/execute", json={"text": TEXT, "max_length": 40}).json()
    assert answer["engine"] == "extractive"
    assert answer["cost"] == pytest.approx(0.05 + 0.00002 * len(TEXT), abs=1e-6)
    assert "solar" in answer["result"].lower()
    assert "cat" not in answer["result"]
    assert "rained" not in answer["result"]
    assert len(answer["result"].split()) <= 40


@given(text=st.one_of(prose, any_text), max_words=st.integers(min_value=1, max_value=60))
def test_a_summary_fits_and_says_something(text: str, max_words: int) -> None:
    summary = summarize(text, max_words)
    assert summary.strip()
    assert count_words(summary) <= max_words
    if count_words(text) > max_words:
        assert count_words(summary) < count_words(text)


@given(text=prose)
def test_a_summary_keeps_whole_sentences_in_their_order(text: str) -> None:
    original = split_sentences(text)
    summary = summarize(text, 10_000)
    in_order = "".join(f"(?:{re.escape(sentence)} )?" for sentence in original)
    assert re.fullmatch(in_order, summary + " ")
    if len(original) > 1:
        assert count_words(summary) < count_words(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Der Kaffee kommt aus Äthiopien. Gestern war Montag. Wie macht man Kaffee?",
            "Der Kaffee kommt aus Äthiopien.",
        ),
        ("猫は動物です。今日は晴れです。猫は魚が好きな動物です。", "猫は動物です。"),
        ("Только одно предложение", "Только одно предложение"),
        ("one two three four five six seven eight nine ten eleven", "one two three four…"),
    ],
)
def test_other_languages_and_odd_texts(text: str, expected: str) -> None:
    summary = summarize(text, 4 if expected.endswith("…") else 9)
    assert summary == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("He paid 3.50 dollars. Fine.", ["He paid 3.50 dollars.", "Fine."]),
        (
            "Dr. Smith met J. Doe, e.g. at lunch. Good.",
            ["Dr. Smith met J. Doe, e.g. at lunch.", "Good."],
        ),
        ("It began in 1990. Then it grew.", ["It began in 1990.", "Then it grew."]),
        ("1. Solar energy is cheap. 2. Wind.", ["1. Solar energy is cheap.", "2. Wind."]),
        ("She said “stop.” He did.", ["She said “stop.”", "He did."]),
        ("A title\n\nA wrapped\nsentence.", ["A title", "A wrapped sentence."]),
        ("猫です。犬です\uff01", ["猫です。", "犬です\uff01"]),
        ("...", ["..."]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected
