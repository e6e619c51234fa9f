"""What operators do at the bus itself: keys, and dead letters. NATS_URL, else the local stack's."""

import asyncio

import typer

from cli import config
from cli.output import note, show
from deploy.local.settings import load

dead_letters = typer.Typer(no_args_is_help=True)


def keys(context: typer.Context) -> int:
    """API keys: make ACCOUNT, list, revoke ID, wallet ACCOUNT (bazaar keys --help)."""
    from deploy.local import key

    return key.main(context.args or ["--help"])


@dead_letters.command("list")
def list_letters(context: typer.Context) -> None:
    """The newest, with what went wrong."""
    from deploy import dead_letters as letters

    found = asyncio.run(letters.look(load()))
    rows = [
        (
            one["sequence"],
            one["headers"].get("bazaar-consumer", ""),
            one["headers"].get(letters.SUBJECT, ""),
            one["headers"].get("bazaar-error", "")[:100],
        )
        for one in found["deadLetters"]
    ]
    show(config.of(context), found, ("number", "consumer", "subject", "error"), rows)


@dead_letters.command("show")
def show_letter(context: typer.Context, number: int) -> None:
    """One in full."""
    from deploy import dead_letters as letters

    found = asyncio.run(letters.look(load(), number))
    rows = [*found["headers"].items(), ("body", found["data"])]
    show(config.of(context), found, ("what", "value"), rows)


@dead_letters.command("replay")
def replay_letter(number: int) -> None:
    """Send one again, once its cause is mended: whoever has handled it passes over it."""
    from deploy import dead_letters as letters

    note(f"Sent again to {asyncio.run(letters.replay(load(), number))}.")
