"""How much of a server connections may take, and whom they are counted for."""

import ipaddress
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

V6_SITE = 64
"""Bits of an IPv6 address that say whose it is; the rest its owner picks freely."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a connection, an address and all connections together may take.

    Attributes:
        head_s: how long the head of a request may take; a connection that is silent from its
            beginning has as long.
        rest_s: how long a body may go on that was answered before it ended, and how long what still
            comes is read after the last answer, so that this arrives.
        leaving: connections that may wait so for the caller to hang up; for one more, the one that
            has waited longest goes.
        take_s: how often it is looked whether an answer that waits is being taken.
        take_bytes: so much of it has to be taken from look to look; else the caller is cut off.
        pipelined: requests that may wait behind the one that is being answered. With more, those
            are answered and the connection is closed.
        in_all: connections at once; for one more, the one that has been idle longest goes.
        from_one: connections at once from one address.
        proxies: addresses and networks that count as many callers.
    """

    head_s: float = 10.0
    rest_s: float = 2.0
    leaving: int = 64
    take_s: float = 10.0
    take_bytes: int = 64 * 1024
    pipelined: int = 16
    in_all: int = 256
    from_one: int = 128
    proxies: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def place(address: str) -> str:
    """Whom an address is counted as: itself, or its site where somebody has a whole network.

    IPv6 hands out networks of 64 bits, so one caller could come from a new address every time.
    """
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv4Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, V6_SITE), strict=False))


def is_among(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is one of these, or in one of these networks."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(known in _network(network) for network in networks)


@cache
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def allow_files(wanted: int) -> None:
    """Let this process have so many files open, connections are some, as far as the system does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
