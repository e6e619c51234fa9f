"""The transport for libraries that speak through httpx."""

from collections.abc import AsyncIterator

import httpx

from chassis.outbound import AddressRefused, CallError, TooSlow, Unreachable
from chassis.protocols.bridge import Bridge, Opened


class _Body(httpx.AsyncByteStream):
    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._opened.pieces:
                yield piece
        except CallError as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        await self._opened.close()


class Transport(httpx.AsyncBaseTransport):
    """Carries every request over a bridge."""

    def __init__(self, bridge: Bridge) -> None:
        """Send over `bridge`."""
        self._bridge = bridge

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its answer is read as it arrives."""
        url = request.url
        plain = str(url.copy_with(query=None, fragment=None))
        body = await request.aread()
        try:
            opened = await self._bridge.open(
                request.method, plain, url.query.decode("ascii"), request.headers.items(), body
            )
        except CallError as error:
            raise _translated(error) from error
        return httpx.Response(opened.status, headers=opened.headers, stream=_Body(opened))


def client(bridge: Bridge) -> httpx.AsyncClient:
    """A client for one call, without time-outs of its own: the bridge's limits hold.

    Nothing that the environment says is followed: a proxy would be another way out.
    """
    none = httpx.Timeout(None)
    return httpx.AsyncClient(
        transport=Transport(bridge), timeout=none, follow_redirects=False, trust_env=False
    )


def _translated(error: CallError) -> httpx.TransportError:
    if isinstance(error, TooSlow):
        return httpx.ReadTimeout(error.why)
    if isinstance(error, (AddressRefused, Unreachable)):
        return httpx.ConnectError(error.why)
    return httpx.ReadError(error.why)
