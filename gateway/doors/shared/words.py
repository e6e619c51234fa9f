"""What the model says, piece by piece, until its message is there."""

from typing import Any


class Words:
    """What was said of a turn so far, so that nothing is said twice and nothing is left out."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._round = 0
        self._said = ""

    def more(self, piece: dict[str, Any]) -> str:
        """What is new in a piece; nothing of one that does not follow on what was said."""
        apart = ""
        if piece["round"] != self._round:
            apart = "\n\n" if self._said else ""
            self._round, self._said = piece["round"], ""
        known = len(self._said) - piece["offset"]
        if known < 0 or known >= len(piece["text"]):
            return ""
        new: str = piece["text"][known:]
        self._said += new
        return apart + new

    def rest(self, message: str) -> str:
        """What is left of the message at the end; all of it, when other words were said."""
        if message.startswith(self._said):
            return message[len(self._said) :]
        return f"\n\n{message}"
