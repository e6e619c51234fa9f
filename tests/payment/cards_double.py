"""A strict stand-in for Stripe over HTTP: it refuses whatever Stripe would refuse.

It knows payment intents, refunds and checkout sessions, compares the bodies of requests with the
same idempotency key, and signs webhooks by the published scheme with code of its own.
"""

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.payment.cards_people import Answer, People

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
LEAST = 50
"""The smallest payment, in cents."""


def account_of(id_: str, *, done: bool) -> dict[str, Any]:
    """A connected account, before or after its owner was onboarded."""
    due = [] if done else ["external_account", "tos_acceptance.date"]
    return {
        "id": id_,
        "object": "account",
        "capabilities": {"transfers": "active" if done else "inactive"},
        "charges_enabled": False,
        "details_submitted": done,
        "metadata": {},
        "payouts_enabled": done,
        "requirements": {"currently_due": due, "disabled_reason": None if done else "due"},
    }


def refused(status: int, type_: str, message: str, **more: Any) -> Answer:
    return status, {"error": {"type": type_, "message": message, **more}}


@dataclass
class StripeDouble(People):
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

    def _make_intent(self, form: dict[str, str]) -> Answer:
        amount = form.get("amount", "")
        if not amount.isdecimal() or not 0 < int(amount) <= 99_999_999:
            return refused(400, "invalid_request_error", f"Invalid integer: {amount}")
        if int(amount) < LEAST:
            text = "Amount must be at least $0.50 usd"
            return refused(400, "invalid_request_error", text, code="amount_too_small")
        wanted = {"currency": "usd", "confirm": "true", "off_session": "true"}
        if any(form.get(name) != value for name, value in wanted.items()):
            return refused(400, "invalid_request_error", "Not a payment off session.")
        intent: dict[str, Any] = {
            "id": f"pi_{next(self._numbers)}_{time.time_ns()}",
            "object": "payment_intent",
            "amount": int(amount),
            "amount_received": 0,
            "created": int(time.time()),
            "currency": form["currency"],
            "metadata": _nested(form, "metadata"),
            "status": "requires_payment_method",
            "last_payment_error": None,
        }
        self.intents[intent["id"]] = intent
        if self.declines:
            error = {
                "code": "card_declined",
                "decline_code": self.declines,
                "message": "Your card was declined.",
            }
            intent["last_payment_error"] = {"type": "card_error", **error}
            return refused(402, "card_error", payment_intent=dict(intent), **error)
        intent["status"] = self.ends
        if self.ends == "succeeded":
            intent["amount_received"] = intent["amount"]
        return 200, dict(intent)

    def _make_refund(self, form: dict[str, str]) -> Answer:
        kind, amount = "invalid_request_error", form.get("amount", "")
        intent = self.intents.get(form.get("payment_intent", ""))
        if intent is None:
            text = f"No such payment_intent: '{form.get('payment_intent')}'"
            return refused(404, kind, text, code="resource_missing", param="payment_intent")
        if intent["status"] != "succeeded":
            text = "This PaymentIntent does not have a successful charge to refund."
            return refused(400, kind, text)
        if not amount.isdecimal() or not int(amount):
            return refused(400, kind, f"Invalid positive integer: {amount}")
        back = self._back(intent["id"])
        if back == intent["amount_received"]:
            text = f"Charge ch_of_{intent['id']} has already been refunded."
            return refused(400, kind, text, code="charge_already_refunded")
        if back + int(amount) > intent["amount_received"]:
            text = "Refund amount is greater than unrefunded amount on charge"
            return refused(400, kind, text, param="amount")
        refund: dict[str, Any] = {
            "id": f"re_{next(self._numbers)}_{time.time_ns()}",
            "object": "refund",
            "amount": int(amount),
            "charge": f"ch_of_{intent['id']}",
            "created": int(time.time()),
            "currency": intent["currency"],
            "metadata": _nested(form, "metadata"),
            "payment_intent": intent["id"],
            "reason": None,
            "status": self.refund_ends,
        }
        if self.refund_ends == "failed":
            refund["failure_reason"] = "lost_or_stolen_card"
        self.refunds[refund["id"]] = refund
        return 200, dict(refund)

    def _make_transfer(self, form: dict[str, str]) -> Answer:
        kind, amount, to = "invalid_request_error", form.get("amount", ""), form.get("destination")
        if not amount.isdecimal() or not 0 < int(amount) <= 99_999_999:
            return refused(400, kind, f"Invalid positive integer: {amount}", param="amount")
        if form.get("currency") != "usd":
            return refused(400, kind, "Missing required param: currency.", param="currency")
        if to not in self.connected:
            text = f"No such destination: '{to}'"
            return refused(400, kind, text, code="resource_missing", param="destination")
        transfer: dict[str, Any] = {
            "id": f"tr_{next(self._numbers)}_{time.time_ns()}",
            "object": "transfer",
            "amount": int(amount),
            "amount_reversed": 0,
            "balance_transaction": f"txn_{next(self._numbers)}",
            "created": int(time.time()),
            "currency": "usd",
            "description": form.get("description"),
            "destination": to,
            "destination_payment": f"py_{next(self._numbers)}",
            "livemode": False,
            "metadata": _nested(form, "metadata"),
            "reversals": {"object": "list", "data": [], "has_more": False},
            "reversed": False,
            "source_transaction": None,
            "source_type": "card",
            "transfer_group": form.get("transfer_group"),
        }
        self.transfers[transfer["id"]] = transfer
        return 200, dict(transfer)

    def _make_account(self, form: dict[str, str]) -> Answer:
        wanted = {
            "controller[fees][payer]": "application",
            "controller[losses][payments]": "application",
            "controller[stripe_dashboard][type]": "express",
            "capabilities[transfers][requested]": "true",
        }
        if any(form.get(name) != value for name, value in wanted.items()):
            return refused(400, "invalid_request_error", "Not an account that is paid by us.")
        made = account_of(f"acct_{next(self._numbers)}{time.time_ns()}", done=False)
        self.accounts[made["id"]] = made | {"metadata": _nested(form, "metadata")}
        return 200, dict(self.accounts[made["id"]])

    def _make_link(self, form: dict[str, str]) -> Answer:
        kind, id_ = "invalid_request_error", form.get("account", "")
        if id_ not in self.accounts:
            text = f"No such account: '{id_}'"
            return refused(400, kind, text, code="resource_missing", param="account")
        if form.get("type") != "account_onboarding":
            return refused(400, kind, "Not a page to be onboarded on.", param="type")
        for name in ("refresh_url", "return_url"):
            if not form.get(name, "").startswith(("http://", "https://")):
                return refused(400, kind, f"Not a valid URL: {name}", code="url_invalid")
        now = int(time.time())
        url = f"https://connect.stripe.example/setup/e/{id_}/{next(self._numbers)}"
        link = {"object": "account_link", "created": now, "expires_at": now + 300, "url": url}
        return 200, link

    def _make_session(self, form: dict[str, str]) -> Answer:
        unit = form.get("line_items[0][price_data][unit_amount]", "")
        if form.get("mode") != "payment" or not unit.isdecimal():
            return refused(400, "invalid_request_error", "Not a checkout of a payment.")
        if int(unit) < LEAST:
            text = "The Checkout Session's total amount due must add up to at least $0.50 usd"
            return refused(400, "invalid_request_error", text, code="amount_too_small")
        id_ = f"cs_test_{next(self._numbers)}_{time.time_ns()}"
        session: dict[str, Any] = {
            "id": id_,
            "object": "checkout.session",
            "amount_total": int(unit),
            "currency": form["line_items[0][price_data][currency]"],
            "client_reference_id": form.get("client_reference_id"),
            "metadata": _nested(form, "metadata"),
            "mode": "payment",
            "payment_intent": None,
            "payment_status": "unpaid",
            "status": "open",
            "url": f"https://checkout.stripe.example/c/pay/{id_}",
        }
        self.sessions[id_] = session
        self._of_intents[id_] = _nested(form, "payment_intent_data[metadata]")
        return 200, dict(session)


