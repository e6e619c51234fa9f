"""BazaarBucks and units of a token, exactly: what is left over is cut, as x402 does. No I/O."""

from decimal import ROUND_DOWN, ROUND_UP, Decimal

from contracts.base import MAX_AMOUNT, MICRO


def worth(units: int, decimals: int, rate: Decimal) -> Decimal:
    """What so many units come to when they are credited; what is below a millionth is cut.

    Args:
        units: of the token.
        decimals: how many of them are one token, as a power of ten.
        rate: BazaarBucks that one token buys.
    """
    return (Decimal(units).scaleb(-decimals) * rate).quantize(MICRO, rounding=ROUND_DOWN)


def price_of(units: int, decimals: int, rate: Decimal) -> Decimal:
    """What so many units cost who is charged for them: never less than they are worth."""
    return (Decimal(units).scaleb(-decimals) * rate).quantize(MICRO, rounding=ROUND_UP)


def units_for(amount: Decimal, decimals: int, rate: Decimal) -> int:
    """The fewest units that are worth `amount` BazaarBucks when they are credited."""
    units = int((amount / rate).scaleb(decimals).to_integral_value(ROUND_DOWN))
    while worth(units, decimals, rate) < amount:
        units += 1
    return units


def units_within(amount: Decimal, decimals: int, rate: Decimal) -> int:
    """The most units that cost no more than `amount` BazaarBucks."""
    units = int((amount / rate).scaleb(decimals).to_integral_value(ROUND_DOWN))
    while units and price_of(units, decimals, rate) > amount:
        units -= 1
    return units


def creditable(amount: Decimal) -> bool:
    """Whether an amount can be in the ledger: no less than a millionth, no more than is carried."""
    return MICRO <= amount <= MAX_AMOUNT
