"""Traces: one span per request, message and call, sent over OTLP/HTTP to whoever collects them.

Off without OTEL_EXPORTER_OTLP_ENDPOINT: the SDK is not imported then, and a `traceparent` is passed
on as it came. The envelope carries the trace, and not the running task: what is done for a message
is below the span that its envelope names, also after a restart and by another replica.

Names of spans hold no ids, which would make each a name of its own; attributes may. What an error
says stays in the log: a span has the error's class, or what came of the message.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.release import release
from chassis.settings import BusSettings
from contracts.envelope import TRACEPARENT, Envelope

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider

Attributes = Mapping[str, str | int]

EXPORT_S = 5
"""How long the collector may take to accept a batch, tries again included."""
FLUSH_S = 5.0
"""How long a stopping process keeps trying to hand over what it has."""
SUBJECT_TOKENS = 4
"""Tokens of a subject that say what a message is; the next is an id."""
_W3C = TraceContextTextMapPropagator()


@dataclass(slots=True)
class _Tracing:
    tracer: Tracer | None = None
    provider: "TracerProvider | None" = None
    exporter: "OTLPSpanExporter | None" = None


_HERE = _Tracing()


def start(settings: BusSettings, service: str) -> None:
    """Trace this process as `service`, when the settings say where spans go.

    The sampler, and headers for the collector, are what the variables of OpenTelemetry say.
    """
    if not settings.otel_exporter_otlp_endpoint:
        return
    # Importing these takes longer than all else at the start; who traces nothing does without.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create({"service.name": service, "service.version": release()})
    endpoint = settings.otel_exporter_otlp_endpoint.rstrip("/")
    _HERE.exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=EXPORT_S)
    _HERE.provider = TracerProvider(resource=resource)
    _HERE.provider.add_span_processor(BatchSpanProcessor(_HERE.exporter))
    _HERE.tracer = _HERE.provider.get_tracer("agentbazaar", release())


async def stop() -> None:
    """Hand over the spans that are left; what a silent collector does not take is lost."""
    provider, exporter = _HERE.provider, _HERE.exporter
    _HERE.tracer = _HERE.provider = _HERE.exporter = None
    if provider is None or exporter is None:
        return
    giving_up = asyncio.get_running_loop().call_later(FLUSH_S, exporter.shutdown)
    await asyncio.to_thread(provider.shutdown)
    giving_up.cancel()


def provider() -> "TracerProvider | None":
    """For instrumentations of libraries; None when this process traces nothing."""
    return _HERE.provider


def kind_of(subject: str) -> str:
    """A subject without its id: `bazaar.evt.task.created`."""
    return ".".join(subject.split(".")[:SUBJECT_TOKENS])


def current() -> str | None:
    """The `traceparent` of the span that is open here."""
    return _traceparent(trace.set_span_in_context(trace.get_current_span()))


def outcome(what: str | int, *, failed: bool = False) -> None:
    """Note on the open span what came of it."""
    if _HERE.tracer is None:
        return
    span = trace.get_current_span()
    span.set_attribute("bazaar.outcome", what)
    if failed:
        span.set_status(Status(StatusCode.ERROR, str(what)))


def rename(name: str) -> None:
    """Name the open span, when what is done is known later than that something is."""
    trace.get_current_span().update_name(name)


@contextmanager
def spanning(
    name: str, kind: SpanKind, cause: str | None, attributes: Attributes
) -> Iterator[str | None]:
    """A span around the block; off, or around a ping, there is none.

    Args:
        name: what is done, without ids.
        kind: which side of a call or message this is.
        cause: `traceparent` of the span above; None or a malformed one begins a trace.
        attributes: what distinguishes it.

    Yields:
        The `traceparent` for what the block sets in motion.
    """
    if _HERE.tracer is None or name.endswith(".ping"):
        yield cause
        return
    above = _W3C.extract({TRACEPARENT: cause} if cause else {}, Context())
    with _HERE.tracer.start_as_current_span(
        name, above, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield _traceparent(trace.set_span_in_context(span))
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


@contextmanager
def within(name: str, kind: SpanKind, here: Envelope, attributes: Attributes) -> Iterator[Envelope]:
    """`spanning` for an envelope; yields it with the span as its trace, or as it is when off."""
    if _HERE.tracer is None:
        yield here
        return
    with spanning(name, kind, here.traceparent, attributes) as found:
        if found == here.traceparent:
            yield here
        else:
            yield here.model_copy(update={"traceparent": found})


def _traceparent(context: Context) -> str | None:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, context)
    return carrier.get(TRACEPARENT)
