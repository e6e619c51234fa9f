"""`bazaar keys`: the key tool, pointed at the NATS of `bazaar up`."""

import os
import sys
from collections.abc import Sequence

from chassis.observability.terminal import plain
from contracts.users import ADMIN
from deploy.local import home, nats
from deploy.local.errors import StartError
from deploy.local.settings import load
from gateway import keytool


def main(argv: Sequence[str] | None = None) -> int:
    """Run `gateway.keytool` with this command line; NATS_URL counts when it is set."""
    try:
        settings = load()
    except StartError as error:
        sys.stderr.write(f"{plain(str(error))}\n")
        return 1
    if settings.nats_url is None:
        if not (settings.bazaar_home / "secrets.json").exists():
            sys.stderr.write("Start the system first: bazaar up. Or set NATS_URL.\n")
            return 1
        password = home.passwords(settings.bazaar_home)[f"nats_{ADMIN}"]
        os.environ["NATS_URL"] = nats.url(settings.nats_port, ADMIN, password)
    return keytool.main(argv, "bazaar keys")
