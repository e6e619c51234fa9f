"""Which addresses may be called, and how a URL is read."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import HttpUrl, TypeAdapter, ValidationError

from chassis.outbound import AddressRefused, Hosts, parse
from chassis.outbound.addresses import NEVER, WHEN_PERMITTED, Address, Network, allowed, refused

ANY: st.SearchStrategy[Address] = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


def networks(kinds: tuple[tuple[str, tuple[Network, ...]], ...]) -> list[Network]:
    return [network for _, found in kinds for network in found]


def within(found: list[Network]) -> st.SearchStrategy[Address]:
    return st.sampled_from(found).flatmap(
        lambda net: st.integers(int(net[0]), int(net[-1])).map(
            lambda n: IPv4Address(n) if net.version == 4 else IPv6Address(n)
        )
    )


def embedded(inner: IPv4Address) -> list[IPv6Address]:
    """An IPv4 address in every form in which an IPv6 one holds it."""
    n = int(inner)
    return [
        IPv6Address((0xFFFF << 32) | n),
        IPv6Address(n),
        IPv6Address(int(IPv6Address("64:ff9b::")) | n),
        IPv6Address(int(IPv6Address("64:ff9b:1::")) | n),
        IPv6Address(int(IPv6Address("2002::")) | n << 80),
        IPv6Address(int(IPv6Address("2001::")) | (n ^ 0xFFFF_FFFF)),
    ]


@given(ANY)
def test_what_may_be_called_is_reached_by_the_whole_internet(address: Address) -> None:
    if refused(address) is not None:
        return
    inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    if isinstance(address, IPv6Address) and address in embedded(inner):
        address = inner
    assert address.is_global
    assert not address.is_multicast
    assert not address.is_link_local


@given(st.ip_addresses(v=4))
def test_public_addresses_of_ipv4_may_be_called(address: IPv4Address) -> None:
    special = [n for n in networks((*NEVER, *WHEN_PERMITTED)) if isinstance(n, IPv4Network)]
    assert (refused(address) is None) == (not any(address in network for network in special))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1", "2a00:1450::8a"])
def test_well_known_places_may_be_called(address: str) -> None:
    assert refused(ip_address(address)) is None


@given(within(networks((*NEVER, *WHEN_PERMITTED))))
def test_special_networks_may_not_be_called_in_any_form(address: Address) -> None:
    assert refused(address) is not None
    if isinstance(address, IPv4Address):
        assert all(refused(form) is not None for form in embedded(address))


@given(within(networks(WHEN_PERMITTED)))
def test_a_permitted_host_may_be_in_a_private_network(address: Address) -> None:
    never = any(address.version == net.version and address in net for net in networks(NEVER))
    assert (refused(address, permitted=True) is None) == (not never)


@given(within(networks(NEVER)))
def test_some_addresses_may_not_be_called_even_if_permitted(address: Address) -> None:
    assert refused(address, permitted=True) is not None


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "a loopback address"),
        ("::1", "a loopback address"),
        ("10.1.2.3", "a private address"),
        ("100.64.0.1", "a private address"),
        ("fd12::1", "a private address"),
        ("169.254.169.254", "the metadata address of a cloud"),
        ("100.100.100.200", "the metadata address of a cloud"),
        ("fd00:ec2::254", "the metadata address of a cloud"),
        ("169.254.1.1", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("0.0.0.0", "an unspecified address"),  # noqa: S104  (nothing listens on it)
        ("224.0.0.1", "a multicast address"),
        ("255.255.255.255", "a reserved address"),
        ("192.0.2.1", "an address for examples"),
        ("::ffff:10.0.0.1", "a private address"),
    ],
)
def test_a_refusal_says_what_the_address_is(address: str, kind: str) -> None:
    assert refused(ip_address(address)) == kind


def test_one_refused_address_refuses_a_name_and_is_not_told() -> None:
    place = parse("https://agent.example")
    assert allowed(place, ["8.8.8.8", "8.8.4.4"], permitted=False) == ["8.8.8.8", "8.8.4.4"]
    with pytest.raises(AddressRefused) as caught:
        allowed(place, ["8.8.8.8", "10.11.12.13"], permitted=False)
    assert caught.value.why == "agent.example leads to a private address"


@given(st.ip_addresses())
def test_an_address_is_read_as_its_usual_form_alone(address: Address) -> None:
    host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    place = parse(f"http://{host}:8080/x")
    assert (place.address, place.host, place.port) == (address, str(address), 8080)
    assert parse(place.url) == place


NO_PLAIN_URLS = [
    "http://2130706433",
    "http://0177.0.0.1",
    "http://0x7f.0.0.1",
    "http://0x7f000001",
    "http://127.1",
    "http://127.0.0.1.",
    "http://127.0.0.01",
    "http://256.1.1.1",
    "http://[::1",
    "http://[::1%25lo]",
    "http://[127.0.0.1]",
    "http://[v1.x]",
    "http://localhost.",
    "http://agent..example",
    "http://-.0",
    "http://\uff11\uff12\uff17.0.0.1",
    "http://b\u00fccher.example",
    "http://%31%32%37.0.0.1",
    "http://me@agent.example",
    "http://me:secret@agent.example",
    "http://agent.example?x",
    "http://agent.example/#x",
    "http://agent.example\\x",
    "http://agent.example/a b",
    "http://agent.example/\r\nx",
    "http://agent.example:0",
    "http://agent.example:65536",
    "http://agent.example:x",
    "http://agent.example:",
    "http://",
    "http:agent.example",
    "//agent.example",
    "ftp://agent.example",
    "file:///etc/hosts",
    "agent.example",
    "",
    "http://" + "a" * 64 + ".example",
    "http://" + "a." * 127 + "example",
]


@pytest.mark.parametrize("url", NO_PLAIN_URLS)
def test_what_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        parse(url)


URLS = st.from_regex(
    r"\Ahttps?://[a-z0-9_-]{1,9}(\.[a-z0-9_-]{1,9}){0,3}(:[0-9]{1,5})?(/[a-z0-9._~%!@:-]{0,9}){0,2}\Z"
)


@given(st.one_of(URLS, st.text(max_size=40).map("http://".__add__)))
def test_a_url_is_read_as_others_read_it(url: str) -> None:
    try:
        place = parse(url)
    except AddressRefused:
        return
    theirs = urlsplit(url)
    assert (place.scheme, place.host) == (theirs.scheme, theirs.hostname)
    assert place.port == (theirs.port or {"http": 80, "https": 443}[theirs.scheme])
    assert place.path == theirs.path
    assert parse(place.url).host == place.host
    strictest = HttpUrl(place.url)
    assert (strictest.host, strictest.port) == (place.host, place.port)


def test_hosts_are_named_as_urls_are_written() -> None:
    hosts = TypeAdapter(Hosts).validate_python(" localhost, 127.0.0.1,mock_busy, ::1 ,[fd00::1],,")
    assert hosts == ("localhost", "127.0.0.1", "mock_busy", "::1", "fd00::1")


@pytest.mark.parametrize("wrong", ["*", "10.0.0.0/8", "http://localhost", "localhost:80", "a b"])
def test_what_is_no_host_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ValidationError, match="neither the name of a host nor an IP address"):
        TypeAdapter(Hosts).validate_python(f"localhost,{wrong}")
