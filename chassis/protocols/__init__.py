"""Protocols of agents that others defined (A2A, MCP), spoken through `chassis.outbound` alone.

Their libraries are large, so they are imported by whoever meets such an agent, when it does.
"""
