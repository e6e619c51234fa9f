"""What the parent of forked processes imports before it forks any (`forks.py`)."""

import gc
import importlib
import os

from deploy.local.ties import die_with

SHARED = (
    "agents.service",
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
"""What several of them need, and no metric of one service, which the others would report too. Nor
what is run as a program: it would be there twice.
"""
PARENT = os.getpid()
"""Whoever imported this: in a forked process, its parent."""

die_with(os.getppid())
os.setsid()  # What a terminal sends is for the runner, which ends the others in good order.
for name in SHARED:
    importlib.import_module(name)
gc.freeze()  # No look for garbage touches, and so copies, what all share.
