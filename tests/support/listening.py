"""An app of a test's own, served in the test's loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to pytest."""
        yield


@contextlib.asynccontextmanager
async def listening_server(config: uvicorn.Config, port: int = 0) -> AsyncIterator[str]:
    """Serve an app in this loop; its address."""
    listener = socket.create_server(("127.0.0.1", port))
    server = _Server(config)
    serve = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serve
