"""Payments as the API shows them: with the wallet, its statement, and receipts."""

from decimal import Decimal

from contracts.api.amounts import Number, SignedNumber, SumNumber
from contracts.ledger import EntryView, WalletView
from contracts.ledger import Receipt as ReceiptView
from contracts.ledger import ReceiptLine as ReceiptLineView
from contracts.payment import BazaarBucksPaymentView, StripePaymentView


class BazaarBucksPayment(BazaarBucksPaymentView):
    """A payment in BazaarBucks, as GET /api/payments/bazaarbucks lists it."""

    amount: Number


class StripePayment(StripePaymentView):
    """A card payment, as GET /api/payments/stripe lists it."""

    amount: Number


class Wallet(WalletView):
    """A wallet, as GET /api/wallet shows it."""

    posted: SumNumber
    held: SumNumber
    available: SumNumber
    owed: SumNumber = Decimal(0)


class LedgerEntry(EntryView):
    """A line of a statement, as GET /api/ledger lists it; negative leaves the account."""

    amount: SignedNumber


class ReceiptLine(ReceiptLineView):
    """A step on a receipt."""

    quoted: Number
    held: Number
    charged: Number
    fee: Number
    refunded: Number
    external: Number
    list_price: Number | None = None
    billed: Number | None = None
    paid: Number | None = None


class Receipt(ReceiptView):
    """A task's receipt, as GET /api/tasks/{id}/receipt shows it."""

    lines: list[ReceiptLine]  # type: ignore[assignment]  # lines with numbers
    charged: SumNumber
    fee: SumNumber
    refunded: SumNumber
    external: SumNumber
    total: SumNumber
    remaining: SumNumber | None = None
