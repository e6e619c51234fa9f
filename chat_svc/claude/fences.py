"""Keeps text that is not ours apart from what is: inside a fence that it cannot close or forge."""

import re

AGENT_OUTPUT = "agent_output"
"""The tag around everything that came of a tool; agents have written much of it."""

TASK_FACTS = "task_facts"
"""The tag around what AgentBazaar itself says of the task."""

# Whatever a reader might take for one of the tags: in any case, with signs or blanks within. The
# repetition is bounded, since a text of nothing but brackets must not cost quadratic time.
_LOOKALIKE = re.compile(
    r"[<\uff1c\ufe64\u2039\u3008\u27e8]"
    r"(?=[\W_]{0,8}(?:agent[\W_]{0,4}output|task[\W_]{0,4}facts))",
    re.IGNORECASE,
)


def disarm(text: str) -> str:
    """The text with nothing in it that could be taken for one of the tags."""
    return _LOOKALIKE.sub("&lt;", text)


def fenced(tag: str, text: str) -> str:
    """The text, disarmed, between the tags."""
    return f"<{tag}>\n{disarm(text)}\n</{tag}>"
