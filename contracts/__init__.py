"""Every message and API model that crosses a boundary of AgentBazaar, and nothing else.

A message belongs to the context that publishes it. On the wire it is camelCase JSON; amounts are
strings there (numbers only in the UI's JSON, see `contracts.api`). Within a version only optional
additions are made: a test compares every model with its committed schema.
"""
