"""The limits of a turn, without I/O: moves, tokens, time and money."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from chat_svc.orchestrator import Tokens
from chat_svc.planner import Candidate
from chat_svc.settings import Settings


def limit_reached(
    settings: Settings,
    *,
    moves: int,
    used: Iterable[Tokens],
    seconds_left: float,
    left: Decimal,
    agents: Sequence[Candidate],
) -> str | None:
    """Why the next move has to be the answer, as a sentence for people; None when it need not.

    Args:
        settings: with the limits.
        moves: how many were made; the first one is never limited by what it has not begun yet.
        used: tokens of the moves so far.
        seconds_left: until the turn's deadline.
        left: BazaarBucks of the budget.
        agents: the marketplace.
    """
    if moves + 1 >= settings.turn_moves:
        return f"One message may take {settings.turn_moves} moves, and these are made."
    if not moves:
        return None
    if sum(tokens.input + tokens.output for tokens in used) >= settings.turn_tokens:
        return f"One message may use {settings.turn_tokens} tokens, and these are used."
    if seconds_left <= settings.answer_reserve_s:
        return "The time for one message is over."
    if left <= 0 and not any(agent.available and not agent.dynamic_price for agent in agents):
        return "The budget is used up."
    return None


def seconds_until(deadline: datetime, now: datetime) -> float:
    """Seconds that are left; never less than none."""
    return max(0.0, (deadline - now).total_seconds())
