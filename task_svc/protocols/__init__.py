"""How agents are called, one module per protocol; `task_svc.agents` chooses."""
