"""`Idempotency-Key`: a request that is sent again is answered again, and not carried out again.

What became of a key is kept for a day in the bucket IDEMPOTENCY, so at every gateway. A key is
claimed by a compare-and-set before the request is carried out. The ids of what a request makes
are derived from its key, so that carrying it out again after an unknown outcome makes nothing new;
they are keyed with a secret, so that nobody can tell what somebody else's will be.

Gateways of release 0.2 know no secret. Beside one of them, a key counts as the first to see it has
it: what such a gateway began goes on with the ids that it derived, and what is begun here is marked
where it looks, so that it answers 409. The release after this one drops that.
"""

import asyncio
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.base import Model, Moment
from contracts.errors import Conflict, Refusal, Unavailable
from contracts.topology import IDEMPOTENCY
from gateway.auth import guarded
from gateway.buckets import bucket
from gateway.errors import problem
from gateway.link import Link

log = structlog.get_logger()

KEY = re.compile(r"[!-~]{1,200}")
REPLAYED = "Idempotency-Replayed"
KEEP_S, KEEP_AGAIN_S = 3.0, 0.2
"""How long, and after which rests, it is tried to write what came of a request."""
KEPT_BYTES = 1024 * 1024
"""A larger answer is not kept; the request is carried out again, with the same ids."""
NOT_FINAL = frozenset({408, 425, 429})
NO_SECRET = b"there is one account, and all who come are its own"
"""Without authentication; whoever could guess an id may read it anyway."""
FOR_GOOD = timedelta(days=7)
"""Longer than anything is kept."""


class Kept(Model):
    """What is known of a key.

    Attributes:
        state: running; done, with the answer; open: what came of it is unknown, try again.
        body_hash: of the request's body; the key stands for no other.
        ids: how the ids that follow from the key are derived; of release 0.2 when it is missing.
    """

    state: Literal["running", "done", "open"]
    body_hash: str
    begun_at: Moment
    status: int = 0
    media_type: str = ""
    body: str = ""
    ids: Literal["keyed"] | None = None


@dataclass(frozen=True, slots=True)
class Derived:
    """What follows from a key of an account at an address.

    Attributes:
        name: under which it is kept.
        effect: the id of what the request makes.
    """

    name: str
    effect: str
    ids: Literal["keyed"] | None


def keyed(secret: bytes, asked: str) -> Derived:
    """What follows with the gateways' secret."""

    def digest(what: str) -> str:
        return hmac.digest(secret, f"{what}\n{asked}".encode(), "sha256").hex()

    return Derived(digest("name"), digest("effect")[:32], "keyed")


def unkeyed(asked: str) -> Derived:
    """What follows at a gateway of release 0.2."""
    name = sha256(asked.encode()).hexdigest()
    return Derived(name, sha256(f"effect {name}".encode()).hexdigest()[:32], None)


class Answered(Exception):
    """The request need not be carried out; `response` says why not, or what came of it before."""

    def __init__(self, status: int, text: str, kept: Kept | None = None) -> None:
        """An error with a sentence, or the answer that was kept."""
        super().__init__(text)
        self.status = status
        self.text = text
        self.kept = kept


def _busy() -> Answered:
    return Answered(409, "A request with this Idempotency-Key is still being carried out.")


