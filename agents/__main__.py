"""`python -m agents NAME`: run one agent service until SIGTERM or Ctrl-C."""

import argparse
import importlib
import signal
import sys

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from agents.service import sentence
from agents.settings import Settings

DEFAULT_PORTS = {
    "summarizer": 8001,
    "translator": 8002,
    "search": 8003,
    "mock_busy": 8004,
    "mock_highprice": 8005,
    "mock_negotiator": 8006,
}
SHUTDOWN_SECONDS = 3
"""How long a running answer may take to finish after SIGTERM."""


def main() -> None:
    """Read the command line and the environment, then serve. Exit code 0 after SIGTERM."""
    # Uvicorn finishes its work on SIGTERM and then raises the signal again: without a handler
    # of ours the process would count as killed instead of stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = Settings.from_environment()
    except ValidationError as error:
        sys.exit(f"environment: {sentence(error)}")

    parser = argparse.ArgumentParser(prog="python -m agents", description="Run one agent service.")
    parser.add_argument("name", choices=list(DEFAULT_PORTS))
    parser.add_argument("--host", default=settings.host, help="default: HOST, or 127.0.0.1")
    parser.add_argument("--port", type=int, default=settings.port, help="default: PORT, or its own")
    arguments = parser.parse_args()

    uvicorn.run(
        _load(arguments.name, settings),
        host=arguments.host,
        port=DEFAULT_PORTS[arguments.name] if arguments.port is None else arguments.port,
        # The plain loop and parser: each agent is one small process with little traffic.
        loop="asyncio",
        http="h11",
        ws="none",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _load(name: str, settings: Settings) -> FastAPI:
    """Import only the agent that was asked for, so that each process stays small."""
    app: FastAPI = importlib.import_module(f"agents.{name}").build(settings)
    return app


if __name__ == "__main__":
    main()
