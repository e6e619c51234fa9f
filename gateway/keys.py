"""API keys: how they look, what is kept of them, and whose a presented one is.

A key is `bzr_<id>_<secret>`. The bucket API_KEYS keeps, under the id, a hash of the whole key with
its account and scopes. The secret has 256 random bits, so a plain SHA-256 cannot be guessed back.
"""

import asyncio
import hmac
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError
from pydantic import Field, ValidationError

from contracts.base import Id, Model, Moment
from contracts.errors import Unavailable
from contracts.topology import API_KEYS
from gateway import remembering
from gateway.buckets import bucket
from gateway.identity import Expired, Identity, Over, Scope, Unknown
from gateway.link import Link
from gateway.remembering import Memory, id_in

log = structlog.get_logger()

TOKEN = re.compile(r"bzr_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
CHANGES = f"$KV.{API_KEYS.name}.*"
"""Where changes of keys are heard."""
WRONG = "This API key is not known."


class ApiKey(Model):
    """What is kept of a key.

    Attributes:
        hash: SHA-256 of the whole key, in hex.
        note: whose it is, in words.
        expires_at: from then on it is as good as none.
    """

    account: Id
    scopes: frozenset[Scope]
    hash: str
    note: str = Field(default="", max_length=200)
    created_at: Moment
    expires_at: Moment | None = None


def new_key(
    account: str, scopes: frozenset[Scope], note: str = "", expires_at: datetime | None = None
) -> tuple[str, str, ApiKey]:
    """A fresh key: its id, the key itself (to be shown once), and what is kept of it."""
    id_ = secrets.token_hex(8)
    token = f"bzr_{id_}_{secrets.token_urlsafe(32)}"
    kept = ApiKey(
        account=account,
        scopes=scopes,
        hash=_hash(token),
        note=note,
        created_at=datetime.now(UTC),
        expires_at=expires_at,
    )
    return id_, token, kept


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


class KeyRing:
    """Tells whose a key is; every replica hears at once when one is made or revoked."""

    def __init__(self, link: Link, now: Callable[[], float] = time.monotonic) -> None:
        """Look keys up over `link`."""
        self._link = link
        self._memory: Memory[ApiKey] = Memory(now)
        self._changes = 0
        self._watched: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def identify(self, token: str) -> Identity:
        """Whose key this is.

        Raises:
            Unknown: nobody's, or it is revoked or over.
            Unavailable: that cannot be looked up now.
        """
        id_ = id_in(token, TOKEN, WRONG)
        return self._identity(token, id_, await self._find(id_))

    def known(self, token: str) -> Identity | None:
        """The same without asking anybody; None when it is not remembered. Raises `Unknown`."""
        id_ = id_in(token, TOKEN, WRONG)
        found = self._memory.find(id_)
        return self._identity(token, id_, found.value) if found else None

    def _identity(self, token: str, id_: str, key: ApiKey | None) -> Identity:
        if key is None or not hmac.compare_digest(key.hash, _hash(token)):
            raise Unknown(WRONG)
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise Expired("This API key has expired.")
        over = partial(self._over, token, id_)
        return Identity(key.account, frozenset(key.scopes), over=over)

    async def heard(self, message: Msg) -> None:
        """Forget the key that a change is about."""
        self._changes += 1
        id_ = message.subject.rpartition(".")[2]
        self._memory.forget(id_)
        for change in self._watched.get(id_, ()):
            change.set()

    async def _over(self, token: str, id_: str, wanted: Scope) -> Over:
        """Wait until a key no longer has a scope.

        Looks at it when a change is heard, and every now and then in case one was not.
        """
        with self._watching(id_) as change:
            while True:
                change.clear()
                try:
                    if wanted not in (await self.identify(token)).scopes:
                        return "revoked"
                except Expired:
                    return "expired"
                except Unknown:
                    return "revoked"
                except Unavailable:
                    pass  # That says nothing about the key; no event comes meanwhile.
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._next_look(id_)):
                        await change.wait()

    def _next_look(self, id_: str) -> float:
        found = self._memory.find(id_)
        if found is None or found.value is None or found.value.expires_at is None:
            return remembering.REMEMBERED_S
        left = (found.value.expires_at - datetime.now(UTC)).total_seconds()
        return min(remembering.REMEMBERED_S, max(left, 0))

    @contextmanager
    def _watching(self, id_: str) -> Iterator[asyncio.Event]:
        change = asyncio.Event()
        self._watched[id_].add(change)
        try:
            yield change
        finally:
            self._watched[id_].discard(change)
            if not self._watched[id_]:
                del self._watched[id_]

    async def _find(self, id_: str) -> ApiKey | None:
        if (found := self._memory.find(id_)) is not None:
            return found.value
        changes, asked_at = self._changes, self._memory.now()
        key = await self._look_up(id_)
        if changes == self._changes:  # An answer from before a change is not remembered.
            self._memory.keep(id_, key, asked_at)
        return key

    async def _look_up(self, id_: str) -> ApiKey | None:
        try:
            entry = await bucket(self._link.client, API_KEYS).get(id_)
            return ApiKey.model_validate_json(entry.value or b"")
        except KeyNotFoundError:
            return None
        except ValidationError:
            log.error("an API key of another shape is kept", key=id_)
            return None
        except (NatsError, TimeoutError, OSError):
            raise Unavailable("API keys cannot be looked up now.") from None
