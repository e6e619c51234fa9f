"""The span of an HTTP request, when this process sends traces."""

from starlette.middleware import Middleware

from chassis.observability import telemetry
from gateway.layers.access import METHODS

UNTRACED = "/health$,/ready$,/events$"
"""Asked again and again, or answered for hours."""


def traced() -> list[Middleware]:
    """What makes a span of each request; nothing when traces are off.

    A span is named by its method, until the route is known (`asking.cause_of`).
    """
    provider = telemetry.provider()
    if provider is None:
        return []
    # Here and not above, so that a gateway without traces starts without it.
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware  # noqa: PLC0415

    return [
        Middleware(
            OpenTelemetryMiddleware,
            excluded_urls=UNTRACED,
            default_span_details=lambda scope: (
                scope["method"] if scope["method"] in METHODS else "HTTP",
                {},
            ),
            tracer_provider=provider,
            exclude_spans=["receive", "send"],
        )
    ]
