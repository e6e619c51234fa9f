"""What the parent of forked processes imports before it forks any (`forks.py`)."""

import gc
import importlib
import os

from deploy.local.ties import die_with

SHARED = (
    "agents.mock_busy",
    "agents.mock_highprice",
    "agents.mock_negotiator",
    "agents.search",
    "agents.settings",
    "agents.summarizer",
    "agents.translator",
    "chassis.keeping.looking",
    "chassis.outbound",
    "chassis.process",
    "contracts.api",
    "cryptography.fernet",
    "fastapi",
    "httpx",
    "pydantic.v1",
    "setproctitle",
    "snowballstemmer",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.h11_impl",
)
"""What several of them need, and what agents are made of, since importing writes to what is shared.
No metric of one service, which the others would report too. Nor what is run as a program: it would
be there twice.
"""


def warm_up() -> None:
    """Be the parent: end with whoever began this, hear no terminal, and import all of it."""
    die_with(os.getppid())
    os.setsid()  # What a terminal sends is for the runner, which ends the others in good order.
    for name in SHARED:
        importlib.import_module(name)
    gc.freeze()  # No look for garbage touches, and so copies, what all share.
