"""Bodies of those who sell: payouts, and where they go."""

from contracts.base import Id
from contracts.bodies.amounts import AskedCents
from contracts.bodies.base import Body, such_as
from contracts.selling import StripeAccount


class NewPayout(Body, json_schema_extra=such_as(amount=12.5)):
    """Body of POST /api/seller/payouts; all that is available without an amount."""

    amount: AskedCents | None = None
    payout_id: Id | None = None


class Destination(Body, json_schema_extra=such_as(destination="acct_1032D82eZvKYlo2C")):
    """Body of PUT /api/seller/destination."""

    destination: StripeAccount
