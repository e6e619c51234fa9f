"""The chat service: messages, turns, and the orchestrator that plans them."""
