"""Asking HubChat: one wish, a conversation, or what comes on standard input."""

import json
import sys
from typing import Annotated, Any

import typer

from chassis.observability.terminal import escaped
from cli import config, turn
from cli.api import Api, part
from cli.config import Config
from cli.errors import Code, Failed
from cli.output import note, say, show

Json = dict[str, Any]


class Outcome:
    """What a wish came to, by its events."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.message: Json | None = None
        self._refused: str | None = None
        self._failed = False
        self._done = 0
        self._not_covered = False

    def heard(self, event: Json) -> None:
        """Take note of an event of the turn."""
        match event["type"]:
            case "turn.completed":
                self.message = event["data"]["message"]
                self._refused = event["data"].get("refused")
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
        if self._refused is not None:
            return Code.MONEY if self._refused == "budget" else Code.FAILED
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
    done = Api(found).post(f"/api/tasks/{part(task)}/cancel")
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
        try:
            code = _ask(found, text, budget, task).code
        except Failed as error:
            if error.code in (Code.AWAY, Code.UNKNOWN):
                raise
            note(str(error))
            code = error.code


def _ask(found: Config, text: str, budget: float | None, task: str | None) -> Outcome:
    body: Json = {"content": text}
    body |= {} if budget is None else {"maxBudget": budget}
    body |= {} if task is None else {"taskId": task}
    outcome = Outcome()
    turn.ask(found, body, outcome.heard, _silent if found.as_json else _write)
    if found.as_json:
        say(escaped(json.dumps(outcome.message, ensure_ascii=False)))
    return outcome


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _silent(_text: str) -> None:
    """A program reads the message alone."""
