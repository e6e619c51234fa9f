"""The six agents that the marketplace starts with."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Seed:
    """A listing that is there from the first start; `base_price` in BazaarBucks."""

    id: str
    name: str
    description: str
    skills: tuple[str, ...]
    capabilities: tuple[str, ...]
    base_price: Decimal


SEEDS = (
    Seed(
        "summarizer",
        "Summarizer Agent",
        "Condenses a text to its most telling sentences, in any language.",
        ("summarize", "analyze", "condense"),
        ("Text summarization", "Summaries of a given length"),
        Decimal("0.05"),
    ),
    Seed(
        "translator",
        "Translator Agent",
        "Translates a text from one language into another.",
        ("translate", "language_detection", "localization"),
        ("Text translation", "Detection of the source language"),
        Decimal("0.10"),
    ),
    Seed(
        "search",
        "Search Agent",
        "Searches for a topic and reports what it found, with its sources.",
        ("search", "research", "synthesis", "citation"),
        ("Search", "Source citations"),
        Decimal("0.08"),
    ),
    Seed(
        "mock_busy",
        "Busy Agent",
        "A general helper that is nearly always overloaded; for trying retries and surge prices.",
        ("general",),
        ("General tasks",),
        Decimal("0.12"),
    ),
    Seed(
        "mock_highprice",
        "Premium Agent",
        "Premium work at a premium price, which can be negotiated.",
        ("premium",),
        ("Premium tasks", "Negotiable price"),
        Decimal("0.85"),
    ),
    Seed(
        "mock_negotiator",
        "Negotiator Agent",
        "Settles its price before the work, round by round.",
        ("negotiable",),
        ("General tasks", "Price negotiation"),
        Decimal("0.60"),
    ),
)
