"""Credentials that may spend so much: how they look, and whose a presented one is.

One is `bzs_<id>_<secret>`: a session of an account, or a key made over HTTP. The payment service
keeps a hash of it with its limits, and holds them; here it is only found out who asks. What was
found is remembered (`gateway.remembering`): a revoked one may look for so long, and spends nothing.
"""

import asyncio
import hmac
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256

from chassis.bus.envelopes import origin
from contracts.errors import NotFound, Refusal, Unavailable
from contracts.spending import FIND_SPENDER, Credential, FindSpender
from gateway import remembering
from gateway.auth import Check
from gateway.identity import Expired, Identity, Over, Scope, Unknown
from gateway.link import NAME, Link
from gateway.remembering import Memory, id_in

PREFIX = "bzs_"
TOKEN = re.compile(r"bzs_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
WRONG = "This credential is not known."


def fresh() -> tuple[str, str, str]:
    """A new credential: its id, the credential itself, and the hash that is kept of it."""
    id_ = secrets.token_hex(8)
    token = f"{PREFIX}{id_}_{secrets.token_urlsafe(32)}"
    return id_, token, _hash(token)


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


class Spenders:
    """Tells whose such a credential is."""

    def __init__(self, link: Link, now: Callable[[], float] = time.monotonic) -> None:
        """Look credentials up over `link`."""
        self._link = link
        self._memory: Memory[Credential] = Memory(now)

    def beside(self, others: Check) -> Check:
        """A check for these, and for whatever `others` knows."""

        async def identify(token: str) -> Identity:
            mine = token.startswith(PREFIX)
            return await (self.identify(token) if mine else others.identify(token))

        def known(token: str) -> Identity | None:
            return self.known(token) if token.startswith(PREFIX) else others.known(token)

        return Check(identify, known)

    async def identify(self, token: str) -> Identity:
        """Whose this credential is.

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

    def _identity(self, token: str, id_: str, known: Credential | None) -> Identity:
        if known is None or not hmac.compare_digest(known.hash, _hash(token)):
            raise Unknown(WRONG)
        if known.expires_at is not None and known.expires_at <= datetime.now(UTC):
            raise Expired("This credential has expired.")
        return Identity(
            known.account,
            frozenset(known.scopes),
            spender=id_,
            limited=known.limited,
            session=known.kind == "session",
            over=partial(self._over, token),
        )

    def forget(self, id_: str) -> None:
        """Look a credential up anew when it is presented next."""
        self._memory.forget(id_)

    async def _over(self, token: str, wanted: Scope) -> Over:
        """Wait until a credential no longer has a scope, looking now and then."""
        while True:
            try:
                if wanted not in (await self.identify(token)).scopes:
                    return "revoked"
            except Expired:
                return "expired"
            except Unknown:
                return "revoked"
            except Unavailable:
                pass  # That says nothing about the credential.
            await asyncio.sleep(remembering.REMEMBERED_S)

    async def _find(self, id_: str) -> Credential | None:
        if (remembered := self._memory.find(id_)) is not None:
            return remembered.value
        asked_at = self._memory.now()
        found: Credential | None
        try:
            cause = origin(NAME, "who asks")
            found = await self._link.ask(FIND_SPENDER, FindSpender(spender_id=id_), cause)
        except NotFound:
            found = None
        except Refusal:
            raise Unavailable("This credential cannot be looked up now.") from None
        self._memory.keep(id_, found, asked_at)
        return found