def signed(body: bytes, *, secret: str = SECRET, at: float | None = None) -> str:
    """The header Stripe-Signature of a body: HMAC-SHA256 of the time, a dot and the body."""
    stamp = int(time.time() if at is None else at)
    code = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={code},v0={'0' * 64}"


def body_of(event: dict[str, Any]) -> bytes:
    """An event as Stripe sends it: indented, so that nobody can write it again by chance."""
    return json.dumps(event, indent=2, ensure_ascii=False).encode()


def _nested(form: dict[str, str], name: str) -> dict[str, str]:
    return {
        key.removeprefix(f"{name}[").removesuffix("]"): value
        for key, value in form.items()
        if key.startswith(f"{name}[")
    }


def _json(answer: Answer, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(answer[1], answer[0], {"Request-Id": "req_double", **(headers or {})})


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to pytest."""
        yield


@contextlib.asynccontextmanager
async def listening_server(config: uvicorn.Config, port: int = 0) -> AsyncIterator[str]:
    """Serve an app in this loop; its address."""
    listener = socket.create_server(("127.0.0.1", port))
    server = _Server(config)
    serve = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serve


@contextlib.asynccontextmanager
async def serving(double: StripeDouble, port: int = 0) -> AsyncIterator[str]:
    """Serve the double in this loop; its address."""
    config = uvicorn.Config(double.app(), log_level="warning", lifespan="off", ws="none")
    async with listening_server(config, port) as url:
        yield url
