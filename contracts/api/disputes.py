"""Disputes as the API shows them."""

from contracts.api.amounts import Number
from contracts.disputes import DisputeView


class Dispute(DisputeView):
    """A dispute, as GET /api/disputes lists it."""

    amount: Number | None = None
