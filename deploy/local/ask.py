"""Asks HubChat from the terminal: `make ask Q="..."`, or `python -m deploy.local.ask "..."`.

What happens is told as it happens; Ctrl-C asks whether to cancel it. TASK goes on with a task,
BUDGET says what it may cost, KEY is an API key where the gateway wants one.
"""

import asyncio
import os
import sys
from typing import Any

import httpx

from chassis.endings import end
from chassis.observability.terminal import plain
from deploy.local.errors import StartError
from deploy.local.following import AskError, Tell, body_of, follow
from deploy.local.interrupting import Paused, interruptible
from deploy.local.settings import load
from deploy.local.telling import GO_ON, Telling

TIMEOUT_SECONDS = 180.0
REQUEST_SECONDS = 60.0

Json = dict[str, Any]


def main() -> int:
    """Asks the question of the command line, else of the variable Q, and prints what happens."""
    question = " ".join(sys.argv[1:]) or os.environ.get("Q", "")
    if not question.strip():
        print("""Ask something: make ask Q="Translate 'hello' to Spanish\"""", file=sys.stderr)
        return 2
    try:
        asyncio.run(ask(f"http://127.0.0.1:{load().gateway_port}", _body(question)))
    except (AskError, StartError) as error:
        print(plain(str(error)), file=sys.stderr)
        return 1
    return 0


async def ask(
    gateway: str,
    body: Json,
    *,
    key: str | None = None,
    heard: Tell | None = None,
    out: Paused | None = None,
    go_on: tuple[str, str] = GO_ON,
) -> None:
    """Posts to HubChat and prints the turn as it goes; an AskError if there is no answer.

    Args:
        gateway: where it is.
        body: of the POST, with `content`.
        key: sent along; the variable KEY without it.
        heard: told each event as well.
        out: what is told goes this way; to standard output without it.
        go_on: see `Telling`.
    """
    try:
        async with httpx.AsyncClient(
            base_url=gateway, headers=_headers(key), timeout=REQUEST_SECONDS, trust_env=False
        ) as api:
            agents = body_of(await api.get("/api/agents"))
            names = {agent["id"]: agent["name"] for agent in agents}
            told_by = out or Paused(_write)
            telling = Telling(names, told_by.write, go_on)

            def tell(event: Json) -> None:
                telling.tell(event)
                if heard is not None:
                    heard(event)

            await _follow(api, body, tell, told_by)
    except httpx.ConnectError:
        raise AskError(
            f"AgentBazaar is not running at {gateway}; start it with: make up", 0
        ) from None
    except httpx.HTTPError as error:
        raise AskError(f"{gateway} did not answer: {error!r}", 0) from None


async def _follow(api: httpx.AsyncClient, body: Json, tell: Tell, out: Paused) -> None:
    turn: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def told() -> None:
        await follow(api, body, tell, TIMEOUT_SECONDS, turn)

    following = asyncio.create_task(told())
    try:
        await interruptible(api, following, turn, out)
    finally:
        await end(following)


def _body(question: str) -> Json:
    body: Json = {"content": question}
    if task := os.environ.get("TASK"):
        body["taskId"] = task
    if budget := os.environ.get("BUDGET"):
        try:
            body["maxBudget"] = float(budget)
        except ValueError:
            raise AskError(f"BUDGET is {budget!r}, but has to be a number") from None
    return body


def _headers(key: str | None) -> dict[str, str]:
    key = key or os.environ.get("KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _write(text: str) -> None:
    print(text, end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
