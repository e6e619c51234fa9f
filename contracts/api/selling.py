"""What those who sell see: what they earned, and payouts."""

from contracts.api.amounts import Number, SumNumber
from contracts.selling import EarningsLine, OnboardingLink, PayoutView, SellerView


class Seller(SellerView):
    """What an account has earned, as GET /api/seller shows it."""

    waiting: SumNumber
    available: SumNumber
    owed: SumNumber
    pending: SumNumber
    paid: SumNumber


class Onboarding(OnboardingLink):
    """A page at Stripe, as POST /api/seller/onboarding answers it."""


class Earnings(EarningsLine):
    """What an agent earned on a day, as GET /api/seller/earnings lists it."""

    charged: SumNumber
    fees: SumNumber
    refunded: SumNumber
    earned: SumNumber


class Payout(PayoutView):
    """A payout, as GET /api/seller/payouts lists it."""

    amount: Number
