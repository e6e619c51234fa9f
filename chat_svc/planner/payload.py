"""Makes the JSON that an agent's /execute is sent, by the schema that the agent publishes."""

from collections.abc import Mapping
from typing import Any

from chat_svc.planner.forms import data
from chat_svc.planner.languages import english_name
from chat_svc.planner.match import family_of
from chat_svc.planner.model import RESULT_KEY, Candidate, Text
from chat_svc.planner.wish import Style

_TEXT_FIELDS = ("text", "query", "task", "prompt", "input")
_INSTRUCTION_FIELDS = frozenset({"task", "prompt", "instruction", "instructions", "request"})
_WITHOUT_SCHEMA = ("text", "query", "task")
# What agents call the options; the first that an agent's schema has is used.
_OPTION_FIELDS = {name: one.split() for name, one in data("sets")["options"].items()}
_LANGUAGE_OPTIONS = ("target_language", "source_language")
_ALL_OPTION_FIELDS = frozenset(name for names in _OPTION_FIELDS.values() for name in names)


def _properties(agent: Candidate) -> Mapping[str, Any]:
    schema = agent.input_schema
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping):
        return {}
    # A field of that name would make what a person typed look like a reference.
    return {name: what for name, what in properties.items() if name != RESULT_KEY}


def _takes_text(definition: object) -> bool:
    if not isinstance(definition, Mapping):
        return False
    kind = definition.get("type")
    if kind == "string" or (isinstance(kind, list) and "string" in kind):
        return "enum" not in definition
    choices = definition.get("anyOf")
    return isinstance(choices, list) and any(map(_takes_text, choices))


def text_field(agent: Candidate) -> str | None:
    """The field of the agent's payload that the text goes into, None when no schema tells."""
    properties = _properties(agent)
    schema = agent.input_schema or {}
    required = schema.get("required")
    required = required if isinstance(required, list) else []
    strings = [name for name, what in properties.items() if _takes_text(what)]
    needed = [name for name in strings if name in required]
    for names in (needed, strings):
        preferred = next((name for name in _TEXT_FIELDS if name in names), None)
        own = (name for name in names if name not in _ALL_OPTION_FIELDS)
        field = preferred or next(own, None)
        if field:
            return field
    return None


def text_in(payload: Mapping[str, Any]) -> Text | None:
    """The text that a payload holds as it was given; None when it may be part of an instruction."""
    plain = (name for name in _TEXT_FIELDS if name not in _INSTRUCTION_FIELDS)
    found = next((payload[name] for name in plain if name in payload), None)
    return found if isinstance(found, str | Mapping) else None


def takes_instructions(agent: Candidate) -> bool:
    """Whether the agent is told in words what to do, and not just given a text or a subject."""
    field = text_field(agent)
    return field is None or field in _INSTRUCTION_FIELDS


def takes_language(agent: Candidate, tag: str) -> bool:
    """Whether the agent's schema lets it translate into a language; it may not limit that."""
    properties = _properties(agent)
    for name in _OPTION_FIELDS["target_language"]:
        definition = properties.get(name)
        choices = definition.get("enum") if isinstance(definition, Mapping) else None
        if isinstance(choices, list):
            return _as_offered(tag, choices) in choices
    return True


def _as_offered(value: str, choices: list[Any]) -> Any:
    """A language tag as one of the values that an agent takes: "pt-BR", "pt", "Portuguese"."""
    base = value.split("-", maxsplit=1)[0]
    spellings = (value, base, english_name(value), english_name(base))
    for spelling in spellings:
        for choice in choices:
            if str(choice).casefold() == spelling.casefold():
                return choice
    return value


def _fit(option: str, value: Any, definition: object) -> Any:
    """`value` within what the schema allows."""
    if not isinstance(definition, Mapping):
        return value
    if option in _LANGUAGE_OPTIONS:
        choices = definition.get("enum")
        return _as_offered(str(value), choices) if isinstance(choices, list) else value
    lowest, highest = definition.get("minimum"), definition.get("maximum")
    value = min(value, highest) if isinstance(highest, int) else value
    return max(value, lowest) if isinstance(lowest, int) else value


def _instruction(skill: str, text: str, options: Mapping[str, Any]) -> str:
    """The words that tell an agent without a field for it what to do with the text."""
    family = family_of(skill)
    if family.style is Style.REQUEST:
        return text
    goal = options.get("target_language")
    into = f" into {english_name(str(goal))}" if goal and family.targeted else ""
    length = options.get("max_length")
    limit = f" in at most {length} words" if length else ""
    return f"{family.name.capitalize()}{into}{limit}: {text}"


def payload_for(
    agent: Candidate, skill: str, text: Text, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The payload of one call of `agent`.

    Args:
        agent: whom it is for; the step's first choice, or another that takes over.
        skill: the skill word of the step.
        text: words, or `{"$result": ...}` for an earlier step's result.
        options: `target_language` and `source_language` as language tags, `max_length` in
            words, `num_results`; an agent gets those that its schema has a field for, within
            its limits, and all of them when it has no schema.

    Returns:
        Plain JSON.
    """
    value = text if isinstance(text, str) else dict(text)
    field = text_field(agent)
    if field is None:
        return dict.fromkeys(_WITHOUT_SCHEMA, value) | dict(options)
    properties = _properties(agent)
    payload: dict[str, Any] = {}
    for option, given in options.items():
        names = _OPTION_FIELDS.get(option, (option,))
        name = next((name for name in names if name in properties and name != field), None)
        if name is not None:
            payload[name] = _fit(option, given, properties[name])
    if isinstance(value, str) and field in _INSTRUCTION_FIELDS:
        value = _instruction(skill, value, options)
    return {field: value} | payload
