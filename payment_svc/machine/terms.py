"""In what, and to whom, machines pay: a token that the x402 library knows, and our address."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from x402.mechanisms.evm.default_assets import get_default_asset
from x402.mechanisms.evm.utils import get_asset_info, get_evm_chain_id, is_valid_address
from x402.schemas import PaymentRequirements

from payment_svc.machine import amounts

SCHEME = "exact"
STANDS_S = 300
"""Seconds for which what was asked for may be signed."""


class BadTerms(ValueError):
    """Machine payments cannot be configured so; the message says why."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose transfers are authorized by a signature (EIP-3009).

    Attributes:
        network: in CAIP-2, such as eip155:84532.
        chain_id: its number there.
        asset: the address of its contract.
        name: with `version`, what signatures name it by (EIP-712).
        decimals: how many units are one, as a power of ten.
        rate: BazaarBucks that one buys.
    """

    network: str
    chain_id: int
    asset: str
    name: str
    version: str
    decimals: int
    rate: Decimal

    def worth(self, units: int) -> Decimal:
        """BazaarBucks that so many units are credited with."""
        return amounts.worth(units, self.decimals, self.rate)

    def price_of(self, units: int) -> Decimal:
        """BazaarBucks that so many units cost who is charged for them."""
        return amounts.price_of(units, self.decimals, self.rate)

    def units_for(self, amount: Decimal) -> int:
        """The fewest units that are worth so many BazaarBucks."""
        return amounts.units_for(amount, self.decimals, self.rate)

    def units_within(self, amount: Decimal) -> int:
        """The most units that cost no more BazaarBucks."""
        return amounts.units_within(amount, self.decimals, self.rate)

    def requirements(self, units: int, pay_to: str) -> PaymentRequirements:
        """What x402 calls it to ask for so many units."""
        extra: dict[str, Any] = {"name": self.name, "version": self.version}
        return PaymentRequirements(
            scheme=SCHEME,
            network=self.network,
            asset=self.asset,
            amount=str(units),
            pay_to=pay_to,
            max_timeout_seconds=STANDS_S,
            extra=extra,
        )


def token_of(network: str, asset: str, rate: Decimal) -> Token:
    """A token of a network; the network's own stablecoin when none is named.

    Raises:
        BadTerms: the x402 library does not know it, or it takes no such signatures.
    """
    try:
        chain_id = get_evm_chain_id(network)
        info = get_asset_info(network, asset or get_default_asset(network)["asset"])
    except ValueError as error:
        raise BadTerms(str(error)) from None
    if info.get("asset_transfer_method"):
        raise BadTerms(f"{info['name']} of {network} is not paid by EIP-3009 signatures.")
    return Token(
        network, chain_id, info["address"], info["name"], info["version"], info["decimals"], rate
    )


def address(text: str, what: str) -> str:
    """An address of this network.

    Raises:
        BadTerms: it is none.
    """
    if not is_valid_address(text):
        raise BadTerms(f"{what}: an address is 0x and 40 hexadecimal digits.")
    return text
