"""What every HTTP server of ours tells uvicorn."""

from collections import Counter
from typing import Any

from chassis.http.bounds import Bounds
from chassis.http.connections import BoundedProtocol


def bounded(
    bounds: Bounds, protocol: type[BoundedProtocol] = BoundedProtocol
) -> type[BoundedProtocol]:
    """What uvicorn is to serve a server's connections with (its `http`)."""
    return type(
        "Bounded",
        (protocol,),
        {"bounds": bounds, "open_from": Counter(), "idle": {}, "leaving": {}},
    )


def options(bounds: Bounds, protocol: type[BoundedProtocol] = BoundedProtocol) -> dict[str, Any]:
    """What every server of ours tells uvicorn; `protocol` is what its connections speak."""
    return {
        "http": bounded(bounds, protocol),
        "ws": "none",
        "proxy_headers": False,
        "log_config": None,
        "access_log": False,
        "server_header": False,
    }
