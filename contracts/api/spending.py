"""Who may spend how much, as the API shows it: sessions, keys, and approvals."""

from contracts.api.amounts import Number, SumNumber
from contracts.approvals import ApprovalView
from contracts.spending import SpenderView


class Credential(SpenderView):
    """A session, or a key made over HTTP, and what of its limits is left."""

    limit: Number | None = None
    per_task: Number | None = None
    per_day: Number | None = None
    held: SumNumber
    spent: SumNumber
    remaining: SumNumber | None = None
    approve_above: Number | None = None


class Approval(ApprovalView):
    """A step that waits, or waited, for a person."""

    amount: Number


class NewCredential(Credential):
    """Answer of POST /api/sessions and POST /api/keys; `token` is shown this once."""

    token: str
