"""What operators do: keys, at the bus itself (NATS_URL, else the local one), and dead letters."""

import typer

from cli import config
from cli.api import Api
from cli.output import Limit, show

dead_letters = typer.Typer(no_args_is_help=True)


def keys(context: typer.Context) -> int:
    """API keys: make ACCOUNT, list, revoke ID, wallet ACCOUNT (bazaar keys --help)."""
    from deploy.local import key

    return key.main(context.args or ["--help"])


@dead_letters.command("list")
def list_letters(context: typer.Context, limit: Limit = 50) -> None:
    """The newest, with what went wrong."""
    found = config.of(context)
    letters = Api(found).pages("/api/dead-letters", limit)
    rows = [(one["number"], one["consumer"], one["subject"], one["error"][:100]) for one in letters]
    show(found, letters, ("number", "consumer", "subject", "error"), rows)


@dead_letters.command("show")
def show_letter(context: typer.Context, number: int) -> None:
    """One in full."""
    found = config.of(context)
    one = Api(found).get(f"/api/dead-letters/{number}")
    rows = [*one["headers"].items(), ("body", one["data"])]
    show(found, one, ("what", "value"), rows)


@dead_letters.command("replay")
def replay_letter(context: typer.Context, number: int) -> None:
    """Send one again, once its cause is mended: whoever has handled it passes over it."""
    found = config.of(context)
    one = Api(found).post(f"/api/dead-letters/{number}/replay")
    show(found, one, ("number", "sent again to"), [(one["number"], one["subject"])])
