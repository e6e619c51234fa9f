"""HTTP to addresses that strangers gave: judged, pinned, bounded, and off the event loop."""

from chassis.outbound.addresses import Hosts, Place, parse
from chassis.outbound.client import Outbound
from chassis.outbound.errors import AddressRefused, CallError, TooMuch, TooSlow, Unreachable
from chassis.outbound.exchange import Answer, Limits, Listener, Request

__all__ = [
    "AddressRefused",
    "Answer",
    "CallError",
    "Hosts",
    "Limits",
    "Listener",
    "Outbound",
    "Place",
    "Request",
    "TooMuch",
    "TooSlow",
    "Unreachable",
    "parse",
]
