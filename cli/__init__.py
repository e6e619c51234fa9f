"""`bazaar`: AgentBazaar from a terminal, over its HTTP API."""
