"""The orchestrator without a language model: the planner's plan, carried out move by move."""

from chat_svc.rules.moves import Rules, conclude

__all__ = ["Rules", "conclude"]
