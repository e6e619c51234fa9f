"""Claude as an orchestrator, by the anthropic library.

A request is built from the situation alone; what Claude answers becomes a move. What agents say
reaches Claude cut to size and fenced in, as data.
"""

from chat_svc.claude.limits import Limits
from chat_svc.claude.orchestrator import DEFAULT_MODEL, Claude

__all__ = ["DEFAULT_MODEL", "Claude", "Limits"]
