"""The search agent: the web where it can be reached, else the texts that it has on disk."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Annotated

from fastapi import FastAPI
from pydantic import Field

from agents.engines.fulltext import Hit, TextIndex
from agents.engines.web import search_web
from agents.errors import UnavailableError
from agents.service import Agent, Answer, Payload, Text, build_app, number
from agents.settings import Settings

PRICE = Decimal("0.08")
EXTERNAL_PRICE_PER_RESULT = Decimal("0.01")
NUM_RESULTS = 5
OFFLINE_SECONDS = 300.0
"""After a failure the web is left alone for so long, and calls stay fast."""
WEB = "ddgs"
LOCAL = "local-index"


class SearchPayload(Payload):
    """What to look for."""

    query: Annotated[Text, Field(max_length=1000, description="What to look for.")]
    num_results: Annotated[int, Field(ge=1, le=20, description="At most so many results.")] = (
        NUM_RESULTS
    )


def build(
    settings: Settings,
    *,
    web: Callable[[str, int], Awaitable[list[Hit]]] = search_web,
    clock: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The service; `web` and `clock` (seconds) can be given so that a test decides them.

    `web` raises UnavailableError when it cannot be reached.
    """
    mode = settings.search_engine
    index = TextIndex(settings.search_corpus)
    offline_until = clock()

    async def find(payload: SearchPayload) -> tuple[str, list[Hit]]:
        nonlocal offline_until
        if mode == "web" or (mode == "auto" and clock() >= offline_until):
            try:
                return WEB, await web(payload.query, payload.num_results)
            except UnavailableError:
                if mode == "web":
                    raise
                offline_until = clock() + OFFLINE_SECONDS
        return LOCAL, await asyncio.to_thread(index.search, payload.query, payload.num_results)

    async def execute(payload: SearchPayload) -> Answer:
        engine_used, found = await find(payload)
        hits = [hit for hit in found if hit.fits]
        searched = {
            WEB: "the web, through the ddgs metasearch",
            LOCAL: f"a local index of {index.size} texts, not the web",
        }
        return Answer(
            result=report(payload.query, hits or found, searched[engine_used]),
            cost=PRICE,
            subtask_type="search",
            engine=engine_used,
            requires_external_tool=True,
            external_cost=EXTERNAL_PRICE_PER_RESULT * len(hits),
            vendor=engine_used,
        )

    async def engine() -> str:
        if mode == "local" or (mode == "auto" and clock() < offline_until):
            return LOCAL
        return WEB if mode == "web" else f"{WEB}, else {LOCAL}"

    return build_app(
        Agent(
            agent_type="search",
            name="Search Agent",
            description="Finds sources on a question and lists them with their telling parts.",
            skills=("search", "research", "synthesis", "citation"),
            base_price=PRICE,
            billing={
                "mode": "fixed",
                "purchases": number(EXTERNAL_PRICE_PER_RESULT),
                "purchases_of": "num_results",
                "purchases_default": NUM_RESULTS,
            },
            payload=SearchPayload,
            execute=execute,
            engine=engine,
        )
    )


def report(query: str, hits: list[Hit], searched: str) -> str:
    """The hits as a text, one paragraph each, closing with what was searched.

    Hits that do not fit are told as such: nothing was found, and these are only near.
    """
    lines = [
        f"{place}. {hit.title}: {hit.snippet} (source: {hit.source})"
        for place, hit in enumerate(hits, start=1)
    ]
    if not any(hit.fits for hit in hits):
        near = " The nearest may be about something else:" if hits else ""
        lines = [f'No results for "{query.strip()}".{near}', *lines]
    return "\n\n".join([*lines, f"Searched: {searched}."])
