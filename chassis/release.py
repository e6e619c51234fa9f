"""Which release of AgentBazaar is running."""

import os
from importlib.metadata import PackageNotFoundError, version

UNPACKAGED = "0.2.0"


def release() -> str:
    """The version of the installed package, or of BAZAAR_VERSION when run from a checkout."""
    try:
        return version("agentbazaar")
    except PackageNotFoundError:
        return os.environ.get("BAZAAR_VERSION", UNPACKAGED)
