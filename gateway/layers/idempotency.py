"""`Idempotency-Key`: a request that is sent again is answered again, and not carried out again.

An answer is final, and kept; or it is open: it came to nothing, or nobody knows, so the same
request may be carried out again; or what was asked is still running. Every answer says which. The
ids of what a request makes are derived from its key, so that carrying it out again makes nothing
twice; they are keyed with a secret, so that nobody can tell what somebody else's will be.
"""

import re
from typing import Literal

from nats.errors import Error as NatsError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.bus.calls import UNREACHABLE
from contracts.errors import Busy, Refusal, Unavailable
from gateway.auth import guarded
from gateway.claims import Claim, Claims, Done, OtherBody, Running
from gateway.errors import AGAIN, problem

KEY = re.compile(r"[!-~]{1,200}")
REPLAYED = "Idempotency-Replayed"
OUTCOME = "Idempotency-Outcome"
Outcome = Literal["final", "open", "running"]
KEPT_BYTES = 1024 * 1024
"""A larger answer is not kept; the request is carried out again, with the same ids."""
PAID = frozenset({b"payment-signature", b"payment-authorization"})
"""Headers that a payment comes in."""
NOT_FINAL = frozenset({408, 415, 425, 429})
"""Refused before anything was looked at."""


class Idempotency:
    """ASGI middleware for POST requests with an `Idempotency-Key`; bodies come whole."""

    def __init__(
        self, app: ASGIApp, claims: Claims, account: str, *, machines: bool = False
    ) -> None:
        """Carry out by `app`; who is not authenticated is `account`; `machines` may pay."""
        self._machines = machines
        self._app = app
        self._claims = claims
        self._account = account

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
        try:
            claim = await self._claims.take(self._asked(scope, keys[0]), first.get("body", b""))
        except (Running, Done, OtherBody, Refusal, NatsError, TimeoutError, OSError) as error:
            await _in_place(error)(scope, receive, send)
            return
        await self._carry_out(claim, _Run(first, receive), scope, send)

    async def _carry_out(self, claim: Claim, run: "_Run", scope: Scope, send: Send) -> None:
        state = scope.setdefault("state", {})
        state |= {"effect": claim.effect, "headers_if_lost": {OUTCOME: "open"}}
        try:
            await self._app(scope, run.receive, run.take)
        except Exception:
            await claim.settle(state="open")
            raise
        finally:
            claim.leave()
        outcome = run.outcome(goes_on=state.get("goes_on", False))
        said_again = state.get("said_again", False)
        await claim.settle(**({"state": "open"} if said_again else run.kept(outcome)))
        for message in run.messages:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[OUTCOME] = outcome
            await send(message)

    def _asked(self, scope: Scope, key: str) -> str:
        identity = scope.get("state", {}).get("identity")
        account = identity.account if identity else self._account
        if identity and identity.spender:  # What a session repeats is its own.
            account = f"{account}\n{identity.spender}"
        parts = [account, scope["path"], key]
        if self._machines and any(name in PAID for name, _ in scope["headers"]):
            # What was refused for want of money is another request once it is paid.
            parts.append("paid")
        return "\n".join(parts)


class _Run:
    """One request being carried out: its body given, its answer taken."""

    def __init__(self, first: Message, receive: Receive) -> None:
        self._first: Message | None = first
        self._receive = receive
        self.messages: list[Message] = []

    async def receive(self) -> Message:
        if self._first is not None:
            message, self._first = self._first, None
            return message
        return await self._receive()

    async def take(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"] if self.messages else Refusal.code
        return status

    @property
    def headers(self) -> Headers:
        return Headers(raw=self.messages[0]["headers"]) if self.messages else Headers()

    def outcome(self, *, goes_on: bool) -> Outcome:
        """What the answer means for whoever sends the request again."""
        if goes_on or (self.status == Busy.code and "retry-after" in self.headers):
            return "running"
        return "open" if self.status >= Refusal.code or self.status in NOT_FINAL else "final"

    def kept(self, outcome: Outcome) -> dict[str, object]:
        """What is to be kept: the answer when it is final, else that it is open."""
        body = b"".join(message.get("body", b"") for message in self.messages[1:])
        if outcome != "final" or len(body) > KEPT_BYTES:
            return {"state": "open"}
        media_type = self.headers.get("content-type", "")
        return {
            "state": "done",
            "status": self.status,
            "media_type": media_type,
            "body": body.decode(),
        }


def _in_place(error: Exception) -> Response:
    """The answer to a request that is not carried out: the one that was given before, or why."""
    match error:
        case Done(kept=kept):
            headers = {"content-type": kept.media_type, REPLAYED: "true"}
            return _marked(Response(kept.body, kept.status, headers), "final")
        case OtherBody():
            text = "This Idempotency-Key was used with another body."
            return _marked(problem(422, text), "final")
        case Running():
            text = "A request with this Idempotency-Key is still being carried out."
            return _marked(problem(Busy.code, text, AGAIN), "running")
    return _marked(problem(Unavailable.code, UNREACHABLE), "open")


def _marked(response: Response, outcome: Outcome) -> Response:
    response.headers[OUTCOME] = outcome
    return response
