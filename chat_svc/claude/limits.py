"""How much Claude is told and may say, in tokens and seconds."""

from dataclasses import dataclass

BYTES_PER_TOKEN = 3
"""A cautious guess for any language: English has about four bytes to a token, Chinese three."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one request; tokens are estimated from bytes, on the high side.

    Attributes:
        output_tokens: that Claude may write in one move; what is longer is cut off.
        history_tokens: of earlier turns, together.
        message_tokens: of one message of a person or of the assistant.
        result_tokens: of one tool result.
        request_tokens: of all that is sent; results of the turn are cut further to keep to it.
        move_s: seconds from the request to the last word of the answer.
        silence_s: seconds without a byte after which the connection counts as dead.
    """

    output_tokens: int = 16_000
    history_tokens: int = 30_000
    message_tokens: int = 40_000
    result_tokens: int = 10_000
    request_tokens: int = 150_000
    move_s: float = 180.0
    silence_s: float = 60.0


def estimate(text: str) -> int:
    """Tokens that a text has at most, or nearly so."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def cut(text: str, tokens: int) -> str:
    """The text, without its middle when it has more tokens; a note says how much is missing."""
    if estimate(text) <= tokens:
        return text
    size = len(text.encode("utf-8", "surrogatepass"))
    kept = min(tokens * BYTES_PER_TOKEN * len(text) // size, len(text) - 1)
    tail = kept // 3
    head = kept - tail
    missing = len(text) - kept
    return f"{text[:head]}\n[... {missing} characters left out ...]\n{text[-tail:] if tail else ''}"
