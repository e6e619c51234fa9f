"""Which release of AgentBazaar is running."""

import os
from importlib.metadata import PackageNotFoundError, version

UNPACKAGED = "0.2.0"
PACKAGES = frozenset(
    {"agents", "chassis", "chat_svc", "cli", "contracts", "deploy", "gateway", "payment_svc"}
    | {"registry_svc", "task_svc"}
)
"""What a release is made of: Python packages of ours, all of them in every wheel."""


def release() -> str:
    """The version of the installed package, or of BAZAAR_VERSION when run from a checkout."""
    try:
        return version("agentbazaar")
    except PackageNotFoundError:
        return os.environ.get("BAZAAR_VERSION", UNPACKAGED)
