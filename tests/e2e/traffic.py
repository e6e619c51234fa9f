"""A mix of wishes and calls, as many people at once would make them."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.e2e.market import OwnAgent

WISHES = (
    "Translate 'hello {n}' to Spanish",
    "Summarize: The {n} bells rang. They rang twice. Nobody heard them.",
    "Search for solar energy {n} and summarize it",
    "Summarize and translate to French: The house {n} is old. The garden is new. It is green.",
    "What agents are available?",
)
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("translator", {"text": "good morning {n}", "target_language": "fr"}),
    ("search", {"query": "oceans {n}", "num_results": 3}),
    ("summarizer", {"text": "One {n}. Two. Three.", "max_length": 5}),
    ("mock_highprice", {"task": "polish {n}"}),
    ("mock_negotiator", {"task": "paint {n}", "offered_price": 0.45}),
)
Request = tuple[str, dict[str, Any]]
"""A path and the body that is posted to it."""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Outcome:
    """What came of a request; `status` None when there was no answer at all."""

    path: str
    status: int | None
    body: dict[str, Any]


def wish(kind: int) -> Request:
    """A message to HubChat that nobody else sends."""
    content = WISHES[kind % len(WISHES)].format(n=next(_numbers))
    return "/api/hubchat/message", {"content": content}


def call(kind: int) -> Request:
    """A call of an agent."""
    agent, payload = CALLS[kind % len(CALLS)]
    n = next(_numbers)
    filled = {k: v.format(n=n) if isinstance(v, str) else v for k, v in payload.items()}
    return "/api/invoke-agent", {"agentId": agent, "payload": filled}


def mixed(wishes: int, calls: int) -> list[Request]:
    """Wishes and calls of every kind."""
    return [*map(wish, range(wishes)), *map(call, range(calls))]


def wishes_for(agent: OwnAgent, count: int = 3) -> list[Request]:
    """Wishes that an agent of the test has a part in."""
    wish = {"content": f"{agent.skill} a rug and translate it to Spanish"}
    return [("/api/hubchat/message", wish)] * count


def for_agent(agent: OwnAgent, count: int = 3) -> list[Request]:
    """Wishes and calls that an agent of the test has a part in."""
    call = {"agentId": agent.id, "payload": {"text": "a rug"}}
    return [*wishes_for(agent, count), *[("/api/invoke-agent", call)] * count]


def begin(http: httpx.AsyncClient, requests: Sequence[Request]) -> "asyncio.Future[list[Outcome]]":
    """Make all requests at the same time, and go on meanwhile."""
    return asyncio.gather(*(one(http, path, body) for path, body in requests))


async def all_at_once(http: httpx.AsyncClient, requests: Sequence[Request]) -> list[Outcome]:
    """Make all requests at the same time, and wait for the outcomes."""
    return await begin(http, requests)


async def one(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Outcome:
    """Make a request, and take what comes."""
    try:
        answer = await http.post(path, json=body)
    except httpx.TransportError as error:
        return Outcome(path, None, {"error": repr(error)})
    return Outcome(path, answer.status_code, answer.json())
