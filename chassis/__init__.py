"""What every service shares: how it starts, talks, stores and reports. It knows no context."""

from chassis.lean import without

with without("rich"):  # for tracebacks in colours
    import structlog  # noqa: F401
with without("aiohttp"):  # for NATS over a websocket
    import nats  # noqa: F401
