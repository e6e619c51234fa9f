"""Asking agents about themselves over HTTP, within limits of time and size."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic_core import from_json

from contracts.errors import BadAnswer

PROBE_TIMEOUT_S = 2.0
LISTING_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_SCHEMA_BYTES = 16 * 1024


def client() -> httpx.AsyncClient:
    """A client that opens a connection per question: an idle one that the agent just closed
    would look like an agent that fails.
    """  # noqa: D205  (one sentence)
    return httpx.AsyncClient(
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        timeout=LISTING_TIMEOUT_S,
        trust_env=False,
    )


@dataclass(frozen=True, slots=True)
class Health:
    """What an agent's /health says: its load in percent, and whether it negotiates, if it does."""

    load: int | None = None
    negotiable: bool | None = None


async def ask_health(http: httpx.AsyncClient, url: str) -> Health:
    """What an agent says about itself at this moment.

    Raises:
        BadAnswer: no answer in time, or not a success.
    """
    body = await _get(http, f"{url}/health", PROBE_TIMEOUT_S)
    try:
        said = _object(body)
    except ValueError:
        return Health()
    negotiable = said.get("negotiable")
    return Health(_percent(said.get("load")), negotiable if isinstance(negotiable, bool) else None)


def _percent(load: Any) -> int | None:
    if isinstance(load, bool) or not isinstance(load, (int, float)) or load < 0:
        return None
    return min(100, round(load))


async def ask_info(
    http: httpx.AsyncClient, url: str, timeout_s: float = PROBE_TIMEOUT_S
) -> dict[str, Any]:
    """What an agent says about itself.

    Raises:
        BadAnswer: no answer in time, not a success, or not a JSON object.
    """
    body = await _get(http, f"{url}/info", timeout_s)
    try:
        return _object(body)
    except ValueError:
        raise BadAnswer(f"What {url}/info answers is not a JSON object.") from None


def interface(info: dict[str, Any]) -> dict[str, Any]:
    """How an agent is called, by its /info, as columns of its listing.

    A schema that is no object, too large, or not storable (it has a NUL) counts as none.
    """
    schema = info.get("input_schema")
    text = json.dumps(schema)
    usable = isinstance(schema, dict) and len(text) <= MAX_SCHEMA_BYTES and r"\u0000" not in text
    return {
        "input_schema": schema if usable else None,
        "negotiable": info.get("negotiable") is True,
        "info_known": True,
    }


async def _get(http: httpx.AsyncClient, url: str, timeout_s: float) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s), http.stream("GET", url) as response:
            if not response.is_success:
                raise BadAnswer(f"{url} answers with status {response.status_code}.")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise BadAnswer(f"{url} answers with more than {MAX_ANSWER_BYTES} bytes.")
    except TimeoutError:
        raise BadAnswer(f"{url} does not answer within {timeout_s:g} s.") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise BadAnswer(f"{url} cannot be reached: {str(error) or type(error).__name__}.") from None
    return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    found = from_json(body, allow_inf_nan=False)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  (it is the value that is wrong)
    return found
