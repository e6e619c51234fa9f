"""The payment service's environment."""

from decimal import Decimal

from pydantic import Field

from chassis.settings import ServiceSettings
from contracts.base import Money
from contracts.envelope import DEFAULT_ACCOUNT


class Settings(ServiceSettings):
    """Beside what every service reads.

    Attributes:
        wallet_account: the account whose wallet is opened at first start.
        wallet_grant: BazaarBucks that it is opened with.
        platform_fee_rate: share of an agent's pay that the platform keeps, 0 to 1.
    """

    wallet_account: str = DEFAULT_ACCOUNT
    wallet_grant: Money = Decimal(100)
    platform_fee_rate: Decimal = Field(default=Decimal(0), ge=0, le=1)
