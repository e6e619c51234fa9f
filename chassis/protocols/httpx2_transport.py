"""The transport for libraries that speak through httpx2."""

from collections.abc import AsyncIterator

import httpx2

from chassis.outbound import AddressRefused, CallError, TooSlow, Unreachable
from chassis.protocols.bridge import Bridge, Opened


class _Body(httpx2.AsyncByteStream):
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


class Transport(httpx2.AsyncBaseTransport):
    """Carries every request over a bridge."""

    def __init__(self, bridge: Bridge) -> None:
        """Send over `bridge`."""
        self._bridge = bridge

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
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
        return httpx2.Response(opened.status, headers=opened.headers, stream=_Body(opened))


def client(bridge: Bridge) -> httpx2.AsyncClient:
    """A client for one call, without time-outs of its own: the bridge's limits hold.

    Nothing that the environment says is followed: a proxy would be another way out.
    """
    none = httpx2.Timeout(None)
    return httpx2.AsyncClient(
        transport=Transport(bridge), timeout=none, follow_redirects=False, trust_env=False
    )


def _translated(error: CallError) -> httpx2.TransportError:
    if isinstance(error, TooSlow):
        return httpx2.ReadTimeout(error.why)
    if isinstance(error, (AddressRefused, Unreachable)):
        return httpx2.ConnectError(error.why)
    return httpx2.ReadError(error.why)
