"""What Stripe makes of a request, or refuses to: payments, refunds, transfers, sellers."""

import time
from typing import Any

from tests.payment.cards_people import Answer, People

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


class Things(People):
    """The part of the double that makes what it is asked for."""

    transfers: dict[str, dict[str, Any]]
    connected: set[str]
    ends: str
    declines: str | None
    refund_ends: str

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


def _nested(form: dict[str, str], name: str) -> dict[str, str]:
    return {
        key.removeprefix(f"{name}[").removesuffix("]"): value
        for key, value in form.items()
        if key.startswith(f"{name}[")
    }
