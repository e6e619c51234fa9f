"""HTTP to addresses that strangers gave: judged, pinned, bounded, and off the event loop."""

from chassis.outbound.addresses import Hosts, Place, parse
from chassis.outbound.client import Outbound
from chassis.outbound.errors import AddressRefused, CallError, TooMuch, TooSlow, Unreachable
from chassis.outbound.transfers import Answer, Limits, Request

__all__ = [
    "AddressRefused",
    "Answer",
    "CallError",
    "Hosts",
    "Limits",
    "Outbound",
    "Place",
    "Request",
    "TooMuch",
    "TooSlow",
    "Unreachable",
    "parse",
]
