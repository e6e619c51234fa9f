"""Quotes that are sealed: all that was promised is in the quote's id, so nothing is stored.

Whoever has the secret can tell its own quotes from others, whichever replica made them and however
long ago. The seal covers the account, which is not in the id: another's quote is no quote.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256

from pydantic import ValidationError

from contracts.base import Model, Money
from contracts.errors import Conflict, NotFound
from contracts.quotes import QUOTE_ID

UNKNOWN = "There is no such quote."


class Sealed(Model):
    """What a quote promises; prices in BazaarBucks. The names are short, as they are in its id.

    Attributes:
        w: for the work.
        p: for purchases.
        b: the agent's base price when it was quoted.
        d: its price at the load of that moment.
        n: characters that the payload may have; None for any.
        k: purchases that the payload may ask for.
        x: when it expires, in seconds since 1970.
    """

    w: Money
    p: Money
    b: Money
    d: Money
    n: int | None = None
    k: int
    x: int

    @property
    def expires_at(self) -> datetime:
        """When it expires."""
        return datetime.fromtimestamp(self.x, UTC)


def seal(secret: bytes, account: str, agent_id: str, quote: Sealed) -> str:
    """The id of a quote for an account."""
    body = _text(quote.model_dump_json(exclude_none=True).encode())
    return f"{agent_id}.{body}.{_seal(secret, account, agent_id, body)}"


def unseal(secret: bytes, account: str, agent_id: str, quote_id: str, now: datetime) -> Sealed:
    """What was promised.

    Raises:
        NotFound: it is no quote of ours for this account.
        Conflict: it is of another agent, or has expired.
    """
    if QUOTE_ID.fullmatch(quote_id) is None:
        raise NotFound(UNKNOWN)
    quoted, body, seal_ = quote_id.split(".")
    if not hmac.compare_digest(_seal(secret, account, quoted, body), seal_):
        raise NotFound(UNKNOWN)
    try:
        found = Sealed.model_validate_json(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, ValidationError):  # Of a release that promises something else.
        raise NotFound(UNKNOWN) from None
    if quoted != agent_id:
        raise Conflict("The quote is of another agent.")
    if found.expires_at <= now:
        until = found.expires_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        raise Conflict(f"The quote expired at {until}; ask for another.")
    return found


def _seal(secret: bytes, account: str, agent_id: str, body: str) -> str:
    said = f"quote.{account}.{agent_id}.{body}".encode()
    return _text(hmac.digest(secret, said, sha256))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
