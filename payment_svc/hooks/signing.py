"""Secrets of webhooks: made up, kept encrypted, and used as the Standard Webhooks scheme says."""

import base64
import hashlib
import secrets
from datetime import UTC, datetime

from cryptography.fernet import Fernet, InvalidToken
from standardwebhooks import Webhook

SECRET_BYTES = 32
PREFIX = "whsec_"


class WrongKey(Exception):
    """A secret was encrypted with another WEBHOOK_KEY."""


class Sealed:
    """Encrypts secrets with a key that the database does not have."""

    def __init__(self, key: str) -> None:
        """Take any text as the key; it should be as long as a password that nobody types."""
        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))

    def close(self, secret: str) -> str:
        """The secret as it is stored."""
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, stored: str) -> str:
        """The secret that was stored.

        Raises:
            WrongKey: it was stored with another key.
        """
        try:
            return self._fernet.decrypt(stored.encode()).decode()
        except InvalidToken:
            raise WrongKey from None


def new_secret() -> str:
    """A fresh secret, in the form of the scheme."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(secret: str, event_id: str, body: str, now: datetime | None = None) -> dict[str, str]:
    """The headers of a message, by which its receiver knows that it is ours, and of now.

    Args:
        secret: of the webhook.
        event_id: the same for every try, so that a receiver counts the event once.
        body: as it is sent.
        now: when, in UTC: the library takes any other time for one in UTC.
    """
    at = now or datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": "AgentBazaar-Webhooks/1",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, at, body),
    }
