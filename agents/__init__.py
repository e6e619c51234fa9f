"""The six agent services that the marketplace starts with.

Each is a process of its own that answers over plain HTTP: `python -m agents summarizer`.
docs/agents.md describes what an agent service looks like to the outside; service.py builds
that outside once, and the six modules named after the agents hold what differs.
"""
