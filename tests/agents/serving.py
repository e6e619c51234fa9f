"""Serve any app with uvicorn on a free port, in a thread, and give a client for it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI

from tests.support.clients import NOBODY_TRUSTED

DEADLINE_SECONDS = 60.0

Serve = Callable[[FastAPI], httpx.Client]


@contextmanager
def served(app: FastAPI, listen: str = "127.0.0.1") -> Iterator[httpx.Client]:
    listener = socket.create_server((listen, 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.005)
    port = listener.getsockname()[1]
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_SECONDS, verify=NOBODY_TRUSTED
        ) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive(), "the server did not stop"
