"""The six agents that the marketplace starts with."""

from dataclasses import dataclass, field
from decimal import Decimal

from contracts.registry import Billing


@dataclass(frozen=True, slots=True)
class Seed:
    """A listing that is there from the first start; `base_price` in BazaarBucks.

    How it bills is what `agents/` bills, and binds it.
    """

    id: str
    name: str
    description: str
    skills: tuple[str, ...]
    capabilities: tuple[str, ...]
    base_price: Decimal
    billing: Billing = field(default_factory=Billing)


SEEDS = (
    Seed(
        "summarizer",
        "Summarizer Agent",
        "Condenses a text to its most telling sentences, in any language.",
        ("summarize", "analyze", "condense"),
        ("Text summarization", "Summaries of a given length"),
        Decimal("0.05"),
        Billing(mode="by_size", per_thousand=Decimal("0.02")),
    ),
    Seed(
        "translator",
        "Translator Agent",
        "Translates a text from one language into another.",
        ("translate", "language_detection", "localization"),
        ("Text translation", "Detection of the source language"),
        Decimal("0.10"),
        Billing(mode="by_size", per_thousand=Decimal("0.05")),
    ),
    Seed(
        "search",
        "Search Agent",
        "Searches for a topic and reports what it found, with its sources.",
        ("search", "research", "synthesis", "citation"),
        ("Search", "Source citations"),
        Decimal("0.08"),
        Billing(purchases=Decimal("0.01"), purchases_of="num_results", purchases_default=5),
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
