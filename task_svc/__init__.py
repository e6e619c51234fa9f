"""The task service: tasks, their steps, and the calls to agents."""
