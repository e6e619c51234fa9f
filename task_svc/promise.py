"""What a step may cost, as it is kept with its quote."""

from decimal import ROUND_DOWN, Decimal

from contracts.base import MAX_AMOUNT, MICRO, Model, Money


def rounded_down(amount: Decimal) -> Decimal:
    """An amount that is no more, with six decimals."""
    return min(MAX_AMOUNT, amount.quantize(MICRO, rounding=ROUND_DOWN))


class Promise(Model):
    """What a step may cost, in BazaarBucks.

    Attributes:
        work: for the agent's work, at the load of the quote; the agreed price, if there is one.
        purchases: for what it buys outside.
        tolerance: so many times that is paid.
        most: what is paid in all, at most.
        fair: what the agent may ask for; what goes beyond it is overbilled.
    """

    work: Money
    purchases: Money = Decimal(0)
    tolerance: Decimal = Decimal(1)
    most: Money
    fair: Money

    @property
    def price(self) -> Decimal:
        """What is quoted: the work with its purchases."""
        return self.work + self.purchases

    @property
    def most_work(self) -> Decimal:
        """What is paid for the work alone, at most."""
        return min(self.most, rounded_down(self.work * self.tolerance))
