"""Events of a turn as AG-UI's."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ag_ui.core import (
    PROTOCOL_VERSION,
    BaseEvent,
    Interrupt,
    RunErrorEvent,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    StateSnapshotEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    TokenUsage,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)
from ag_ui.encoder import EventEncoder

from chassis.observability.terminal import escaped
from gateway.doors.shared.words import Words

Json = dict[str, Any]

_ENCODER = EventEncoder()
ANSWER = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}},
    "required": ["approved"],
}
"""What answers an interrupt."""


def frame(event: BaseEvent, place: str | None = None) -> bytes:
    """An event as it is sent; with the place that the caller has then, to go on from."""
    said = escaped(_ENCODER.encode(event).rstrip("\n"))
    return f"{f'id: {place}{chr(10)}' if place else ''}{said}\n\n".encode()


class Telling:
    """One run: what is open of it, and what was said."""

    def __init__(self, thread_id: str, run_id: str) -> None:
        """Nothing was told yet."""
        self._thread_id = thread_id
        self._run_id = run_id
        self._words = Words()
        self._texts = 0
        self._open: str | None = None
        self.state: Json = {}

    def begin(self, turn: Json) -> Iterator[BaseEvent]:
        """The beginning of the run that `turn` is, or goes on with."""
        yield RunStartedEvent(
            thread_id=self._thread_id, run_id=self._run_id, protocol_version=PROTOCOL_VERSION
        )
        self.state = {"turnId": turn["turnId"], "taskId": turn["taskId"]}
        yield StateSnapshotEvent(snapshot=self.state)

    def happened(self, event: Json) -> Iterator[BaseEvent]:
        """What an event of the turn is here; most are nothing."""
        data = event["data"]
        match event["type"]:
            case "turn.streamed":
                if new := self._words.more(data):
                    yield from self._say(new)
            case "step.started":
                yield from self._hush()
                step, agent = data["stepId"], data["agentId"]
                yield ToolCallStartEvent(tool_call_id=step, tool_call_name=agent)
                yield ToolCallArgsEvent(tool_call_id=step, delta="{}")
                yield ToolCallEndEvent(tool_call_id=step)
            case "step.completed":
                yield _result(data["stepId"], data["result"])
            case "step.failed" if data.get("started", True):
                yield _result(data["stepId"], data["error"])

    def interrupt(self, data: Json, place: str | None) -> Iterator[BaseEvent]:
        """The end of a run whose turn waits for a person; the caller goes on from `place`."""
        yield from self._hush()
        self.state["eventId"] = place
        yield StateSnapshotEvent(snapshot=self.state)
        amount = f"{Decimal(str(data['amount'])).normalize():f}"
        waits = Interrupt(
            id=data["stepId"],
            reason="approval",
            message=f"May {data['agentId']} be paid up to {amount} BazaarBucks?",
            tool_call_id=data["stepId"],
            response_schema=ANSWER,
            expires_at=data["expiresAt"],
            metadata={"agentId": data["agentId"], "amount": amount},
        )
        outcome = RunFinishedInterruptOutcome(interrupts=[waits])
        yield RunFinishedEvent(thread_id=self._thread_id, run_id=self._run_id, outcome=outcome)

    def end(self, turn: Json) -> Iterator[BaseEvent]:
        """HubChat's message, the bill, and the end."""
        message = turn["message"] or {}  # None once it was forgotten.
        if rest := self._words.rest(message.get("content", "")):
            yield from self._say(rest.lstrip("\n"))
        yield from self._hush()
        bill = message.get("costBreakdown")
        self.state = {"turnId": turn["turnId"], "taskId": turn["taskId"], "bill": bill}
        yield StateSnapshotEvent(snapshot=self.state)
        yield RunFinishedEvent(
            thread_id=self._thread_id,
            run_id=self._run_id,
            result={"messageId": message.get("id"), "bill": bill},
            outcome=RunFinishedSuccessOutcome(),
            usage=_usage(message.get("llm")),
        )

    def fail(self, text: str, code: str) -> Iterator[BaseEvent]:
        """The end of a run that cannot be told further."""
        yield from self._hush()
        yield RunErrorEvent(message=text, code=code)

    def _say(self, text: str) -> Iterator[BaseEvent]:
        if self._open is None:
            self._texts += 1
            self._open = f"{self.state['turnId']}-{self._run_id}-{self._texts}"
            yield TextMessageStartEvent(message_id=self._open, role="assistant")
        yield TextMessageContentEvent(message_id=self._open, delta=text)

    def _hush(self) -> Iterator[BaseEvent]:
        if self._open is not None:
            yield TextMessageEndEvent(message_id=self._open)
            self._open = None


def _result(step_id: str, text: str) -> BaseEvent:
    return ToolCallResultEvent(message_id=f"{step_id}-result", tool_call_id=step_id, content=text)


def _usage(used: Json | None) -> list[TokenUsage] | None:
    """Tokens of the model that planned the turn; None when it was done by rules."""
    if used is None:
        return None
    return [
        TokenUsage(model=used["model"], input_tokens=used["input"], output_tokens=used["output"])
    ]
