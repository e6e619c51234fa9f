"""Dead letters as the API shows them to administrators."""

from typing import Any

from pydantic import Field

from contracts.base import Model


class DeadLetter(Model):
    """A message that was put aside, because no attempt to handle it helped.

    Attributes:
        number: its place in the stream of dead letters.
        time: when it was put aside.
        consumer: who could not handle it.
        subject: where it came from, and where it is sent again.
        attempts: how often it was tried.
        error: what went wrong, in words.
        account: whose it is.
    """

    number: int = Field(ge=1)
    time: str
    consumer: str
    subject: str
    attempts: int = Field(ge=0)
    error: str
    account: str | None = None


class WholeDeadLetter(DeadLetter):
    """A dead letter with all that is in it.

    Attributes:
        headers: its own, and those that it got when it was put aside.
        data: its JSON; a text when it is none, or when it is longer than 1 MiB.
    """

    headers: dict[str, str]
    data: Any = None


class SentAgain(Model):
    """Where a dead letter was sent; it is none any more."""

    number: int
    subject: str
