"""What doors share: asking the API, and how a refusal, a task and a bill are told."""
