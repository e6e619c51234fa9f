"""The card of an A2A agent: where it is, and what of it is needed to list and to call the agent.

Cards of wire 0.3 and 1.0 are read, in any patch version. What is not known is left alone: it is
the agent's own affair, and the library's parser takes neither more nor less for it.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from jiter import from_json
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from chassis.outbound import CallError, Limits, Outbound, Request, TooSlow, parse

Wire = Literal["0.3", "1.0"]
Binding = Literal["JSONRPC", "HTTP+JSON"]

PLACES = ("/.well-known/agent-card.json", "/.well-known/agent.json")
MAX_CARD_BYTES = 256 * 1024
PIECES = 256
MOST_SKILLS = 100
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\..{0,20})?", re.ASCII)
_WIRES: dict[tuple[int, int], Wire] = {(0, 3): "0.3"}


class NoCard(Exception):
    """There is no card at a place, or one that cannot be used; the text is a sentence."""


def _some(said: Any) -> Any:
    """What is no list counts as none: a stranger's card is read for what is there."""
    return said[:MOST_SKILLS] if isinstance(said, list) else []


def _word(said: Any) -> Any:
    return said if isinstance(said, str) else ""


Text = Annotated[str, BeforeValidator(_word)]
Texts = Annotated[list[Text], BeforeValidator(_some)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, alias_generator=to_camel)


class Skill(_Part):
    """One skill, as far as it can be shown."""

    id: Text = ""
    name: Text = ""
    description: Text = ""
    tags: Texts = []


class _Interface(_Part):
    url: Text = ""
    protocol_binding: Text = ""
    transport: Text = ""
    protocol_version: Text = ""
    tenant: Text = ""


class _Capabilities(_Part):
    streaming: Annotated[bool, BeforeValidator(lambda said: said is True)] = False
    push_notifications: Annotated[bool, BeforeValidator(lambda said: said is True)] = False


class _Card(_Part):
    name: str = Field(min_length=1)
    description: Text = ""
    url: Text = ""
    preferred_transport: Text = ""
    protocol_version: Text = ""
    supported_interfaces: Annotated[list[_Interface], BeforeValidator(_some)] = []
    additional_interfaces: Annotated[list[_Interface], BeforeValidator(_some)] = []
    skills: Annotated[list[Skill], BeforeValidator(_some)] = []
    capabilities: Annotated[
        _Capabilities, BeforeValidator(lambda said: said if isinstance(said, dict) else {})
    ] = _Capabilities()


@dataclass(frozen=True, slots=True)
class Interface:
    """Where and how an agent is called."""

    url: str
    binding: Binding
    wire: Wire
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What an A2A agent says of itself.

    Attributes:
        interface: the one that it is called by.
        streaming: whether it tells of its work while it does it.
        pushes: whether it can call back.
    """

    name: str
    description: str
    skills: tuple[Skill, ...]
    interface: Interface
    streaming: bool
    pushes: bool


def places(url: str) -> list[str]:
    """Where the card of an agent at `url` may be: the URL itself, under its path, at its origin.

    Raises:
        AddressRefused: it is no URL that may be called.
    """
    place = parse(url)
    path = place.path.rstrip("/")
    found = [url] if path.endswith(".json") else []
    bare = place.url.removesuffix(place.path or "/")
    for under in dict.fromkeys((path, "")):
        found += [f"{bare}{under}{well_known}" for well_known in PLACES]
    return list(dict.fromkeys(found))


def read_card(body: bytes) -> Card:
    """A card as it was sent.

    Raises:
        NoCard: it is none, or none of an agent that can be called.
    """
    try:
        said = from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
        card = _Card.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "card"
        raise NoCard(f"What is there is no agent card: {where}: {first['msg']}.") from None
    except (ValueError, RecursionError):
        raise NoCard("What is there is not JSON.") from None
    usable = sorted(_usable(card), key=lambda one: (one.wire != "1.0", one.binding != "JSONRPC"))
    if not usable:
        raise NoCard(
            "The agent's card names no interface that can be called: JSONRPC or HTTP+JSON of A2A"
            " 1.x or 0.3."
        )
    capabilities = card.capabilities
    return Card(
        name=card.name,
        description=card.description,
        skills=tuple(card.skills),
        interface=usable[0],
        streaming=capabilities.streaming,
        pushes=capabilities.push_notifications,
    )


def _usable(card: _Card) -> Iterator[Interface]:
    for one in card.supported_interfaces:
        yield from _interface(one.url, one.protocol_binding, one.protocol_version, one.tenant)
    if card.url:
        version = card.protocol_version or "0.3"
        yield from _interface(card.url, card.preferred_transport or "JSONRPC", version)
        for one in card.additional_interfaces:
            yield from _interface(one.url, one.transport, version)


def _interface(url: str, binding: str, version: str, tenant: str = "") -> Iterator[Interface]:
    found = _VERSION.fullmatch(version or "1.0")
    wire: Wire | None = None
    if found is not None:
        major, minor = int(found[1]), int(found[2])
        wire = "1.0" if major == 1 else _WIRES.get((major, minor))
    if wire is None or not url:
        return
    if (upper := binding.upper()) == "JSONRPC":
        yield Interface(url, "JSONRPC", wire, tenant)
    elif upper == "HTTP+JSON":
        yield Interface(url, "HTTP+JSON", wire, tenant)


async def find_card(http: Outbound, url: str, timeout_s: float) -> Card:
    """The card of the agent at `url`, from the first place that has one.

    Raises:
        NoCard: there is none, with what is wrong at the place that had the most to say.
        CallError: no place could be asked.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _first_card(http, url, Limits(timeout_s, MAX_CARD_BYTES, pieces=PIECES))
    except TimeoutError:
        raise TooSlow("it is too slow") from None


async def _first_card(http: Outbound, url: str, limits: Limits) -> Card:
    wrong: NoCard | None = None
    unasked: CallError | None = None
    for place in places(url):
        try:
            said = await http.send(Request("GET", place, {}), limits)
        except CallError as error:
            unasked = error
            continue
        if said.status != HTTPStatus.OK:
            wrong = wrong or NoCard(f"{place} answers with status {said.status}.")
            continue
        try:
            return read_card(said.body)
        except NoCard as error:
            wrong = NoCard(f"{place}: {error}")
    if wrong is None and unasked is not None:
        raise unasked
    raise wrong or NoCard(f"{url} has no agent card.")