class Idempotency:
    """ASGI middleware for POST requests with an `Idempotency-Key`; bodies come whole."""

    def __init__(
        self, app: ASGIApp, link: Link, account: str, running_s: float, secret: bytes | None
    ) -> None:
        """Carry out by `app`. A claim older than `running_s` is of a gateway that died."""
        self._app = app
        self._link = link
        self._account = account
        self._secret = secret or NO_SECRET
        self._running_s = running_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is kept, or carry out and keep the answer."""
        if scope["type"] != "http" or scope["method"] != "POST" or not guarded(scope["path"]):
            await self._app(scope, receive, send)
            return
        keys = Headers(scope=scope).getlist("idempotency-key")
        if not keys:
            await self._app(scope, receive, send)
            return
        if len(keys) > 1 or not KEY.fullmatch(keys[0]):
            text = "Idempotency-Key: 1 to 200 visible ASCII characters, once."
            await problem(422, text)(scope, receive, send)
            return
        first = await receive()
        claim = Kept(
            state="running",
            body_hash=sha256(first.get("body", b"")).hexdigest(),
            begun_at=datetime.now(UTC),
        )
        try:
            store = bucket(self._link.client, IDEMPOTENCY)
            derived = await self._derived(store, self._asked(scope, keys[0]), claim)
            claim = claim.model_copy(update={"ids": derived.ids})
            revision = await self._claim(store, derived.name, claim)
        except Answered as answered:
            await _say(answered, scope, receive, send)
            return
        except (Refusal, NatsError, TimeoutError, OSError):
            text = "The message bus is not reachable."
            await problem(Unavailable.code, text)(scope, receive, send)
            return
        name = derived.name
        scope.setdefault("state", {})["effect"] = derived.effect
        run = _Run(first, receive)
        try:
            await self._app(scope, run.receive, run.take)
        except Exception:
            await self._keep(store, name, claim.model_copy(update={"state": "open"}), revision)
            raise
        await self._keep(store, name, run.outcome(claim), revision)
        for message in run.messages:
            await send(message)

    def _asked(self, scope: Scope, key: str) -> str:
        identity = scope.get("state", {}).get("identity")
        account = identity.account if identity else self._account
        return "\n".join((account, scope["path"], key))

    async def _derived(self, store: KeyValue, asked: str, claim: Kept) -> Derived:
        """What follows from a key: as whoever saw it first has it."""
        old = unkeyed(asked)
        mark = claim.model_copy(update={"begun_at": claim.begun_at + FOR_GOOD, "ids": "keyed"})
        try:
            await store.create(old.name, mark.model_dump_json().encode())
        except KeyWrongLastSequenceError:
            try:
                entry = await store.get(old.name)
            except KeyNotFoundError:
                raise _busy() from None
            if Kept.model_validate_json(entry.value or b"").ids is None:
                return old
        return keyed(self._secret, asked)

    async def _claim(self, store: KeyValue, name: str, claim: Kept) -> int:
        """The revision by which the claim is held.

        Raises:
            Answered: it is somebody's, or was answered.
        """
        value = claim.model_dump_json().encode()
        try:
            return await store.create(name, value)
        except KeyWrongLastSequenceError:
            pass
        try:
            entry = await store.get(name)
            kept = Kept.model_validate_json(entry.value or b"")
            if kept.body_hash != claim.body_hash:
                raise Answered(422, "This Idempotency-Key was used with another body.")
            if kept.state == "done":
                raise Answered(kept.status, "", kept)
            age = claim.begun_at - kept.begun_at
            if kept.state == "running" and age < timedelta(seconds=self._running_s):
                raise _busy()
            return await store.update(name, value, last=entry.revision)
        except (KeyNotFoundError, KeyWrongLastSequenceError):
            raise _busy() from None

    async def _keep(self, store: KeyValue, name: str, kept: Kept, revision: int) -> None:
        """Write what came of a request; again and again for a while, if the bus was just away."""
        value = kept.model_dump_json().encode()
        until = asyncio.get_running_loop().time() + KEEP_S
        while True:
            try:
                await store.update(name, value, last=revision)
            except KeyWrongLastSequenceError:
                return  # Somebody else's by now, or written at a try whose answer was lost.
            except (NatsError, TimeoutError, OSError) as error:
                if asyncio.get_running_loop().time() < until:
                    await asyncio.sleep(KEEP_AGAIN_S)
                    continue
                # The claim stays and grows old; then the request may be sent again.
                log.warning("an answer could not be kept", error=repr(error)[:200])
            return


class _Run:
    """One request being carried out: its body given, its answer taken."""

    def __init__(self, first: Message, receive: Receive) -> None:
        self._first: Message | None = first
        self._receive = receive
        self._left = False
        self.messages: list[Message] = []

    async def receive(self) -> Message:
        if self._first is not None:
            message, self._first = self._first, None
            return message
        message = await self._receive()
        self._left = self._left or message["type"] == "http.disconnect"
        return message

    async def take(self, message: Message) -> None:
        self.messages.append(message)

    def outcome(self, claim: Kept) -> Kept:
        """What is to be kept: the answer when it is final, else that it is open.

        An answer to a caller who hung up may be none yet: whoever waited for a turn stopped.
        """
        status = self.messages[0]["status"] if self.messages else 500
        headers = Headers(raw=self.messages[0]["headers"]) if self.messages else Headers()
        body = b"".join(message.get("body", b"") for message in self.messages[1:])
        if status >= Refusal.code or status in NOT_FINAL or self._left or len(body) > KEPT_BYTES:
            return claim.model_copy(update={"state": "open"})
        return claim.model_copy(
            update={
                "state": "done",
                "status": status,
                "media_type": headers.get("content-type", ""),
                "body": body.decode(),
            }
        )


async def _say(answered: Answered, scope: Scope, receive: Receive, send: Send) -> None:
    if answered.kept is None:
        again = {"Retry-After": "1"} if answered.status == Conflict.code else None
        await problem(answered.status, answered.text, again)(scope, receive, send)
        return
    kept = answered.kept
    headers = {"content-type": kept.media_type, REPLAYED: "true"}
    await Response(kept.body, kept.status, headers)(scope, receive, send)
