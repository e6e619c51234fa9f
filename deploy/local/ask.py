"""Asks HubChat from the terminal: `make ask Q="..."`, or `python -m deploy.local.ask "..."`."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import httpx

from deploy.local.errors import StartError
from deploy.local.settings import load

TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.5
RECENT = "/api/messages?limit=20"

Json = dict[str, Any]


class AskError(Exception):
    """There is no answer; the message says why, for people."""


def main() -> int:
    """Asks the question of the command line, else of the variable Q, and prints the answer."""
    question = " ".join(sys.argv[1:]) or os.environ.get("Q", "")
    if not question.strip():
        print("""Ask something: make ask Q="Translate 'hello' to Spanish\"""", file=sys.stderr)
        return 2
    try:
        print(asyncio.run(ask(f"http://127.0.0.1:{load().gateway_port}", question)))
    except (AskError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def ask(gateway: str, question: str) -> str:
    """The answer, the steps and the bill as text; an AskError if there is none."""
    try:
        async with httpx.AsyncClient(
            base_url=gateway, timeout=TIMEOUT_SECONDS, trust_env=False
        ) as api:
            answer = await _answer(api, question)
            task, steps, names = answer.get("taskId"), [], {}
            if task is not None:
                steps = await _json(api, f"/api/tasks/{task}/steps")
                names = {agent["id"]: agent["name"] for agent in await _json(api, "/api/agents")}
    except httpx.ConnectError:
        raise AskError(f"AgentBazaar is not running at {gateway}; start it with: make up") from None
    except httpx.TimeoutException:
        raise AskError(f"There was no answer within {TIMEOUT_SECONDS:g} s.") from None
    except httpx.HTTPError as error:
        raise AskError(f"{gateway} did not answer: {error}") from None
    return _plain("\n".join([answer["content"], *_steps(steps, names), *_bill(answer)]))


async def _answer(api: httpx.AsyncClient, question: str) -> Json:
    """The assistant's message; waits for it when the turn outlasts the POST."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    before = {message["id"] for message in await _json(api, RECENT)}
    posted = _body(await api.post("/api/hubchat/message", json={"content": question}))
    answer: Json | None = posted.get("message")
    while answer is None and time.monotonic() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        for message in await _json(api, RECENT):
            new = message["role"] == "assistant" and message["id"] not in before
            if new and posted.get("taskId") in {None, message["taskId"]}:
                answer = message
    if answer is None:
        raise AskError(f"There was no answer within {TIMEOUT_SECONDS:g} s; it will be in the chat.")
    return answer


async def _json(api: httpx.AsyncClient, path: str) -> list[Json]:
    rows: list[Json] = _body(await api.get(path))
    return rows


def _body(response: httpx.Response) -> Any:
    try:
        body = response.json()
    except ValueError:
        body = {}
    if response.is_success:
        return body
    reason = body.get("error") if isinstance(body, dict) else None
    raise AskError(f"{reason or 'The gateway refused'} (HTTP {response.status_code})")


def _steps(steps: list[Json], names: dict[str, str]) -> list[str]:
    if not steps:
        return []
    rows = [
        (
            str(names.get(step["agentId"], step["agentId"])),
            step["subtaskType"],
            step["status"],
            _money(step["cost"] + step["externalCost"]),
            "" if step["executionTime"] is None else f"{step['executionTime']} ms",
        )
        for step in steps
    ]
    return ["", "Steps", *_columns(rows)]


def _bill(answer: Json) -> list[str]:
    bill = answer.get("costBreakdown")
    if not bill:
        return []
    rows = [(item["agent"], _money(item["cost"])) for item in bill["subtasks"]]
    return ["", "Bill", *_columns([*rows, ("total", _money(bill["total"]))])]


def _money(amount: float) -> str:
    return f"{amount:.6f}".rstrip("0").rstrip(".") + " BazaarBucks"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return ["  " + "  ".join(row).rstrip() for row in padded]


def _plain(text: str) -> str:
    """Without control characters: what an agent wrote must not steer the terminal."""
    return "".join(mark for mark in text if mark.isprintable() or mark in "\n\t")


if __name__ == "__main__":
    sys.exit(main())
