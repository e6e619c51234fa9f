"""Earlier turns as the planner refers to them. What agents said in them stays text."""

from collections.abc import Sequence

from chat_svc.orchestrator import Exchange, Round, ToolCall
from chat_svc.planner import RESULT_KEY, Earlier, Made, text_in
from chat_svc.rules.outcomes import Outcome, needs, outcomes

_MOST_TURNS = 50
_INVOKE = "invoke_agent"


def earlier(history: Sequence[Exchange]) -> list[Earlier]:
    """The newest turns, oldest first; whichever orchestrator made them."""
    return [
        Earlier(said=exchange.said, result=exchange.result, made=_made(exchange.rounds))
        for exchange in history[-_MOST_TURNS:]
    ]


def _made(rounds: Sequence[Round]) -> tuple[Made, ...]:
    found: dict[str, Outcome] = {}
    calls: list[ToolCall] = []
    for done in rounds:
        calls += [call for call in done.calls if call.name == _INVOKE]
        found |= outcomes(done)
    completed = [
        call for call in calls if call.id in found and found[call.id].status == "completed"
    ]
    used = {id_ for call in completed for id_ in needs(call)}
    return tuple(
        Made(
            text=found[call.id].result or "",
            skill=found[call.id].skill or str(call.input.get("skill", "")),
            source=_source(call, found),
            shown=call.id not in used,
        )
        for call in completed
    )


def _source(call: ToolCall, found: dict[str, Outcome]) -> str | None:
    payload = call.input.get("payload")
    text = text_in(payload) if isinstance(payload, dict) else None
    if text is None or isinstance(text, str):
        return text
    before = found.get(str(text.get(RESULT_KEY)))
    return before.result if before else None
