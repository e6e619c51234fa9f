"""Runs AgentBazaar on this machine: `python -m deploy.local up`."""

import argparse
import asyncio
import sys
import time

from chassis.observability.terminal import plain
from deploy.local import home, ports, services
from deploy.local.errors import StartError
from deploy.local.forks import begin_parent
from deploy.local.postgres import clear_leftovers
from deploy.local.settings import CHECKOUT, Settings, load
from deploy.local.supervisor import supervise

USUAL_NATS_PORT = 4222
"""Every NATS client tries it."""
HELP = """\
Starts the whole system and keeps it running until Ctrl-C.
Settings come from the environment or the file .env: BAZAAR_HOME, GATEWAY_PORT,
GATEWAY_METRICS_PORT, NATS_PORT, NATS_MONITOR_PORT, POSTGRES_PORT, <SERVICE>_HEALTH_PORT,
<AGENT>_URL, BAZAAR_AGENTS, DATABASE_URL, NATS_URL.
"""


def main() -> int:
    """The command line. Returns the exit code: 0 after a stop, 1 if the start failed."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=["up"], default="up")
    parser.parse_args()
    try:
        up(load())
    except StartError as error:
        print(f"AgentBazaar is not running.\n{plain(str(error))}", file=sys.stderr, flush=True)
        return 1
    return 0


def up(settings: Settings) -> None:
    """Runs the system until it is told to stop. Raises a StartError if it does not come up."""
    began = time.monotonic()
    begin_parent()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {plain(line)}", flush=True)

    if home.finish_restore(settings.bazaar_home):
        say("a restore that was interrupted is finished; what was there before is beside it")
    with home.opened(settings.bazaar_home):
        clear_leftovers(settings.bazaar_home / "postgres")
        ports.check(services.claims(settings))
        passwords = home.passwords(settings.bazaar_home)
        table = services.table(settings, passwords)
        say(f"starting {len(table)} processes; data and logs: {settings.bazaar_home}")
        asyncio.run(
            supervise(table, settings.bazaar_home / "logs", lambda: announce(settings), say)
        )


def announce(settings: Settings) -> None:
    """Says that the system is up, and where to look."""
    url = f"http://127.0.0.1:{settings.gateway_port}"
    usual = settings.nats_port == USUAL_NATS_PORT
    server = "" if usual else f" -s nats://127.0.0.1:{settings.nats_port}"
    ask = "make ask Q=" if CHECKOUT else "bazaar ask "
    trace = f"nats{server if settings.nats_url is None else ' -s $NATS_URL'} sub 'bazaar.evt.>'"
    print(
        f"AgentBazaar is up: {url}",
        f"  ask      {ask}\"Translate 'hello' to Spanish\"",
        f"  API      {url}/docs",
        f"  events   {trace}",
        f"  logs     {settings.bazaar_home / 'logs'}",
        "  stop     Ctrl-C",
        sep="\n",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
