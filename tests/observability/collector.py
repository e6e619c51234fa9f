"""A collector of traces over OTLP/HTTP: takes what the protocol allows, and keeps the spans."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

from tests.agents.serving import served

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Span:
    """A span as it arrived; times in nanoseconds."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    begun: int
    ended: int
    failed: bool
    why: str
    attributes: dict[str, str | int]


@dataclass
class Collector:
    """What was sent to `url`.

    Attributes:
        strange: requests that no collector would take.
        heard: all bytes that came, as text.
    """

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    heard: str = ""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/traces")
        async def take(request: Request) -> Response:
            body = await request.body()
            if request.headers["content-type"] != PROTOBUF:
                self.strange.append(str(request.headers))
                return Response(status_code=415)
            if request.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            self.heard += body.decode("utf-8", "replace")
            self.spans += read(ExportTraceServiceRequest.FromString(body))
            return Response(ExportTraceServiceResponse().SerializeToString(), media_type=PROTOBUF)

        return app

    def of(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span.trace == trace]


def read(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for of_process in request.resource_spans:
        about = {one.key: one.value.string_value for one in of_process.resource.attributes}
        for scope in of_process.scope_spans:
            for span in scope.spans:
                yield read_span(about["service.name"], span)


def read_span(service: str, span: Sent) -> Span:
    attributes: dict[str, str | int] = {}
    for one in span.attributes:
        which = one.value.WhichOneof("value")
        assert which in {"string_value", "int_value"}, one
        attributes[one.key] = getattr(one.value, which)
    return Span(
        service=service,
        name=span.name,
        kind=Sent.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        begun=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        why=span.status.message,
        attributes=attributes,
    )


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens."""
    collector = Collector()
    with served(collector.app()) as client:
        collector.url = str(client.base_url).rstrip("/")
        yield collector
