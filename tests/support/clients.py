"""HTTP clients of tests, none of which speaks TLS."""

import ssl
from typing import Any

import httpx

NOBODY_TRUSTED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without it, each client reads the certificates of all authorities, for 20 ms of a processor."""


def http_client(**options: Any) -> httpx.AsyncClient:
    """A client that is quickly made."""
    return httpx.AsyncClient(verify=NOBODY_TRUSTED, **options)
