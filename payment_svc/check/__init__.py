"""Whether the books add up, and what became of holds that stay open."""
