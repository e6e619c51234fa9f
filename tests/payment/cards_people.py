"""What people do at Stripe, in its dashboard and at their banks, and how its double tells of it."""

import itertools
import time
from typing import Any

Answer = tuple[int, dict[str, Any]]


class People:
    """The part of the double that acts without being asked by us."""

    intents: dict[str, dict[str, Any]]
    sessions: dict[str, dict[str, Any]]
    refunds: dict[str, dict[str, Any]]
    accounts: dict[str, dict[str, Any]]
    disputes: dict[str, dict[str, Any]]
    events: dict[str, dict[str, Any]]
    _of_intents: dict[str, dict[str, str]]
    _numbers: "itertools.count[int]"

    def _make_refund(self, form: dict[str, str]) -> Answer:
        raise NotImplementedError

    def pay(self, session_id: str) -> dict[str, Any]:
        """What somebody does on the page; the event that tells of it."""
        session = self.sessions[session_id]
        intent_id = f"pi_of_{session_id}"
        self.intents[intent_id] = {
            "id": intent_id,
            "object": "payment_intent",
            "amount": session["amount_total"],
            "amount_received": session["amount_total"],
            "created": int(time.time()),
            "currency": session["currency"],
            "metadata": self._of_intents[session_id],
            "status": "succeeded",
            "last_payment_error": None,
        }
        session |= {"payment_status": "paid", "status": "complete", "payment_intent": intent_id}
        return self.event("checkout.session.completed", session)

    def onboard(self, account_id: str) -> dict[str, Any]:
        """What a seller does on Stripe's page; the event that tells of it, of that account."""
        account = self.accounts[account_id]
        account["capabilities"] = {"transfers": "active"}
        account |= {"details_submitted": True, "payouts_enabled": True}
        account["requirements"] = {"currently_due": [], "disabled_reason": None}
        return self.event("account.updated", account) | {"account": account_id}

    def give_back(self, intent_id: str, cents: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """What somebody does in the dashboard; the two events of it, in Stripe's order."""
        made, refund = self._make_refund({"payment_intent": intent_id, "amount": str(cents)})
        assert made == 200, refund
        return self.event("refund.created", refund), self.event(
            "charge.refunded", self.charge_of(intent_id)
        )

    def charge_of(self, intent_id: str) -> dict[str, Any]:
        """The charge of a payment, with the sum of its refunds and the payment's metadata."""
        intent, back = self.intents[intent_id], self._back(intent_id)
        return {
            "id": f"ch_of_{intent_id}",
            "object": "charge",
            "amount": intent["amount_received"],
            "amount_refunded": back,
            "currency": intent["currency"],
            "metadata": dict(intent["metadata"]),
            "payment_intent": intent_id,
            "refunded": back == intent["amount_received"],
            "status": "succeeded",
        }

    def refund_fails(self, refund_id: str) -> dict[str, Any]:
        """A bank sends a refund back; the event that tells of it."""
        self.refunds[refund_id] |= {"status": "failed", "failure_reason": "unknown"}
        return self.event("refund.failed", self.refunds[refund_id])

    def dispute(self, intent_id: str, cents: int, status: str = "needs_response") -> dict[str, Any]:
        """Somebody disputes a charge; the dispute, which has no metadata of ours."""
        id_ = f"du_{next(self._numbers)}_{time.time_ns()}"
        self.disputes[id_] = {
            "id": id_,
            "object": "dispute",
            "amount": cents,
            "charge": f"ch_of_{intent_id}",
            "created": int(time.time()),
            "currency": self.intents[intent_id]["currency"],
            "metadata": {},
            "payment_intent": intent_id,
            "reason": "fraudulent",
            "status": status,
        }
        return self.disputes[id_]

    def told_of(self, dispute: dict[str, Any], what: str, status: str) -> dict[str, Any]:
        """An event of a dispute, such as `created`, with the status that it has then."""
        dispute["status"] = status
        return self.event(f"charge.dispute.{what}", dispute)

    def event(self, type_: str, thing: dict[str, Any]) -> dict[str, Any]:
        """An event with an id of its own, which Stripe lists from now on."""
        made: dict[str, Any] = {
            "id": f"evt_{next(self._numbers)}_{time.time_ns()}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(time.time()),
            "type": type_,
            "livemode": False,
            "data": {"object": dict(thing)},
        }
        self.events[made["id"]] = made
        return made

    def _back(self, intent_id: str) -> int:
        return sum(
            one["amount"]
            for one in self.refunds.values()
            if one["payment_intent"] == intent_id and one["status"] not in {"failed", "canceled"}
        )
