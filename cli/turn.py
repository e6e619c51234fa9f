"""One wish at HubChat, told as it is worked on, until its answer is there."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from chassis.endings import end
from cli.api import MOST_AT_ONCE, bearer, reached
from cli.config import Config
from cli.errors import Code, Failed, refused
from deploy.local.answers import AskError, body_of
from deploy.local.following import Tell, follow
from deploy.local.interrupting import Left, Paused, interruptible
from deploy.local.telling import Telling

TIMEOUT_SECONDS = 180.0
REQUEST_SECONDS = 60.0

Json = dict[str, Any]


def ask(config: Config, body: Json, heard: Tell, write: Callable[[str], None]) -> None:
    """Post to HubChat and tell the turn as it goes, until it ends.

    Args:
        config: where the gateway is, and who asks.
        body: of the POST, with `content`.
        heard: told each event.
        write: told what people read, with its line ends.

    Raises:
        Failed: there is no answer, or the person went away.
    """
    try:
        with reached(config.url):
            asyncio.run(_ask(config, body, heard, Paused(write)))
    except Left as error:
        raise Failed(str(error), Code.INTERRUPTED) from None
    except AskError as error:
        raise refused(error) from None


async def _ask(config: Config, body: Json, heard: Tell, out: Paused) -> None:
    async with httpx.AsyncClient(
        base_url=config.url, headers=bearer(config), timeout=REQUEST_SECONDS, trust_env=False
    ) as api:
        agents = body_of(await api.get("/api/agents", params={"limit": MOST_AT_ONCE}))
        telling = Telling({agent["id"]: agent["name"] for agent in agents}, out.write)
        turn: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def tell(event: Json) -> None:
            telling.tell(event)
            heard(event)

        async def told() -> None:
            await follow(api, body, tell, TIMEOUT_SECONDS, turn)

        following = asyncio.create_task(told())
        try:
            await interruptible(api, following, turn, out)
        finally:
            await end(following)
