"""The errors that cross a boundary: a sentence for people and a code, mapped one to one to HTTP.

Over NATS they travel as the headers `Nats-Service-Error-Code` and `Nats-Service-Error`; the
gateway turns them into `{"error": "<sentence>"}` with the code as the HTTP status.

From 500 on, nothing was decided and nothing paid, or nobody knows: the same request may be sent
again. Below, a refusal is final, but for `Busy`.
"""

from decimal import Decimal
from typing import ClassVar


class Refusal(Exception):
    """Base of every refusal; `code` is an HTTP status.

    Attributes:
        message: the sentence that the person who asked will read.
        loggable: whether logs have it too: it names services of ours, and quotes nobody.
    """

    code: ClassVar[int] = 500

    def __init__(self, message: str, *, loggable: bool = False) -> None:
        """Keep the sentence; most may quote what a caller or an agent sent."""
        super().__init__(message)
        self.message = message
        self.loggable = loggable


class Invalid(Refusal):
    """The request is well-formed but makes no sense: wrong or missing fields."""

    code = 422


class NotFound(Refusal):
    """Nothing with that id."""

    code = 404


class Conflict(Refusal):
    """The same id was used before for something else, or the state forbids it."""

    code = 409


class Busy(Conflict):
    """The same request is still being carried out, or one that this has to wait for; it passes.

    It travels as 503 with a header of its own: who is of release 0.2 and does not know it must not
    take it for final.
    """


class PaymentRequired(Refusal):
    """The task's budget, the wallet or the credential's limits do not cover it.

    Attributes:
        required: BazaarBucks that would have to be there; None where that is not the point.
    """

    code = 402

    def __init__(
        self, message: str, *, required: Decimal | None = None, loggable: bool = False
    ) -> None:
        """Keep the sentence, and how much is needed."""
        super().__init__(message, loggable=loggable)
        self.required = required


class BadAnswer(Refusal):
    """An agent cannot be reached or answered something that is no answer."""

    code = 502


class Unavailable(Refusal):
    """A service or an agent is down or too busy; later may be better.

    Attributes:
        wait_s: after how many seconds; None for soon.
    """

    code = 503

    def __init__(
        self, message: str, *, wait_s: float | None = None, loggable: bool = False
    ) -> None:
        """Keep the sentence, and for how long it is of no use to ask again."""
        super().__init__(message, loggable=loggable)
        self.wait_s = wait_s


class TooSlow(Refusal):
    """No answer within the time allowed; what came of it is unknown."""

    code = 504


class Internal(Refusal):
    """A defect on our side; the log has the details."""

    code = 500


_BY_CODE: dict[int, type[Refusal]] = {
    kind.code: kind
    for kind in (
        Invalid,
        NotFound,
        Conflict,
        PaymentRequired,
        BadAnswer,
        Unavailable,
        TooSlow,
        Internal,
    )
}


def refusal(code: int, message: str) -> Refusal:
    """The typed refusal for a code that arrived over the bus; unknown codes are `Internal`."""
    return _BY_CODE.get(code, Internal)(message)
