"""Asking agents about themselves over HTTP, within limits of time and size."""

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from jiter import from_json
from pydantic import HttpUrl

from chassis.outbound import (
    AddressRefused,
    CallError,
    Limits,
    Outbound,
    Request,
    TooMuch,
    TooSlow,
)
from contracts.errors import BadAnswer, Invalid

PROBE_TIMEOUT_S = 2.0
LISTING_TIMEOUT_S = 5.0
LOOKUP_TIMEOUT_S = 3.0
MAX_HEALTH_BYTES = 16 * 1024
MAX_INFO_BYTES = 64 * 1024
MAX_PIECES = 256
MAX_SCHEMA_BYTES = 16 * 1024
LEAST_SUCCESS, MOST_SUCCESS, FAILURES = 200, 299, 500
MOST_WAIT_S = 3600.0
"""An agent is asked again after so long, whatever it wants."""
MOST_LOAD = 100
"""Percent; an agent that says more is as busy as one can be."""


class NotAllowed(BadAnswer):
    """The agent's address may not be called; it was not."""


class AskLater(BadAnswer):
    """The agent wants to be left alone for `wait_s` seconds (its `Retry-After`)."""

    def __init__(self, text: str, wait_s: float) -> None:
        """Say what it answered, and how long it wants to be left alone."""
        super().__init__(text)
        self.wait_s = min(wait_s, MOST_WAIT_S)


def base_url(url: HttpUrl) -> str:
    """The address that `/health`, `/info` and `/execute` are appended to.

    Raises:
        Invalid: it has a query, a fragment or credentials, which would end up in the listing.
    """
    if url.query or url.fragment or url.username or url.password:
        raise Invalid("The endpoint's URL must have no query, no fragment and no credentials.")
    return str(url).rstrip("/")


def client(hosts: Collection[str]) -> Outbound:
    """A client for agents; of `hosts` the addresses may be private."""
    return Outbound(hosts)


@dataclass(frozen=True, slots=True)
class Health:
    """What an agent's /health says: its load in percent, and whether it negotiates, if it does."""

    load: int | None = None
    negotiable: bool | None = None


async def check_address(http: Outbound, url: str) -> None:
    """Whether an agent may be listed with this URL, as far as its address is concerned.

    Raises:
        Invalid: it may not.
        BadAnswer: its name has no address, or could not be looked up.
    """
    try:
        await http.judge(url, LOOKUP_TIMEOUT_S)
    except AddressRefused as refused:
        raise Invalid(
            f"The agent's URL cannot be listed: {refused.why}. An agent has a public address;"
            " a private one is taken only if AGENT_HOSTS of this marketplace names its host."
        ) from None
    except CallError as error:
        raise BadAnswer(f"{url} cannot be reached: {error.why}.") from None


async def ask_health(http: Outbound, url: str) -> Health:
    """What an agent says about itself at this moment.

    Raises:
        NotAllowed: its address may not be called.
        AskLater: no success, and it says when it may be asked again.
        BadAnswer: no answer in time, not a success, or more than may be.
    """
    limits = Limits(PROBE_TIMEOUT_S, MAX_HEALTH_BYTES, pieces=MAX_PIECES)
    body = await _get(http, f"{url}/health", limits)
    try:
        said = _object(body)
    except ValueError:
        return Health()
    negotiable = said.get("negotiable")
    return Health(_percent(said.get("load")), negotiable if isinstance(negotiable, bool) else None)


async def ask_presence(http: Outbound, url: str) -> None:
    """Whether an agent of another protocol is there: whatever it answers but a failure says so.

    Raises:
        NotAllowed: its address may not be called.
        AskLater: it fails, and says when it may be asked again.
        BadAnswer: no answer in time, or a failure of its own.
    """
    limits = Limits(PROBE_TIMEOUT_S, MAX_HEALTH_BYTES, pieces=MAX_PIECES)
    await _get(http, url, limits, most_status=FAILURES - 1)


def _percent(load: Any) -> int | None:
    if isinstance(load, bool) or not isinstance(load, (int, float)):
        return None
    return round(min(load, MOST_LOAD)) if 0 <= load < math.inf else None


async def ask_info(http: Outbound, url: str, timeout_s: float = PROBE_TIMEOUT_S) -> dict[str, Any]:
    """What an agent says about itself.

    Raises:
        NotAllowed: its address may not be called.
        BadAnswer: no answer in time, not a success, more than may be, or not a JSON object.
    """
    limits = Limits(timeout_s, MAX_INFO_BYTES, pieces=MAX_PIECES)
    body = await _get(http, f"{url}/info", limits)
    try:
        return _object(body)
    except ValueError:
        raise BadAnswer(f"What {url}/info answers is not a JSON object.") from None


def interface(info: dict[str, Any]) -> dict[str, Any]:
    """How an agent is called, by its /info, as columns of its listing.

    A schema that is no object, too large, or not storable (it has a NUL, or a number that is
    none) counts as none.
    """
    schema = info.get("input_schema")
    return {
        "input_schema": schema if isinstance(schema, dict) and storable(schema) else None,
        "negotiable": info.get("negotiable") is True,
        "info_known": True,
    }


def storable(schema: dict[str, Any]) -> bool:
    """Whether a schema can be kept: not too large, no NUL, nothing that is no number."""
    try:
        text = json.dumps(schema, allow_nan=False)
    except ValueError:
        return False
    return len(text) <= MAX_SCHEMA_BYTES and r"\u0000" not in text


async def _get(
    http: Outbound, url: str, limits: Limits, *, most_status: int = MOST_SUCCESS
) -> bytes:
    try:
        said = await http.send(Request("GET", url, {}), limits)
    except AddressRefused as refused:
        raise NotAllowed(f"{url} may not be called: {refused.why}.") from None
    except TooSlow:
        raise BadAnswer(f"{url} does not answer within {limits.total_s:g} s.") from None
    except TooMuch as error:
        raise BadAnswer(f"{url} answers with {error.why}.") from None
    except CallError as error:
        raise BadAnswer(f"{url} cannot be reached: {error.why}.") from None
    if not LEAST_SUCCESS <= said.status <= most_status:
        text = f"{url} answers with status {said.status}."
        raise AskLater(text, said.retry_after_s) if said.retry_after_s else BadAnswer(text)
    return said.body


def _object(body: bytes) -> dict[str, Any]:
    # A member that is there twice can be read in two ways.
    found = from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  (it is the value that is wrong)
    return found
