"""A strict stand-in for Stripe over HTTP: it refuses whatever Stripe would refuse.

It knows what may be asked and with which fields, compares the bodies of requests with the same
idempotency key, and signs webhooks by the published scheme with code of its own. What comes of a
request is in `cards_things`, what people do meanwhile in `cards_people`.
"""

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.payment.cards_people import Answer
from tests.payment.cards_things import Things, account_of, refused
from tests.support.listening import listening_server

KEY = "sk_test_of_the_double"
SECRET = "whsec_of_the_double"
INTENT_FIELDS = re.compile(
    r"amount|currency|confirm|off_session|payment_method|customer|description"
    r"|metadata\[\w+\]|automatic_payment_methods\[(enabled|allow_redirects)\]"
)
REFUND_FIELDS = re.compile(r"payment_intent|amount|metadata\[\w+\]")
SESSION_FIELDS = re.compile(
    r"mode|client_reference_id|success_url|cancel_url|(payment_intent_data\[metadata\]|metadata)\[\w+\]"
    r"|line_items\[\d+\]\[quantity\]"
    r"|line_items\[\d+\]\[price_data\]\[(currency|unit_amount|product_data\]\[name)\]"
)
TRANSFER_FIELDS = re.compile(
    r"amount|currency|destination|transfer_group|description|metadata\[\w+\]"
)
ASKED_FIELDS = re.compile(
    r"limit|starting_after|created\[gte\]|payment_intent|transfer_group|types\[\d+\]"
)
ACCOUNT_FIELDS = re.compile(
    r"controller\[(fees|losses|stripe_dashboard)\]\[(payer|payments|type)\]"
    r"|capabilities\[transfers\]\[requested\]|metadata\[\w+\]"
)
LINK_FIELDS = re.compile(r"account|type|refresh_url|return_url")


