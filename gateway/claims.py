"""Who carries out the request of an `Idempotency-Key`, and what came of it.

What became of a key is kept for a day in the bucket IDEMPOTENCY, so at every gateway. A request is
carried out by whoever holds the claim of its key: taken by a compare-and-set, shown to be alive
every `BEAT_S`, and free for the next when that was not shown for `FREE_AFTER_S`. Clocks of gateways
that are further apart than that cost nothing but work: what is made has the same ids.

Gateways of release 0.2 know no secret and show no life. Beside one of them, a key counts as the
first to see it has it: what such a gateway began goes on with the ids that it derived, and what is
begun here is marked where it looks, so that it answers 409. The release after this one drops that.
"""

import asyncio
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from chassis.bus.envelopes import new_id
from contracts.base import Model, Moment
from contracts.topology import IDEMPOTENCY
from gateway.buckets import bucket
from gateway.link import Link

log = structlog.get_logger()

BEAT_S, FREE_AFTER_S = 1.0, 4.0
OLD_CLAIM_S = 120.0
"""A claim of release 0.2 that is older is of a gateway that died."""
KEEP_S, KEEP_AGAIN_S = 3.0, 0.2
"""How long, and after which rests, it is tried to write what came of a request."""
NO_SECRET = b"there is one account, and all who come are its own"
"""Without authentication; whoever could guess an id may read it anyway."""
FOR_GOOD = timedelta(days=7)
"""Longer than anything is kept."""


class Kept(Model):
    """What is known of a key.

    Attributes:
        state: running; done, with the answer; open: it may be carried out again.
        body_hash: of the request's body; the key stands for no other.
        ids: how the ids that follow from the key are derived; of release 0.2 when it is missing.
        holder: whose claim it is, a new id for each.
        alive_at: when its holder last showed that it lives; None in release 0.2.
    """

    state: Literal["running", "done", "open"]
    body_hash: str
    begun_at: Moment
    status: int = 0
    media_type: str = ""
    body: str = ""
    ids: Literal["keyed"] | None = None
    holder: str = ""
    alive_at: Moment | None = None

    def abandoned(self, now: datetime) -> bool:
        """Whether a claim is of a gateway that died."""
        if self.alive_at is None:
            return now - self.begun_at >= timedelta(seconds=OLD_CLAIM_S)
        return now - self.alive_at >= timedelta(seconds=FREE_AFTER_S)


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


class Running(Exception):
    """The request is being carried out, here or elsewhere."""


class OtherBody(Exception):
    """The key was used with another body."""


class Done(Exception):
    """The request was answered for good; `kept` has the answer."""

    def __init__(self, kept: Kept) -> None:
        """Hand over what is kept."""
        super().__init__()
        self.kept = kept


class Claim:
    """The right to carry a request out, from `take` until `settle` or the end of this process.

    Attributes:
        effect: the id of what the request makes.
    """

    def __init__(self, store: KeyValue, derived: Derived, kept: Kept, revision: int) -> None:
        """Hold what was written as `revision`, and show life from now on."""
        self.effect = derived.effect
        self._store = store
        self._name = derived.name
        self._kept = kept
        self._revision = revision
        self._over = asyncio.Event()
        self._beating = asyncio.create_task(self._beat())

    def leave(self) -> None:
        """Show life no more: whoever comes next carries the request out."""
        self._over.set()

    async def settle(self, **came: object) -> None:
        """Write what came of the request; again and again for a while, if the bus was just away.

        If that is in vain, the claim is soon free.
        """
        self.leave()
        # Not cancelled: a wait for the bus may break its connection then.
        await asyncio.wait({self._beating})
        until = asyncio.get_running_loop().time() + KEEP_S
        while True:
            try:
                await self._write(self._kept.model_copy(update=came))
            except (NatsError, TimeoutError, OSError) as error:
                if asyncio.get_running_loop().time() < until:
                    await asyncio.sleep(KEEP_AGAIN_S)
                    continue
                log.warning("an answer could not be kept", error=repr(error)[:200])
            return

    async def _beat(self) -> None:
        while not self._over.is_set():
            try:
                async with asyncio.timeout(BEAT_S):
                    await self._over.wait()
            except TimeoutError:
                try:
                    await self._write(self._kept.model_copy(update={"alive_at": _now()}))
                except (NatsError, TimeoutError, OSError) as error:
                    log.warning("a claim could not be renewed", error=repr(error)[:200])

    async def _write(self, kept: Kept) -> None:
        """Write, unless the claim is somebody else's by now."""
        value = kept.model_dump_json().encode()
        try:
            self._revision = await self._store.update(self._name, value, last=self._revision)
        except KeyWrongLastSequenceError:
            entry = await self._store.get(self._name)
            found = Kept.model_validate_json(entry.value or b"")
            if found.holder == kept.holder and found.state == "running":  # An answer was lost.
                last = entry.revision
                self._revision = await self._store.update(self._name, value, last=last)


class Claims:
    """The claims of this gateway."""

    def __init__(self, link: Link, secret: bytes | None) -> None:
        """Take them over `link`; ids are keyed with the gateways' `secret`."""
        self._link = link
        self._secret = secret or NO_SECRET

    async def take(self, asked: str, body: bytes) -> Claim:
        """The claim for a request; `asked` has its account, address and key.

        Raises:
            Running, Done, OtherBody: it need not be carried out.
            Unavailable, NatsError, TimeoutError, OSError: the bus is away.
        """
        store = bucket(self._link.client, IDEMPOTENCY)
        claim = Kept(
            state="running",
            body_hash=sha256(body).hexdigest(),
            begun_at=_now(),
            holder=new_id(),
            alive_at=_now(),
        )
        derived = await self._derived(store, asked, claim)
        claim = claim.model_copy(update={"ids": derived.ids})
        return Claim(store, derived, claim, await _revision(store, derived.name, claim))

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
                raise Running from None
            if Kept.model_validate_json(entry.value or b"").ids is None:
                return old
        return keyed(self._secret, asked)


async def _revision(store: KeyValue, name: str, claim: Kept) -> int:
    """Write a claim where nobody has one; the revision by which it is held. Raises like `take`."""
    value = claim.model_dump_json().encode()
    try:
        return await store.create(name, value)
    except KeyWrongLastSequenceError:
        pass
    try:
        entry = await store.get(name)
        kept = Kept.model_validate_json(entry.value or b"")
        if kept.body_hash != claim.body_hash:
            raise OtherBody
        if kept.state == "done":
            raise Done(kept)
        if kept.state == "running" and not kept.abandoned(_now()):
            raise Running
        return await store.update(name, value, last=entry.revision)
    except (KeyNotFoundError, KeyWrongLastSequenceError):
        raise Running from None


def _now() -> datetime:
    return datetime.now(UTC)
