"""The orchestrator without a language model: the planner's plan, carried out move by move."""

from chat_svc.rules.moves import Rules

__all__ = ["Rules"]
