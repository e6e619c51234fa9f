"""What belongs to us alone does not reach the model's API."""

import json

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from chassis.observability import telemetry
from chat_svc.orchestrator import Spoiled
from tests.chat.claude.asking import MODEL, Asking, situation
from tests.doubles.anthropic import Reply

TRACE = 0x4BF92F3577B34DA6A3CE929D0E0E4802


async def test_the_ids_of_our_traces_stay_with_us(claude: Asking) -> None:
    context = SpanContext(TRACE, 0x00F067AA0BA902B7, is_remote=False, trace_flags=TraceFlags(1))
    claude.double.headers.clear()
    with trace.use_span(NonRecordingSpan(context)):
        await claude.move(situation(), Reply(say=["Done."]))
    [headers] = claude.double.headers
    told = json.dumps(dict(headers))
    assert f"{TRACE:x}" not in told
    assert not {"traceparent", "tracestate", "baggage"} & {name.lower() for name in headers}


async def test_a_call_of_the_model_is_a_span_of_ours(
    claude: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(telemetry, "_HERE", telemetry._Tracing(provider.get_tracer("test")))
    claude.double.headers.clear()
    await claude.move(situation(), Reply(say=["Done."]))
    with pytest.raises(Spoiled):
        await claude.move(situation(), Reply(say=["Done."], pieces=4))
    well, badly = spans.get_finished_spans()
    assert well.name == badly.name == f"chat {MODEL}"
    assert (well.attributes or {})["gen_ai.request.model"] == MODEL
    assert (well.status.is_ok, badly.status.is_ok) == (True, False)
    assert "Done." not in f"{well.to_json()}{badly.to_json()}"
    assert all("traceparent" not in dict(headers) for headers in claude.double.headers)
