"""Everything that runs AgentBazaar on a machine, and nothing that it is made of."""
