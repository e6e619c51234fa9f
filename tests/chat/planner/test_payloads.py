"""Payloads made by the schema that an agent publishes."""

from typing import Any

import pytest

from chat_svc.planner import Candidate, payload_for, text_in
from tests.chat.planner.market import (
    BUSY,
    CHEAP_TRANSLATOR,
    CONTRACTS,
    HAIKU,
    SEARCH,
    SUMMARIZER,
    TEXT,
    TRANSLATOR,
    agent,
    schema,
)

REF = {"$result": 0}


def taking(input_schema: Any) -> Candidate:
    return agent("x", "X", "", "translate", "0.1", input_schema)


def test_standard_agents_get_their_own_fields() -> None:
    options = {"target_language": "fr", "max_length": 50, "num_results": 3}
    assert payload_for(TRANSLATOR, "translate", "hi", options) == {
        "text": "hi",
        "target_language": "fr",
    }
    assert payload_for(SUMMARIZER, "summarize", "hi", options) == {"text": "hi", "max_length": 50}
    assert payload_for(SEARCH, "search", "hi", options) == {"query": "hi", "num_results": 3}


def test_without_a_schema_everything_is_sent() -> None:
    assert payload_for(HAIKU, "haiku", "hi", {"max_length": 5}) == {
        "text": "hi",
        "query": "hi",
        "task": "hi",
        "max_length": 5,
    }


@pytest.mark.parametrize(
    "input_schema",
    [{}, {"properties": {}}, {"properties": 7}, {"properties": {"n": {"type": "integer"}}}],
)
def test_a_schema_that_tells_nothing_is_as_good_as_none(input_schema: dict[str, Any]) -> None:
    assert payload_for(taking(input_schema), "x", "hi", {})["text"] == "hi"


def test_an_earlier_result_stands_in_the_text_field() -> None:
    assert payload_for(TRANSLATOR, "translate", REF, {"target_language": "fr"}) == {
        "text": REF,
        "target_language": "fr",
    }
    assert payload_for(BUSY, "general", REF, {}) == {"task": REF}


@pytest.mark.parametrize(
    ("input_schema", "field"),
    [
        (schema("document"), "document"),
        (schema("zeta", text=TEXT), "zeta"),
        ({"properties": {"language": TEXT, "prompt": TEXT}}, "prompt"),
        ({"properties": {"a": TEXT, "query": TEXT}, "required": ["a", "query"]}, "query"),
        ({"properties": {"a": TEXT, "b": TEXT}, "required": ["a", "b"]}, "a"),
        ({"properties": {"mode": {"type": "string", "enum": ["x"]}, "body": TEXT}}, "body"),
        ({"properties": {"body": {"anyOf": [TEXT, {"type": "null"}]}}}, "body"),
        ({"properties": {"body": {"type": ["string", "null"]}}}, "body"),
    ],
)
def test_the_text_goes_into_the_required_string(input_schema: dict[str, Any], field: str) -> None:
    assert payload_for(taking(input_schema), "haiku", "hi", {}) == {field: "hi"}


@pytest.mark.parametrize(
    ("choices", "sent"),
    [
        (["en", "pt"], "pt"),
        (["pt-BR", "pt"], "pt-BR"),
        (["English", "Portuguese"], "Portuguese"),
        (["english", "brazilian portuguese"], "brazilian portuguese"),
        (["xx"], "pt-BR"),
    ],
)
def test_languages_are_spelt_as_the_agent_wants(choices: list[str], sent: str) -> None:
    there = taking(schema("text", language={"type": "string", "enum": choices}))
    assert payload_for(there, "translate", "hi", {"target_language": "pt-BR"})["language"] == sent


def test_numbers_are_kept_within_the_schema() -> None:
    assert payload_for(SEARCH, "search", "x", {"num_results": 999})["num_results"] == 20
    assert payload_for(SEARCH, "search", "x", {"num_results": 0})["num_results"] == 1


def test_another_agent_taking_over_gets_its_own_payload() -> None:
    options = {"target_language": "fr"}
    assert payload_for(CHEAP_TRANSLATOR, "translate", "hi", options) == {
        "input": "hi",
        "lang": "fr",
    }
    told = taking(schema("task"))
    assert payload_for(told, "translate", "hi", options) == {"task": "Translate into French: hi"}
    assert payload_for(told, "summarize", "hi", {"max_length": 9}) == {
        "task": "Summarize in at most 9 words: hi"
    }
    assert payload_for(CONTRACTS, "legal", "hi", options) == {"document": "hi"}


def test_a_field_that_is_called_like_a_reference_is_never_filled() -> None:
    odd = schema("$result", note=TEXT)
    assert payload_for(taking(odd), "haiku", "s0", {}) == {"note": "s0"}
    assert payload_for(taking(schema("$result")), "haiku", "s0", {}) == {
        "text": "s0",
        "query": "s0",
        "task": "s0",
    }


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"text": "hi", "target_language": "fr"}, "hi"),
        ({"query": REF}, REF),
        ({"task": "Translate into French: hi"}, None),
        ({"document": "hi"}, None),
        ({"text": 5}, None),
    ],
)
def test_the_text_of_a_payload_is_found_where_it_stands_alone(
    payload: dict[str, Any], text: str | None
) -> None:
    assert text_in(payload) == text
