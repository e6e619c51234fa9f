"""What went wrong at the API, as a sentence for the person, and whether asking again may help."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from chat_svc.orchestrator import Spoiled, Tokens, Trouble, TryLater

if TYPE_CHECKING:
    from anthropic import APIError, APIStatusError

DELAY_S = 5.0
"""Wait where the server does not say how long."""

SHORTEST_DELAY_S = 3.0
"""A server that says "at once" is asked no sooner than this."""

LONGEST_DELAY_S = 3600.0
REASON_CHARS = 300

_PASSING = {
    "rate_limit_error": "Claude has had too many requests for now",
    "overloaded_error": "Claude is overloaded at the moment",
    "timeout_error": "Claude took too long",
    "api_error": "Claude has an internal error",
}
_LASTING = {
    "authentication_error": "Claude does not accept the API key that is configured",
    "permission_error": "The API key that is configured may not use this Claude model",
    "billing_error": "The Claude account that is configured cannot pay",
    "not_found_error": "There is no Claude model {model!r}",
    "request_too_large": "This conversation is too large for Claude",
    "invalid_request_error": "Claude refused the request as invalid",
}
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "api_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_SERVER_ERRORS = 500


def from_api(error: APIError, model: str) -> Trouble | TryLater:
    """What an error of the library means for the turn."""
    from anthropic import APIStatusError, APITimeoutError  # noqa: PLC0415 - see Claude.__init__

    if isinstance(error, APIStatusError):
        return _from_status(error, model)
    if isinstance(error, APITimeoutError):
        return too_slow()
    return cut_connection()


def too_slow() -> TryLater:
    """No answer, or no end of it, in time."""
    return TryLater("Claude did not answer in time.", DELAY_S)


def cut_connection() -> TryLater:
    """No connection, or one that broke off before the end."""
    return TryLater("The connection to Claude failed.", DELAY_S)


def cut_off(tokens: Tokens | None) -> Spoiled:
    """An answer that stopped in the middle."""
    return Spoiled("Claude's answer broke off.", tokens)


def unreadable(tokens: Tokens | None) -> Spoiled:
    """An answer that makes no sense; the next one may."""
    return Spoiled("Claude's answer could not be read.", tokens)


def refused(why: object, tokens: Tokens | None) -> Trouble:
    """Claude, or what watches over it, does not want to answer."""
    reason = f" ({_short(why)})" if why else ""
    return Trouble(f"Claude declined to answer this{reason}.", tokens)


def _from_status(error: APIStatusError, model: str) -> Trouble | TryLater:
    """By the error's type first: in the middle of a stream the status is still 200."""
    status = error.status_code
    fallback = "api_error" if status >= _SERVER_ERRORS else "invalid_request_error"
    told = error.type if isinstance(error.type, str) else None
    kind = told or _TYPES.get(status, fallback)
    # The server's own word on asking again: a spending limit is a 429 that does not pass.
    hopeless = error.response.headers.get("x-should-retry") == "false"
    if kind in _PASSING and not hopeless:
        delay = retry_after(error.response.headers, time.time())
        wait_s = DELAY_S if delay is None else max(delay, SHORTEST_DELAY_S)
        return TryLater(f"{_PASSING[kind]}.", wait_s)
    what = _LASTING.get(kind) or _PASSING.get(kind) or "Claude answered with an error"
    reason = _short(error.api_message)
    return Trouble(what.format(model=model) + (f": {reason}" if reason else ".") + _id(error))


def retry_after(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds that the server asks to be left alone for; None when it does not say.

    Args:
        headers: of the response, lower case or of a kind that does not care.
        now_s: seconds since the epoch.
    """
    try:
        if exact := headers.get("retry-after-ms"):
            delay = float(exact) / 1000
        elif text := headers.get("retry-after"):
            delay = (
                float(text)
                if text.strip().replace(".", "", 1).isdigit()
                else parsedate_to_datetime(text).timestamp() - now_s
            )
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return min(max(delay, 0.0), LONGEST_DELAY_S) if math.isfinite(delay) else None


def _short(text: object) -> str:
    line = " ".join(str(text or "").split())
    return line if len(line) <= REASON_CHARS else f"{line[:REASON_CHARS]}..."


def _id(error: APIStatusError) -> str:
    """The request's id, by which the provider finds it."""
    return f" (request {error.request_id})" if error.request_id else ""
