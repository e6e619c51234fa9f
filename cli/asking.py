"""Asking HubChat: one wish, a conversation, or what comes on standard input."""

import asyncio
import json
import sys
from typing import Annotated, Any

import typer

from chassis.observability.terminal import escaped
from cli import config
from cli.api import Api
from cli.config import Config
from cli.errors import Code, Failed, code_of
from cli.output import note, say, show
from deploy.local import ask as asking
from deploy.local.following import AskError
from deploy.local.interrupting import Left, Paused

GO_ON = ("bazaar ask --task ", ' "..."')
Json = dict[str, Any]


class Outcome:
    """What a wish came to, by its events."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.message: Json | None = None
        self._failed = False
        self._done = 0
        self._not_covered = False

    def heard(self, event: Json) -> None:
        """Take note of an event of the turn."""
        match event["type"]:
            case "turn.completed":
                self.message = event["data"]["message"]
            case "step.completed":
                self._done += 1
            case "step.failed":
                self._failed |= self._done == 0
                self._not_covered |= event["data"].get("reason") == "not_covered"
            case "task.completed":
                self._failed = False
            case "task.failed":
                self._failed = True

    @property
    def code(self) -> Code:
        """The exit code of it."""
        if self.message is None:
            return Code.FAILED
        if self._failed:
            return Code.MONEY if self._not_covered else Code.FAILED
        return Code.DONE


def ask(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(help="The wish; - reads it from standard input.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", min=0, help="The most it may cost, BazaarBucks.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Go on with this task.")] = None,
) -> int:
    """Ask HubChat, and watch it work; without words, talk. Ctrl-C asks whether to cancel."""
    found = config.of(context)
    text = " ".join(words or ())
    if text == "-" or (not text and not sys.stdin.isatty()):
        text = sys.stdin.read()
        if not text.strip():
            raise Failed("There is nothing on standard input to ask.", Code.USAGE)
    if text:
        return int(_ask(found, text, budget, task).code)
    return _talk(found, budget, task)


def cancel(context: typer.Context, task: str) -> int:
    """Cancel a task: nothing more begins, what is held comes back, what is paid stays paid."""
    found = config.of(context)
    done = Api(found).post(f"/api/tasks/{task}/cancel")
    show(found, done, ("cancelled", "status"), [(done["cancelled"], done["status"] or "")])
    return int(Code.DONE if done["cancelled"] else Code.FAILED)


def _talk(found: Config, budget: float | None, task: str | None) -> int:
    note("Say what you want done; an empty line, or Ctrl-D, ends it.")
    code = Code.DONE
    while True:
        try:
            text = input("> ")
        except EOFError:
            text = ""
        if not text.strip():
            return int(code)
        code = _ask(found, text, budget, task).code


def _ask(found: Config, text: str, budget: float | None, task: str | None) -> Outcome:
    body: Json = {"content": text}
    body |= {} if budget is None else {"maxBudget": budget}
    body |= {} if task is None else {"taskId": task}
    outcome = Outcome()
    silent = Paused(lambda _text: None) if found.as_json else None
    try:
        asyncio.run(
            asking.ask(found.url, body, key=found.key, heard=outcome.heard, out=silent, go_on=GO_ON)
        )
    except Left as error:
        raise Failed(str(error), Code.INTERRUPTED) from None
    except AskError as error:
        away = Code.AWAY if error.status == 0 else code_of(error.status or 0)
        raise Failed(str(error).replace("make up", "bazaar up"), away) from None
    if found.as_json:
        say(escaped(json.dumps(outcome.message, ensure_ascii=False)))
    return outcome
