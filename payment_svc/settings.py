"""The payment service's environment."""

from decimal import Decimal

from chassis.settings import ServiceSettings
from contracts.base import Money
from contracts.envelope import DEFAULT_ACCOUNT


class Settings(ServiceSettings):
    """Beside what every service reads.

    Attributes:
        wallet_account: the account whose wallet is opened at first start.
        wallet_grant: BazaarBucks that it is opened with.
    """

    wallet_account: str = DEFAULT_ACCOUNT
    wallet_grant: Money = Decimal(100)
