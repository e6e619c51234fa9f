"""What can become of a call that leaves the process, other than an answer."""


class CallError(Exception):
    """Base of them; `why` is the end of a sentence, without its full stop."""

    def __init__(self, why: str) -> None:
        """Say what happened."""
        super().__init__(why)
        self.why = why


class AddressRefused(CallError):
    """The address is none that may be called; nothing was sent."""


class Unreachable(CallError):
    """No connection, or one that ended before the answer did; another try may go better.

    Attributes:
        sent: whether the request may have arrived.
    """

    def __init__(self, why: str, *, sent: bool = True) -> None:
        """Say what happened."""
        super().__init__(why)
        self.sent = sent


class TooSlow(CallError):
    """No whole answer in time; what came of the request is unknown."""


class TooMuch(CallError):
    """The answer went beyond a limit; `why` says which: "more than 65536 bytes"."""
