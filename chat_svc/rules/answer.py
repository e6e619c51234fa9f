"""Puts what the agents said, and what became of the rest, into one answer."""

from collections.abc import Mapping, Sequence
from functools import partial

from chat_svc.orchestrator import Move, Round, ToolCall
from chat_svc.planner import QUALITIES
from chat_svc.rules.memory import Form
from chat_svc.rules.outcomes import Outcome, needs, outcomes
from chat_svc.rules.shape import shaped

_FOUND = frozenset({"search", "research"})


def answer(done: Round, notes: Sequence[str], form: Form | None = None) -> Move:
    """The last move of a turn, after its agents were called.

    A result that another call took in is not shown; a single one that is all there is to say is
    shown as it is.
    """
    found = outcomes(done)
    said = partial(_said, form=form)
    completed = [call for call in done.calls if _is_completed(found, call.id)]
    used = {id_ for call in completed for id_ in needs(call)}
    shown = [(call, found[call.id]) for call in completed if call.id not in used]
    if len(shown) == 1 and len(completed) == len(done.calls):
        parts = [said(*shown[0])]
    else:
        parts = [f"{one.agent} ({_skill(call)}):\n{said(call, one)}" for call, one in shown]
    parts += [_trouble(one) for one in found.values() if one.troubles]
    parts += [_failure(found, call) for call in done.calls if not _is_completed(found, call.id)]
    parts += notes
    text = "\n\n".join(part for part in parts if part.strip())
    return Move(
        text=text or "The agents had nothing to say.",
        result=said(*shown[-1]) if shown else None,
    )


def _said(call: ToolCall, outcome: Outcome, form: Form | None) -> str:
    result = outcome.result or ""
    return result if form is None or _skill(call) in _FOUND else shaped(result, form)


def _skill(call: ToolCall) -> str:
    return str(call.input.get("skill", ""))


def _doing(call: ToolCall) -> str:
    """What was to be done, to go after "I could not"."""
    skill = _skill(call)
    return f"do the {skill} task" if skill in QUALITIES else skill


def _is_completed(found: Mapping[str, Outcome], call_id: str) -> bool:
    return call_id in found and found[call_id].status == "completed"


def _trouble(outcome: Outcome) -> str:
    what = "; ".join(outcome.troubles)
    if outcome.status == "completed":
        return f"({outcome.agent} took over: {what})"
    return f"({what})"


def _failure(found: Mapping[str, Outcome], call: ToolCall) -> str:
    if not all(_is_completed(found, id_) for id_ in needs(call)):
        return f"I did not get to {_skill(call)}, because it needed what came before."
    if call.id in found:
        return f"I could not {_doing(call)}: {found[call.id].error}"
    return f"I did not finish {_skill(call)}."
