"""The payment service's environment."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from chassis.outbound import Hosts
from chassis.settings import ServiceSettings
from contracts.base import Id, Money
from contracts.envelope import DEFAULT_ACCOUNT
from contracts.payment import Rail
from contracts.topology import DAY_S


def _unset_when_blank(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return None if isinstance(text, str) and not text.strip() else value


def _without_last_slash(url: str) -> str:
    return url.rstrip("/")


Secret = Annotated[SecretStr | None, BeforeValidator(_unset_when_blank)]
"""Never shown in a log; a blank one counts as not set."""


class Settings(ServiceSettings):
    """Beside what every service reads.

    Attributes:
        wallet_account: the account whose wallet is opened at first start.
        wallet_grant: BazaarBucks that it is opened with.
        platform_fee_rate: share of an agent's pay that the platform keeps, from 0 to below 1: an
            agent that is paid nothing has no payment that could be shown or refunded.
        stripe_api_key: turns the real card rail on; without it the rail is simulated.
        simulated_top_up: whether a top-up on the simulated rail credits the wallet at once: money
            for trying things out, which any key with the scope `write` can have.
        stripe_webhook_secret: what webhooks are signed with; without it none is taken. Several,
            comma-separated: the endpoint for events of connected accounts has one of its own.
        stripe_api_base: where Stripe is.
        stripe_currency: what cards are charged in; one BazaarBuck is one unit of it. Only
            currencies with two decimals.
        stripe_customer: the customer at Stripe who pays for agents' purchases.
        stripe_payment_method: the stored card that pays for them.
        checkout_success_url: where Stripe sends who has topped up.
        checkout_cancel_url: where Stripe sends who has not.
        onboarding_url: where Stripe sends a seller back to, onboarded or not.
        card_poll_s: seconds between two looks for card payments and webhooks to work on.
        card_lease_s: after so many seconds without an outcome, another replica takes a payment
            over; longer than a call of Stripe may take.
        card_retry_s: seconds until the second attempt; each further one waits twice as long.
        card_retry_at_most_s: the longest wait between two attempts.
        reconcile_s: after so many seconds, the step of an open hold is asked after.
        card_look_s: after so many seconds Stripe is asked about what its webhook was to tell.
        refund_grace_s: for so many seconds a payer has a payment back without being asked why.
        payout_delay_s: after so many seconds what an agent earned can be paid out; longer than
            `refund_grace_s`.
        payout_every_s: seconds between two payouts that nobody asked for; 0 for none of them.
        payout_least: BazaarBucks of the smallest payout.
        approval_ttl_s: for so many seconds a step waits for a person's approval, then it fails.
        machine_payee: the address that machines pay to (x402, MPP); without one they pay nothing.
        machine_facilitator: the URL of who settles what they signed.
        machine_network: where they pay, in CAIP-2; Base Sepolia, a test network.
        machine_asset: the address of the token; the network's own stablecoin when it is empty.
        machine_rate: BazaarBucks that one of it buys.
        machine_node: a node of the network that is asked by JSON-RPC what became of a payment, when
            the facilitator does not say.
        machine_secret: what challenges of MPP are made with; without it there are none.
        machine_realm: what they are for.
        machine_payer_key: the private key that agents which answer 402 are paid with; without it
            they are not.
        machine_at_risk: BazaarBucks that agents may have of it in a day without a result, all of
            them; one of them a tenth.
        webhook_key: what secrets of webhooks are encrypted with; without it no webhook is made.
        webhook_hosts: hosts of webhooks whose addresses may be private.
        webhook_disable_s: a webhook that has failed for so many seconds is told nothing more.
    """

    wallet_account: Id = DEFAULT_ACCOUNT
    wallet_grant: Money = Decimal(100)
    platform_fee_rate: Decimal = Field(default=Decimal(0), ge=0, lt=1)
    stripe_api_key: Secret = None
    simulated_top_up: bool = True
    stripe_webhook_secret: Secret = None
    stripe_api_base: Annotated[str, AfterValidator(_without_last_slash)] = "https://api.stripe.com"
    stripe_currency: str = Field(
        default="usd",
        pattern=r"^(usd|eur|gbp|chf|cad|aud|nzd|sek|nok|dkk|pln|czk|sgd|hkd|mxn|brl|inr|zar)$",
    )
    stripe_customer: str = ""
    stripe_payment_method: str = "pm_card_visa"
    checkout_success_url: str = "http://localhost:8000/payments?top_up=done"
    checkout_cancel_url: str = "http://localhost:8000/payments?top_up=cancelled"
    onboarding_url: str = "http://localhost:8000/console"
    card_poll_s: float = Field(default=1.0, gt=0)
    card_lease_s: float = Field(default=60.0, gt=0)
    card_retry_s: float = Field(default=2.0, gt=0)
    card_retry_at_most_s: float = Field(default=600.0, gt=0)
    reconcile_s: float = Field(default=30.0, gt=0)
    card_look_s: float = Field(default=600.0, gt=0)
    refund_grace_s: float = Field(default=3 * DAY_S, ge=0)
    payout_delay_s: float = Field(default=7 * DAY_S, gt=0)
    payout_every_s: float = Field(default=0, ge=0)
    payout_least: Money = Decimal(1)
    approval_ttl_s: float = Field(default=600.0, gt=0)
    machine_payee: str = ""
    machine_facilitator: Annotated[str, AfterValidator(_without_last_slash)] = ""
    machine_network: str = Field(default="eip155:84532", pattern=r"^eip155:[1-9][0-9]{0,17}$")
    machine_asset: str = ""
    machine_rate: Decimal = Field(
        default=Decimal(1), gt=0, le=1_000_000, max_digits=12, decimal_places=6
    )
    machine_node: Annotated[str, AfterValidator(_without_last_slash)] = ""
    machine_secret: Secret = None
    machine_realm: str = Field(default="agentbazaar", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    machine_payer_key: Secret = None
    machine_at_risk: Money = Decimal(100)
    webhook_key: Secret = None
    webhook_hosts: Hosts = ()
    webhook_disable_s: float = Field(default=5 * DAY_S, gt=0)

    @model_validator(mode="after")
    def _paid_out_later(self) -> Self:
        if self.payout_delay_s <= self.refund_grace_s:
            raise ValueError(
                "PAYOUT_DELAY_S has to be longer than REFUND_GRACE_S: what a payer may have back"
                " is not paid out"
            )
        return self

    @model_validator(mode="after")
    def _settled_by_somebody(self) -> Self:
        if self.machine_payee and not self.machine_facilitator:
            raise ValueError("MACHINE_PAYEE needs MACHINE_FACILITATOR: somebody has to settle")
        return self

    @property
    def machine(self) -> bool:
        """Whether machines pay, or agents are paid by one."""
        return bool(self.machine_payee or self.machine_payer_key)

    @property
    def webhook_secrets(self) -> list[str]:
        """What Stripe may have signed a webhook with."""
        given = self.stripe_webhook_secret
        said = given.get_secret_value().split(",") if given else []
        return [secret.strip() for secret in said if secret.strip()]

    @property
    def rail(self) -> Rail:
        """Which rail card payments take."""
        return "stripe" if self.stripe_api_key else "simulated"
