"""Follows a turn of HubChat while it happens, by the gateway's stream of events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

from deploy.local.answers import AskError, body_of

STREAM = "/api/hubchat/stream"
SILENCE_SECONDS = 60.0
RETRY_SECONDS = 0.5

Json = dict[str, Any]
Tell = Callable[[Json], None]


async def follow(
    api: httpx.AsyncClient,
    body: Json,
    tell: Tell,
    seconds: float,
    turn: asyncio.Future[str] | None = None,
) -> Json:
    """Posts to HubChat and tells every event of the turn; the last one, `turn.completed`.

    Args:
        api: at the gateway.
        body: of the POST, with `content`.
        tell: told each event, as the stream has it.
        seconds: to wait for the end.
        turn: told the turn's id, as soon as that is known.

    Raises:
        AskError: the gateway refused or sent no events, or there was no end in time.
        httpx.HTTPError: the gateway is not there.
    """
    opened = asyncio.Event()
    reading = asyncio.create_task(_read(api, body["content"], opened, tell, turn))
    opening = asyncio.create_task(opened.wait())
    posting = None
    try:
        await asyncio.wait({reading, opening}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            return reading.result()
        posting = asyncio.create_task(_post(api, body))
        await asyncio.wait({reading, posting}, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        if posting.done():
            posting.result()
        if not reading.done():
            raise AskError(f"There was no answer within {seconds:g} s; it will be in the chat.")
        return reading.result()
    finally:
        tasks = [task for task in (reading, opening, posting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _post(api: httpx.AsyncClient, body: Json) -> None:
    body_of(await api.post("/api/hubchat/message", json=body))


async def _read(
    api: httpx.AsyncClient,
    question: str,
    opened: asyncio.Event,
    tell: Tell,
    turn: asyncio.Future[str] | None,
) -> Json:
    """Reads until the end of the turn that the question began; connects again when cut off."""
    headers: dict[str, str] = {}
    turn_id = None
    while True:
        try:
            timeout = httpx.Timeout(api.timeout.connect, read=SILENCE_SECONDS)
            async with api.stream("GET", STREAM, headers=headers, timeout=timeout) as response:
                if not response.is_success:
                    await response.aread()
                    body_of(response)
                async for line in _lines(response):
                    opened.set()
                    name, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    if name == "id" and value.isascii():
                        headers["Last-Event-ID"] = value
                    event = _event(value) if name == "data" else {}
                    turn_id = turn_id or _begun(event, question)
                    if turn is not None and turn_id is not None and not turn.done():
                        turn.set_result(turn_id)
                    if turn_id is None or event.get("turnId") != turn_id:
                        continue
                    tell(event)
                    if event["type"] == "turn.completed":
                        return event
        except httpx.TransportError:
            if not opened.is_set():
                raise
        await asyncio.sleep(RETRY_SECONDS)


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    """The lines of a stream of events: what a text of it has besides line feeds ends no line."""
    rest = b""
    async for piece in response.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode(errors="replace")


def _event(data: str) -> Json:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise AskError("The gateway sent what is no event; the answer will be in the chat.")
    return event


def _begun(event: Json, question: str) -> str | None:
    """The turn that an event begins with the question; None for all others."""
    data = event.get("data") or {}
    begins = event.get("type") == "message.posted" and data.get("role") == "user"
    return str(data["turnId"]) if begins and data.get("content") == question else None
