"""A double of Anthropic's Messages API over HTTP, which refuses what the real one refuses.

In a test: `Double(script)`, served with `tests.agents.serving.served(double.app())`. As a process
of its own: `python -m tests.doubles.anthropic --port 24001`.
"""

from tests.doubles.anthropic.app import KEY, Double
from tests.doubles.anthropic.replies import Failure, Reply, Script, Use, in_turn, read_script

__all__ = ["KEY", "Double", "Failure", "Reply", "Script", "Use", "in_turn", "read_script"]
