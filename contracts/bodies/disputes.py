"""Bodies about disputes: opening one, answering it, deciding it."""

from pydantic import Field

from contracts.bodies.amounts import AskedPaid
from contracts.bodies.base import Body, such_as
from contracts.disputes import Note


class NewDispute(Body, json_schema_extra=such_as(note="It is not what I asked for.", amount=2)):
    """Body of POST /api/payments/bazaarbucks/{id}/dispute; all that is left without an amount."""

    note: Note
    amount: AskedPaid | None = None


class DisputeNote(Body, json_schema_extra=such_as(note="It is what was asked for.")):
    """Body of POST /api/disputes/{id}/note."""

    note: Note


class Decision(Body, json_schema_extra=such_as(accept=True)):
    """Body of POST /api/disputes/{id}/decision; `accept` gives the money back."""

    accept: bool = Field(strict=True)
    note: Note | None = None
