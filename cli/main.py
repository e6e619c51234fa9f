"""The commands, and how they end: read this first."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from chassis.observability.terminal import plain
from chassis.release import PACKAGES, release
from cli import (
    asking,
    config,
    market,
    moneys,
    operators,
    paste,
    scaffold,
    selling,
    stack,
    watching,
)
from cli.errors import Code, Failed
from deploy.local.errors import StartError

HELP = """AgentBazaar from the terminal.

Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 the gateway or a service is away, 4 no key or
one that may not, 5 the budget or the wallet does not cover it, 6 not there, 130 interrupted.
"""
app = typer.Typer(name="bazaar", help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(market.app, name="agents", help="List, add, check, price and suspend agents.")
app.add_typer(selling.app, name="seller", help="What your agents earned, and being paid.")
app.add_typer(operators.dead_letters, name="dead-letters", help="Messages that were put aside.")


def _ended(command: Callable[..., int | None]) -> Callable[..., None]:
    """The command, with what it returns as its exit code."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        if code := command(*args, **options):
            raise typer.Exit(code)

    return run


app.command(
    "keys",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
)(_ended(operators.keys))
COMMANDS: dict[str, Callable[..., int | None]] = {
    "up": stack.up,
    "status": watching.status,
    "logs": watching.logs,
    "ask": asking.ask,
    "cancel": asking.cancel,
    "tasks": moneys.tasks,
    "receipt": moneys.receipt,
    "wallet": moneys.wallet,
    "top-up": moneys.top_up,
    "refund": moneys.refund,
    "events": watching.events,
    "trace": watching.trace,
    "mcp": paste.mcp,
    "backup": stack.backup,
    "restore": stack.restore,
    "doctor": stack.doctor,
    "new-agent": scaffold.new_agent,
}
for name, command in COMMANDS.items():
    app.command(name)(_ended(command))


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"bazaar {release()}\n")
        raise typer.Exit


@app.callback()
def start(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(envvar="BAZAAR_URL", help="The gateway.")] = None,
    key: Annotated[
        str | None,
        typer.Option(
            envvar="BAZAAR_KEY", help="An API key; better by BAZAAR_KEY.", show_envvar=True
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the release.")
    ] = False,
) -> None:
    """Say which gateway is meant; else url and key of the file bazaar/config.toml count."""
    context.obj = config.load(url, key, as_json=json)


def _json_first(argv: list[str]) -> list[str]:
    """`--json` may stand behind the command, too; behind `--` it is somebody's word."""
    end = argv.index("--") if "--" in argv else len(argv)
    options = [word for word in argv[:end] if word != "--json"]
    return [*(["--json"] if len(options) < end else []), *options, *argv[end:]]


def main(argv: list[str] | None = None) -> int:
    """Run a command line; the exit code. Nothing ends in a traceback that people can help."""
    try:
        app(args=_json_first(sys.argv[1:] if argv is None else argv), prog_name="bazaar")
    except (Failed, StartError) as error:
        sys.stderr.write(f"{plain(str(error))}\n")
        return int(error.code if isinstance(error, Failed) else Code.FAILED)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in PACKAGES:
            raise  # Ours is always here; what commands for a stack of this machine need is not.
        sys.stderr.write(f"This command needs {error.name}: pip install 'agentbazaar[local]'\n")
        return int(Code.FAILED)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(Code.FAILED)
    return int(Code.DONE)
