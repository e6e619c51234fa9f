"""Which addresses may be called: those that the whole internet reaches, and hosts that we named.

An address that a stranger gave could lead into our own network, so that we would ask there in his
place. What is judged is never a name but every address that it leads to, and the call goes to one
of these (`chassis.outbound.transfers`), whatever the name leads to by then.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from chassis.outbound.errors import AddressRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[a-z0-9._~!$&'()*+,;=:@%/-]*)?)",
    re.ASCII | re.IGNORECASE,
)
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
MOST_PORT = 65_535


def _v4(*networks: str) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(network) for network in networks)


def _v6(*networks: str) -> tuple[IPv6Network, ...]:
    return tuple(IPv6Network(network) for network in networks)


# Written out here since `ipaddress` judges some of these differently from release to release.
NEVER: tuple[tuple[str, tuple[Network, ...]], ...] = (
    (
        "the metadata address of a cloud",
        (
            *_v4("169.254.169.254/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
            *_v6("fd00:ec2::/32", "fd20:ce::/32"),
        ),
    ),
    ("a link-local address", (*_v4("169.254.0.0/16"), *_v6("fe80::/10", "fec0::/10"))),
    ("an unspecified address", (*_v4("0.0.0.0/8"), *_v6("::/128"))),
    ("a multicast address", (*_v4("224.0.0.0/4"), *_v6("ff00::/8"))),
    (
        "a reserved address",
        (
            *_v4("192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
            *_v4("192.175.48.0/24", "240.0.0.0/4"),
            *_v6("64:ff9b:1::/48", "100::/8", "2001::/23", "2002::/16", "2620:4f:8000::/48"),
            *_v6("5f00::/16"),
        ),
    ),
    (
        "an address for examples",
        (
            *_v4("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
            *_v6("2001:db8::/32", "3fff::/20"),
        ),
    ),
)
"""What is refused even of hosts that are permitted, first match first."""

WHEN_PERMITTED: tuple[tuple[str, tuple[Network, ...]], ...] = (
    ("a loopback address", (*_v4("127.0.0.0/8"), *_v6("::1/128"))),
    (
        "a private address",
        (
            *_v4("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
            *_v4("198.18.0.0/15"),
            *_v6("fc00::/7"),
        ),
    ),
)
"""What only hosts that are permitted may lead to."""

_GLOBAL = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_TRANSLATED = IPv6Network("64:ff9b::/96")


def refused(address: Address, *, permitted: bool = False) -> str | None:
    """Why an address may not be called, as in "it is a private address"; None when it may.

    An IPv4 address inside of an IPv6 one (mapped, or NAT64's) is judged as what it is.

    Args:
        address: any, without a zone.
        permitted: whether whoever runs this permits its host to be in a private network.
    """
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return "an address with a zone"
        if address in _MAPPED or address in _TRANSLATED:
            return refused(IPv4Address(int(address) & 0xFFFF_FFFF), permitted=permitted)
    if kind := _kind(address, NEVER):
        return kind
    if kind := _kind(address, WHEN_PERMITTED):
        return None if permitted else kind
    if isinstance(address, IPv6Address) and address not in _GLOBAL:
        return "a reserved address"
    return None


def _kind(address: Address, kinds: Iterable[tuple[str, tuple[Network, ...]]]) -> str | None:
    for kind, networks in kinds:
        if any(address.version == net.version and address in net for net in networks):
            return kind
    return None


@dataclass(frozen=True, slots=True)
class Place:
    """A URL of http or https, taken apart; the host in small letters, IPv6 without brackets.

    Attributes:
        address: what the host is, when it is no name.
    """

    scheme: str
    host: str
    port: int
    path: str
    address: Address | None

    @property
    def url(self) -> str:
        """The URL, made of these parts alone."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path or '/'}"


def parse(url: str) -> Place:
    """Take a URL apart, strictly: what two readers could read in two ways is refused.

    Raises:
        AddressRefused: it is no URL of http or https; it has credentials, a query or a fragment; or
            its host is neither a name nor an address in its usual form.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise AddressRefused("it is not a plain URL like https://agent.example/path")
    scheme = found["scheme"].lower()
    port = int(found["port"] or (443 if scheme == "https" else 80))
    if not 0 < port <= MOST_PORT:
        raise AddressRefused(f"its port is not one of 1 to {MOST_PORT}")
    host, address = _host(found["host"])
    return Place(scheme, host, port, found["path"], address)


def _host(written: str) -> tuple[str, Address | None]:
    host = written.lower()
    try:
        if host.startswith("["):
            address: Address = IPv6Address(host[1:-1])
            return str(address), address
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            address = IPv4Address(host)
            return str(address), address
    except ValueError:
        raise AddressRefused(
            "its host is not an IP address in the usual form, like 93.184.215.14"
        ) from None
    if not _NAME.fullmatch(host):
        raise AddressRefused("its host is not a name like agent.example")
    return host, None


def permitted_hosts(value: object) -> object:
    """Names of hosts from a comma-separated text, as `parse` would write them.

    Raises:
        ValueError: one of them is neither the name of a host nor an IP address.
    """
    if not isinstance(value, str):
        return value
    named = (_named(name) for part in value.split(",") if (name := part.strip()))
    return tuple(dict.fromkeys(named))


def _named(written: str) -> str:
    try:
        bracketed = ":" in written and not written.startswith("[")
        return _host(f"[{written}]" if bracketed else written)[0]
    except AddressRefused:
        raise ValueError(f"{written!r} is neither the name of a host nor an IP address") from None


Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(permitted_hosts)]
"""The type of a setting that names hosts whose addresses may be private."""


def allowed(place: Place, addresses: Collection[str], *, permitted: bool) -> list[str]:
    """The addresses of a place, each of which was judged; one that is refused refuses the place.

    Raises:
        AddressRefused: with what is wrong. Of a name it does not tell the address: who asks could
            learn what is where in our network.
    """
    for written in addresses:
        why = refused(ip_address(written.partition("%")[0]), permitted=permitted)
        if "%" in written:
            why = why or "an address with a zone"
        if why is not None:
            raise AddressRefused(f"{place.host} {'is' if place.address else 'leads to'} {why}")
    return list(addresses)
