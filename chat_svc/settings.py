"""The chat service's environment."""

from decimal import Decimal

from pydantic import Field

from chassis.settings import ServiceSettings
from contracts.base import Money


class Settings(ServiceSettings):
    """Beside what every service reads.

    Attributes:
        default_budget: BazaarBucks that a turn may cost when its user does not say.
        turn_deadline_s: a turn that has no answer by then gets an honest one.
        settlement_grace_s: how long a turn whose work is over waits for its bill, at least.
        watch_s: how often overdue turns are looked for.
    """

    default_budget: Money = Decimal(1)
    turn_deadline_s: float = Field(default=120.0, gt=0)
    settlement_grace_s: float = Field(default=20.0, gt=0)
    watch_s: float = Field(default=2.0, gt=0)
