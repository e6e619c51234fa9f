"""Credentials that owners gave for their agents: kept encrypted, sent to their origin alone.

The key follows from a secret of this service's environment; without one no credential is kept.
"""

import base64
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from chassis.db.database import Database
from chassis.outbound import AddressRefused
from task_svc import store_credentials
from task_svc.signing import origin_of

log = structlog.get_logger()

SECRET_CHARS = 32
FRESH_S = 5.0
"""How long what was read of an agent holds; a change counts at every replica after that."""
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Credential:
    """A header that an agent wants to see, and the origin that it is for."""

    origin: str
    header: str
    value: str = field(repr=False)

    def headers(self, url: str) -> Mapping[str, str]:
        """The header, for a request to this URL; none for any other origin's."""
        try:
            return {self.header: self.value} if origin_of(url) == self.origin else {}
        except AddressRefused:
            return {}


class Safe:
    """Encrypts, and reads again what it has encrypted."""

    def __init__(self, secrets: str) -> None:
        """Take keys from a comma-separated text: the first encrypts, all read.

        Raises:
            ValueError: one of them is too short to be a secret.
        """
        keys = [one.strip() for one in secrets.split(",") if one.strip()]
        if any(len(key) < SECRET_CHARS for key in keys):
            raise ValueError(f"a secret has {SECRET_CHARS} random characters or more")
        self._keys = MultiFernet([Fernet(_key(key)) for key in keys]) if keys else None

    @classmethod
    def of(cls, secret: SecretStr | None) -> "Safe":
        """The safe of a setting. Raises like the constructor."""
        return cls("" if secret is None else secret.get_secret_value())

    @property
    def is_there(self) -> bool:
        """Whether there is a key."""
        return self._keys is not None

    def shut(self, agent_id: str, value: str) -> bytes:
        """A value as it is kept: with whose it is, so that nobody else's row opens it."""
        if self._keys is None:
            raise ValueError("there is no key")
        return self._keys.encrypt(f"{agent_id} {value}".encode())

    def open(self, agent_id: str, sealed: bytes) -> str | None:
        """The value; None when no key of these has shut it, or for another agent."""
        try:
            whose, _, value = (self._keys.decrypt(sealed) if self._keys else b"").partition(b" ")
        except InvalidToken:
            return None
        return value.decode() if whose.decode() == agent_id else None


def _key(secret: str) -> bytes:
    return base64.urlsafe_b64encode(
        hashlib.sha256(b"agentbazaar credentials\0" + secret.encode()).digest()
    )


class Credentials:
    """Those of this marketplace's agents, as this replica knows them."""

    def __init__(self, db: Database, safe: Safe) -> None:
        """Nothing was read yet."""
        self._db, self._safe = db, safe
        self._known: dict[str, tuple[float, Credential | None]] = {}

    async def of(self, agent_id: str) -> Credential | None:
        """What is to be sent with calls of an agent, if there is anything."""
        if not self._safe.is_there:
            return None
        now = time.monotonic()
        known = self._known.get(agent_id)
        if known is not None and now - known[0] < FRESH_S:
            return known[1]
        async with self._db.transaction() as tx:
            row = await store_credentials.find(tx.conn, agent_id)
        found = None
        if row is not None:
            value = self._safe.open(agent_id, row.sealed)
            if value is None:
                log.warning("a credential cannot be read: its key is gone", agent_id=agent_id)
            else:
                found = Credential(row.origin, row.header, value)
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[agent_id] = now, found
        return found

    def forget(self, agent_id: str) -> None:
        """Read it again the next time."""
        self._known.pop(agent_id, None)
