"""What callers send to the gateway: bodies whose members are all known, with their real limits.

One module for each capability; this is the table of contents.
"""

from contracts.bodies.agents import (
    GivenCredential,
    Import,
    Listed,
    ListedBilling,
    ListingChange,
    NewListing,
    Suspension,
)
from contracts.bodies.amounts import AskedCents, AskedMoney, AskedPaid
from contracts.bodies.base import Body, Label, MaybeId, Skill, Words
from contracts.bodies.chat import ChatInput
from contracts.bodies.disputes import Decision, DisputeNote, NewDispute
from contracts.bodies.hooks import NewPush, NewWebhook, Replay
from contracts.bodies.payments import CardRefund, NewPayment, OpenCheckout, Refund
from contracts.bodies.selling import Destination, NewPayout
from contracts.bodies.spending import NewKey, NewSession
from contracts.bodies.tasks import Invocation, NewQuote, NewTask, Stars

__all__ = [
    "AskedCents",
    "AskedMoney",
    "AskedPaid",
    "Body",
    "CardRefund",
    "ChatInput",
    "Decision",
    "Destination",
    "DisputeNote",
    "GivenCredential",
    "Import",
    "Invocation",
    "Label",
    "Listed",
    "ListedBilling",
    "ListingChange",
    "MaybeId",
    "NewDispute",
    "NewKey",
    "NewListing",
    "NewPayment",
    "NewPayout",
    "NewPush",
    "NewQuote",
    "NewSession",
    "NewTask",
    "NewWebhook",
    "OpenCheckout",
    "Refund",
    "Replay",
    "Skill",
    "Stars",
    "Suspension",
    "Words",
]