@dataclass
class StripeDouble(Things):
    """What it was asked, what it has charged, and how it is to behave.

    Attributes:
        script: answers to the next requests instead of the right ones, such as ("500", True):
            the second says whether it is remembered under the idempotency key.
        ends: the status of intents that are confirmed from now on.
        declines: the decline code of cards that are charged from now on.
        refund_ends: the status of refunds from now on.
        connected: the accounts that transfers may go to.
        accounts: the accounts of sellers that were made here.
        looks: how often each thing was asked for, by its id, and each list, by its path.
        witness: when set, what answers in place of the double; for a GET, it is told so.
        holding: when set, answers are kept back until this event is set; the work is done before.
    """

    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    transfers: dict[str, dict[str, Any]] = field(default_factory=dict)
    connected: set[str] = field(default_factory=set)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    script: list[Answer] = field(default_factory=list)
    remembers_script: bool = False
    works_before_it_breaks: bool = False
    page_length: int = 100
    ends: str = "succeeded"
    declines: str | None = None
    refund_ends: str = "succeeded"
    holding: asyncio.Event | None = None
    witness: Callable[[str, dict[str, str]], Awaitable[Answer]] | None = None
    disputes: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)
    _answers: dict[str, tuple[str, Answer]] = field(default_factory=dict)
    _of_intents: dict[str, dict[str, str]] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/payment_intents", self.on_intent, methods=["POST"]),
                Route("/v1/refunds", self.on_refund, methods=["POST"]),
                Route("/v1/checkout/sessions", self.on_session, methods=["POST"]),
                Route("/v1/transfers", self.on_transfer, methods=["POST"]),
                Route("/v1/transfers", self.on_list, methods=["GET"]),
                Route("/v1/accounts", self.on_account, methods=["POST"]),
                Route("/v1/account_links", self.on_link, methods=["POST"]),
                Route("/v1/accounts/{id}", self.on_look_at_account, methods=["GET"]),
                Route("/v1/payment_intents", self.on_list, methods=["GET"]),
                Route("/v1/refunds", self.on_list, methods=["GET"]),
                Route("/v1/events", self.on_list, methods=["GET"]),
                Route("/v1/payment_intents/{id}", self.on_look, methods=["GET"]),
                Route("/v1/refunds/{id}", self.on_look, methods=["GET"]),
                Route("/v1/checkout/sessions/{id}", self.on_look, methods=["GET"]),
            ]
        )

    def charged(self, payment_id: str) -> list[int]:
        """The cents that were taken for a payment, once for each time."""
        return [
            one["amount_received"]
            for one in self.intents.values()
            if one["metadata"].get("payment_id") == payment_id and one["status"] == "succeeded"
        ]

    def given_back(self, payment_id: str) -> list[int]:
        """The cents that went back to the card by a refund, once for each time."""
        return [
            one["amount"]
            for one in self.refunds.values()
            if one["metadata"].get("payment_id") == payment_id and one["status"] == "succeeded"
        ]

    def intent_of(self, payment_id: str) -> dict[str, Any]:
        """The newest intent of a payment."""
        found = [x for x in self.intents.values() if x["metadata"].get("payment_id") == payment_id]
        return found[-1]

    async def on_intent(self, request: Request) -> JSONResponse:
        return await self._keyed(request, INTENT_FIELDS, self._make_intent)

    async def on_refund(self, request: Request) -> JSONResponse:
        return await self._keyed(request, REFUND_FIELDS, self._make_refund)

    async def on_transfer(self, request: Request) -> JSONResponse:
        return await self._keyed(request, TRANSFER_FIELDS, self._make_transfer)

    async def on_session(self, request: Request) -> JSONResponse:
        return await self._keyed(request, SESSION_FIELDS, self._make_session)

    async def on_account(self, request: Request) -> JSONResponse:
        return await self._keyed(request, ACCOUNT_FIELDS, self._make_account)

    async def on_link(self, request: Request) -> JSONResponse:
        return await self._keyed(request, LINK_FIELDS, self._make_link)

    async def on_look_at_account(self, request: Request) -> JSONResponse:
        id_ = request.path_params["id"]
        self.looks[id_] += 1
        if wrong := self._asked_wrong(request):
            return _json(wrong)
        if id_ in self.accounts:
            return _json((200, dict(self.accounts[id_])))
        if id_ in self.connected:
            return _json((200, account_of(id_, done=True)))
        text = f"The provided key does not have access to account '{id_}'"
        return _json(refused(403, "invalid_request_error", text, code="account_invalid"))

    async def on_look(self, request: Request) -> JSONResponse:
        id_ = request.path_params["id"]
        self.looks[id_] += 1
        if wrong := self._asked_wrong(request):
            return _json(wrong)
        if self.witness:
            return _json(await self.witness(f"GET {request.url.path}", {}))
        known = {**self.intents, **self.refunds, **self.sessions}
        if id_ not in known:
            text = f"No such thing: '{id_}'"
            return _json(refused(404, "invalid_request_error", text, code="resource_missing"))
        return _json((200, dict(known[id_])))

    async def on_list(self, request: Request) -> JSONResponse:
        path, asked = request.url.path, dict(request.query_params)
        self.looks[path] += 1
        if wrong := self._asked_wrong(request):
            return _json(wrong)
        if self.witness:
            return _json(await self.witness(f"GET {path}", asked))
        lists = {
            "refunds": self.refunds,
            "transfers": self.transfers,
            "payment_intents": self.intents,
            "events": self.events,
        }
        every = lists[path.rpartition("/")[2]]
        types = {value for name, value in asked.items() if name.startswith("types[")}
        if len(types) > 20 or (types and every is not self.events):
            return _json(refused(400, "invalid_request_error", "Types of what?"))
        found = [
            one
            for one in reversed(every.values())
            if one["created"] >= int(asked.get("created[gte]", 0))
            and asked.get("payment_intent") in (None, one.get("payment_intent"))
            and asked.get("transfer_group") in (None, one.get("transfer_group"))
            and (not types or one["type"] in types)
        ]
        if after := asked.get("starting_after"):
            found = found[[one["id"] for one in found].index(after) + 1 :]
        limit = min(int(asked.get("limit", 10)), self.page_length)
        shown = {"data": found[:limit], "has_more": len(found) > limit}
        return _json((200, {"object": "list", "url": path, **shown}))

    def _asked_wrong(self, request: Request) -> Answer | None:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return refused(
                401, "invalid_request_error", "Invalid API Key provided: sk_test_****wrong"
            )
        for name in request.query_params:
            if not ASKED_FIELDS.fullmatch(name):
                self.problems.append(f"unknown parameter {name}")
                return refused(400, "invalid_request_error", f"Received unknown parameter: {name}")
        return None

    async def _keyed(self, request: Request, known: re.Pattern[str], make: Any) -> JSONResponse:
        body = (await request.body()).decode()
        key = request.headers.get("idempotency-key", "")
        self.calls[key] += 1
        wrong = self._refusal(request, body, key, known)
        if wrong is not None:
            self.problems.append(str(wrong[1]))
            return _json(wrong)
        before = self._answers.get(key)
        if key in self._busy:
            return _json(refused(409, "idempotency_error", "Another request is in progress."))
        if before is not None:
            if before[0] != request.url.path + body:
                self.problems.append(f"another body with {key}")
                text = "Keys can only be used with the same parameters they were first used with."
                return _json(refused(400, "idempotency_error", text))
            return _json(before[1], {"Idempotent-Replayed": "true"})
        if self.script:
            answer = self.script.pop(0)
            if self.remembers_script:
                self._answers[key] = (request.url.path + body, answer)
            if self.works_before_it_breaks:
                make(dict(parse_qsl(body, keep_blank_values=True)))
            return _json(answer)
        form = dict(parse_qsl(body, keep_blank_values=True))
        answer = await self.witness(request.url.path, form) if self.witness else make(form)
        self._answers[key] = (request.url.path + body, answer)
        if self.holding is not None:
            self._busy.add(key)
            await self.holding.wait()
            self._busy.discard(key)
        return _json(answer)

    def _refusal(
        self, request: Request, body: str, key: str, known: re.Pattern[str]
    ) -> Answer | None:
        kind = "invalid_request_error"
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return refused(401, kind, "Invalid API Key provided: sk_test_****wrong")
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return refused(400, kind, "The body is no form.")
        if not key or len(key) > 255:
            return refused(400, kind, "No idempotency key, or one that is too long.")
        for name, value in parse_qsl(body, keep_blank_values=True, strict_parsing=True):
            if not known.fullmatch(name):
                text = f"Received unknown parameter: {name}"
                return refused(400, kind, text, code="parameter_unknown")
            if name.startswith("metadata[") and len(value) > 500:
                return refused(400, kind, "Metadata is too long.")
        return None


def signed(body: bytes, *, secret: str = SECRET, at: float | None = None) -> str:
    """The header Stripe-Signature of a body: HMAC-SHA256 of the time, a dot and the body."""
    stamp = int(time.time() if at is None else at)
    code = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={code},v0={'0' * 64}"


def body_of(event: dict[str, Any]) -> bytes:
    """An event as Stripe sends it: indented, so that nobody can write it again by chance."""
    return json.dumps(event, indent=2, ensure_ascii=False).encode()


def _json(answer: Answer, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(answer[1], answer[0], {"Request-Id": "req_double", **(headers or {})})


@contextlib.asynccontextmanager
async def serving(double: StripeDouble, port: int = 0) -> AsyncIterator[str]:
    """Serve the double in this loop; its address."""
    config = uvicorn.Config(double.app(), log_level="warning", lifespan="off", ws="none")
    async with listening_server(config, port) as url:
        yield url
