"""What the chat service has Prometheus know: what a language model was asked, and its tokens."""

from collections.abc import Awaitable

from prometheus_client import Counter

from chat_svc.orchestrator import Move, Spoiled, Tokens, Trouble, TryLater

OUTCOMES = ("answered", "spoiled", "trouble", "later", "given_up")
REQUESTS = Counter(
    "bazaar_llm_requests",
    f"Requests to a language model, by what came of them: {', '.join(OUTCOMES)}",
    ["model", "outcome"],
)
TOKENS = Counter(
    "bazaar_llm_tokens",
    "Tokens of a language model: input (not from its cache), cached, output",
    ["model", "kind"],
)


def start_counting(model: str) -> None:
    """Show a model's requests from the first moment: alerts need the zero."""
    for outcome in OUTCOMES:
        REQUESTS.labels(model, outcome)


async def counted(model: str, asked: Awaitable[Move]) -> Move:
    """The move that is awaited, counted with its tokens, also when it comes to nothing.

    Args:
        model: which is asked; tokens are counted for the one that says it answered.
        asked: raises as `Orchestrator.move` does.
    """
    outcome, tokens = "given_up", None
    try:
        move = await asked
        outcome, tokens = "answered", move.tokens
    except Spoiled as spoiled:
        outcome, tokens = "spoiled", spoiled.tokens
        raise
    except Trouble as trouble:
        outcome, tokens = "trouble", trouble.tokens
        raise
    except TryLater:
        outcome = "later"
        raise
    finally:
        REQUESTS.labels(model, outcome).inc()
        if tokens:
            _count(tokens)
    return move


def _count(tokens: Tokens) -> None:
    TOKENS.labels(tokens.model, "input").inc(tokens.input - tokens.cached)
    TOKENS.labels(tokens.model, "cached").inc(tokens.cached)
    TOKENS.labels(tokens.model, "output").inc(tokens.output)
