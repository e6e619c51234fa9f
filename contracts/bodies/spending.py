"""Bodies for credentials that spend: sessions and keys, with their limits."""

from pydantic import Field

from contracts.base import Id
from contracts.bodies.amounts import AskedMoney, AskedPaid
from contracts.bodies.base import AskedMoment, Body, such_as
from contracts.spending import SpenderScope


class NewSession(
    Body, json_schema_extra=such_as(limit=5, perTask=1, expiresAt="2030-01-01T00:00:00Z")
):
    """Body of POST /api/sessions: a credential of the account that spends no more than `limit`."""

    limit: AskedPaid
    per_task: AskedPaid | None = None
    per_day: AskedPaid | None = None
    agents: list[Id] | None = Field(default=None, min_length=1, max_length=100)
    note: str = Field(default="", max_length=200)
    expires_at: AskedMoment
    approve_above: AskedMoney | None = None


class NewKey(Body, json_schema_extra=such_as(account="ann", scopes=["read", "write"], perDay=20)):
    """Body of POST /api/keys: a key of any account, with limits or without."""

    account: Id
    scopes: list[SpenderScope] = Field(min_length=1, max_length=3)
    limit: AskedPaid | None = None
    per_task: AskedPaid | None = None
    per_day: AskedPaid | None = None
    agents: list[Id] | None = Field(default=None, min_length=1, max_length=100)
    note: str = Field(default="", max_length=200)
    expires_at: AskedMoment | None = None
    approve_above: AskedMoney | None = None
