"""`make key`: the key tool, pointed at the NATS of `make up`."""

import os
import sys

from deploy.local import nats
from deploy.local.settings import load
from gateway import keytool


def main() -> int:
    """Run `gateway.keytool` with this command line; NATS_URL counts when it is set."""
    settings = load()
    if settings.nats_url is None:
        os.environ["NATS_URL"] = nats.url(settings.nats_port)
    return keytool.main()


if __name__ == "__main__":
    sys.exit(main())
