"""What owners give for their agents, to be sent with calls."""

from chassis.bus.calls import Bus
from chassis.db.database import Database
from contracts.credentials import CredentialKept, SetCredential
from contracts.envelope import Envelope
from contracts.errors import Conflict, Invalid, NotFound
from contracts.registry import GET_AGENT, GetAgent
from task_svc import store_credentials
from task_svc.credentials import Credentials, Safe
from task_svc.signing import origin_of

OURS = frozenset(
    (
        *("accept", "accept-encoding", "bazaar-signature", "connection", "content-encoding"),
        *("content-length", "content-type", "cookie", "expect", "host", "idempotency-key", "te"),
        *("traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent"),
    )
)
"""Headers that a call has, or that steer how it is carried."""


async def set_credential(
    request: SetCredential,
    db: Database,
    bus: Bus,
    safe: Safe,
    credentials: Credentials,
    here: Envelope,
) -> CredentialKept:
    """Keep what is sent with calls of an agent, or keep it no longer.

    Raises:
        NotFound: there is no such agent of the caller's.
        Conflict: this marketplace keeps no credentials.
        Invalid: the header is one of the call's own.
    """
    agent = (await bus.ask(GET_AGENT, GetAgent(agent_id=request.agent_id), here)).agent
    if agent.owner != here.account and not request.as_admin:
        raise NotFound("There is no such agent of yours.")
    origin = origin_of(agent.endpoint_url)
    name = request.header.lower()
    if name in OURS or name.startswith(("a2a-", "mcp-")):
        raise Invalid(f"header: {request.header} is one of the call's own.")
    if request.value is not None and not safe.is_there:
        raise Conflict("This marketplace keeps no credentials; its CREDENTIALS_KEY is not set.")
    async with db.transaction(here) as tx:
        if request.value is None:
            await store_credentials.drop(tx.conn, agent.id)
        else:
            sealed = safe.shut(agent.id, request.value)
            await store_credentials.keep(tx.conn, agent.id, origin, request.header, sealed)
    credentials.forget(agent.id)
    if request.value is None:
        return CredentialKept(agent_id=agent.id)
    return CredentialKept(agent_id=agent.id, header=request.header, origin=origin)
