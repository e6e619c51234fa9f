"""Hold the double against the official stripe-mock: `python -m tests.payment.against_stripe_mock`.

Run by hand, as stripe-mock is a Go program (`go install github.com/stripe/stripe-mock@latest`).
It checks requests against Stripe's own description of the API, and answers with its shapes. Each
request of ours must be accepted by both, and each field of the double's answer must be a field of
stripe-mock's, of the same type.

Args: the address of stripe-mock, such as http://localhost:12111.
"""

import asyncio
import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import stripe

from payment_svc.cards import checkouts
from payment_svc.cards import rail as cards
from payment_svc.cards import rail_refunds as card_refunds
from payment_svc.settings import Settings
from tests.payment.cards_double import KEY, StripeDouble, serving

NULLABLE = "null"
PAID = Decimal("2.50")


@dataclass
class Row:
    """A card payment as the rail's functions read it."""

    id: str
    amount: Decimal
    step_id: str = "step"
    task_id: str = "task"
    agent_id: str = "designer"
    vendor: str = "Shop"
    retries: int = 0
    refund_of: str | None = None
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))


async def answers(url: str, key: str) -> dict[str, Any]:
    """What a Stripe at `url` answers to each request that the payment service makes."""
    settings = Settings.model_validate({"stripe_api_key": key, "stripe_api_base": url})
    client = cards.client_of(settings)
    assert client is not None
    bodies: dict[str, Any] = {}
    original = client._requestor.request_async

    async def seen(method: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        answer = await original(method, path, *args, **kwargs)
        shown = "/".join(path.split("/")[: 4 if "checkout" in path else 3])
        bodies[f"{method} {shown}" + ("/{id}" if path != shown else "")] = json.loads(str(answer))
        return answer

    client._requestor.request_async = seen  # type: ignore[method-assign,assignment]
    charged = await cards.charge(client, settings, Row("purchase", PAID), PAID)
    intent_id = charged.intent_id or "pi_unknown"
    await cards.charge(client, settings, Row("again", PAID, retries=1), PAID)
    await cards.look(client, intent_id)
    session_id, _ = await checkouts.open_page(client, settings, Row("top-up", Decimal(25), ""))
    await checkouts.look(client, session_id)
    refund = Row("refund", PAID, refund_of="purchase")
    made = await card_refunds.refund(client, refund, intent_id, PAID)
    await card_refunds.look(client, made.intent_id or "re_unknown")
    await cards.close(client)
    return bodies


def kind(value: object) -> str:
    """The JSON type of a value."""
    names = {dict: "object", list: "array", str: "string", bool: "bool", int: "number"}
    return NULLABLE if value is None else names.get(type(value), type(value).__name__)


def differences(path: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Fields of the double that stripe-mock does not have, or has with another type."""
    found = [f"{path}: {name} is unknown" for name in ours if name not in theirs]
    for name in ours.keys() & theirs.keys():
        pair = {kind(ours[name]), kind(theirs[name])}
        if NULLABLE not in pair and len(pair) > 1:
            found.append(f"{path}: {name} is {pair}")
    return found


async def main(url: str) -> int:
    """Compare; the number of differences."""
    async with serving(StripeDouble()) as double:
        ours = await answers(double, KEY)
    theirs = await answers(url, "sk_test_123")
    wrong = [line for path in ours for line in differences(path, ours[path], theirs[path])]
    lines = [
        f"{path}: {len(ours[path].keys() & theirs[path].keys())} of {len(ours[path])} fields;"
        f" stripe-mock has {len(theirs[path])}"
        for path in ours
    ]
    lines += wrong or [f"no differences, with the library stripe {stripe.VERSION}"]
    sys.stdout.write("\n".join(lines) + "\n")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
