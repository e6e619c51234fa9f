"""Agents to plan with: the six that the marketplace starts with, and some newcomers."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from chat_svc.planner import Candidate

TEXT = {"type": "string"}


def schema(required: str, **properties: object) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [required],
        "properties": {required: TEXT, **properties},
    }


def agent(
    id_: str,
    name: str,
    description: str,
    skills: str,
    price: str,
    input_schema: Mapping[str, Any] | None = None,
    capabilities: str = "",
    *,
    negotiable: bool = False,
) -> Candidate:
    return Candidate(
        id=id_,
        name=name,
        description=description,
        skills=tuple(skills.split()),
        capabilities=tuple(capabilities.split()),
        base_price=Decimal(price),
        dynamic_price=Decimal(price),
        load=0,
        rating=Decimal("4.5"),
        available=True,
        input_schema=input_schema,
        negotiable=negotiable,
    )


SUMMARIZER = agent(
    "summarizer",
    "Summarizer Agent",
    "Condenses a text to its most telling sentences.",
    "summarize analyze condense",
    "0.05",
    schema("text", max_length={"type": "integer", "default": 100, "minimum": 1, "maximum": 2000}),
    capabilities="text_processing",
)
TRANSLATOR = agent(
    "translator",
    "Translator Agent",
    "Translates a text into another language.",
    "translate language_detection localization",
    "0.10",
    schema(
        "text",
        target_language={"type": "string", "default": "es"},
        source_language={"type": "string", "default": "auto"},
    ),
)
SEARCH = agent(
    "search",
    "Search Agent",
    "Finds sources on a question and lists them with their telling parts.",
    "search research synthesis citation",
    "0.08",
    schema("query", num_results={"type": "integer", "default": 5, "minimum": 1, "maximum": 20}),
)
BUSY = agent(
    "mock_busy",
    "Busy Agent",
    "A general helper that is nearly always overloaded; for trying retries.",
    "general",
    "0.12",
    schema("task"),
)
PREMIUM = agent(
    "mock_highprice",
    "High Price Agent",
    "Premium work at a premium price, which can be negotiated.",
    "premium",
    "0.85",
    schema("task", negotiated_price={"type": "number"}),
    capabilities="negotiable",
    negotiable=True,
)
NEGOTIATOR = agent(
    "mock_negotiator",
    "Negotiator Agent",
    "Settles its price before the work, round by round.",
    "negotiable",
    "0.60",
    schema("task", offered_price={"type": "number"}),
    negotiable=True,
)
SIX = (SUMMARIZER, TRANSLATOR, SEARCH, BUSY, PREMIUM, NEGOTIATOR)

HAIKU = agent("basho", "Haiku Poet", "Writes haiku", "haiku poetry", "0.03")
PAINTER = agent(
    "vincent", "Painter", "Makes pictures.", "painting image_generation", "0.40", schema("prompt")
)
CONTRACTS = agent(
    "lex",
    "Contract Checker",
    "Finds risky clauses.",
    "contract_review legal",
    "0.30",
    schema("document"),
)
CODER = agent(
    "coder",
    "Code Helper",
    "Helps with programs.",
    "codeReview debugging",
    "0.20",
    schema("prompt"),
    capabilities="python",
)
WEATHER = agent("wx", "Forecaster", "Forecasts.", "weather", "0.01", schema("query"))
ASTROLOGER = agent("stars", "Stargazer", "Draws up horoscopes for you.", "astrology", "0.07")
CHEAP_TRANSLATOR = agent(
    "cheap",
    "Cheap Translator",
    "Translates four languages.",
    "translate",
    "0.02",
    schema("input", lang={"type": "string", "enum": ["en", "de", "fr", "pt"]}),
)
HUMAN_TRANSLATORS = agent("desk", "Human Translation Desk", "People.", "translate", "2.00")
FREE_TRANSLATOR = replace(
    agent("free", "Free Translator", "Sometimes there.", "translate", "0.00"), available=False
)
MANY = (
    *SIX,
    HAIKU,
    PAINTER,
    CONTRACTS,
    CODER,
    WEATHER,
    ASTROLOGER,
    CHEAP_TRANSLATOR,
    HUMAN_TRANSLATORS,
    FREE_TRANSLATOR,
)


def away(agents: tuple[Candidate, ...], *ids: str) -> tuple[Candidate, ...]:
    """The same agents, some of them not available."""
    return tuple(replace(one, available=one.available and one.id not in ids) for one in agents)
