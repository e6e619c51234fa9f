"""What a 402 says of how it is paid: x402's header, and MPP's challenge."""

from datetime import datetime, timedelta

from mpp import Challenge
from x402.http.utils import encode_payment_required_header
from x402.schemas import PaymentRequired, ResourceInfo

from payment_svc.machine.signed import MPP_INTENT, MPP_METHOD, Shop
from payment_svc.machine.terms import STANDS_S

CREDENTIAL = "Payment-Authorization"
"""Where MPP's credential comes: `Authorization` has who asks."""


def headers_of(
    shop: Shop, units: int, resource: str, now: datetime, error: str | None = None
) -> dict[str, str]:
    """The headers that ask for so many units of the token.

    Args:
        shop: what is taken.
        units: of the token.
        resource: what is asked for, as a URL.
        now: when.
        error: why what came was not taken.
    """
    required = PaymentRequired(
        error=error or "Payment is required.",
        resource=ResourceInfo(url=resource, service_name="AgentBazaar"),
        accepts=[shop.token.requirements(units, shop.payee)],
    )
    found = {"PAYMENT-REQUIRED": encode_payment_required_header(required)}
    if shop.secret is not None:
        found["WWW-Authenticate"] = _challenge(shop, shop.secret, units, now)
    return found


def _challenge(shop: Shop, secret: str, units: int, now: datetime) -> str:
    until = (now + timedelta(seconds=STANDS_S)).replace(microsecond=0)
    token = shop.token
    request = {
        "amount": str(units),
        "currency": token.asset,
        "recipient": shop.payee,
        "methodDetails": {
            "chainId": token.chain_id,
            "credentialTypes": ["authorization"],
            "decimals": token.decimals,
        },
    }
    made = Challenge.create(
        secret_key=secret,
        realm=shop.realm,
        method=MPP_METHOD,
        intent=MPP_INTENT,
        request=request,
        expires=until.isoformat().replace("+00:00", "Z"),
        header=CREDENTIAL,
    )
    return made.to_www_authenticate(shop.realm)
