"""Questions about agents; nothing here changes anything."""

from chassis.db.pages import decode_cursor, next_in_sequence
from chassis.handling.injection import Reading
from chassis.handling.listing import Listed, Listing
from contracts import api
from contracts.envelope import Envelope
from contracts.errors import Invalid, NotFound
from contracts.registry import AgentList, AgentReply, AgentView, GetAgent, ListAgents
from registry_svc import store

MOST_SEQ = 2**63 - 1
AGENTS = Listing(AgentList, AgentView, api.Agent)


async def list_agents(request: ListAgents, tx: Reading) -> Listed[AgentList]:
    """Agents on the market in the order they were registered.

    Fewer than asked for when they are heavy.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    agents = await store.page(tx.conn, _place(request.cursor), request.limit)
    views = [agent.view() for agent in agents]
    return Listed(AGENTS, views, request.limit, lambda _, shown: next_in_sequence(agents, shown))


def _place(cursor: str | None) -> int:
    if cursor is None:
        return 0
    (number,) = decode_cursor(cursor, 1)
    place = int(number) if number.isascii() and number.isdecimal() else MOST_SEQ + 1
    if place > MOST_SEQ:
        raise Invalid("The cursor is not one of ours.")
    return place


async def get_agent(request: GetAgent, tx: Reading, here: Envelope) -> AgentReply:
    """One agent, on the market or not: what is gone keeps its name.

    Raises:
        NotFound: there is none with this id, or it is somebody else's draft.
    """
    agent = await store.find(tx.conn, request.agent_id)
    hidden = agent and agent.state == "draft" and here.account != agent.owner
    if agent is None or (hidden and not request.as_admin):
        raise NotFound("Agent not found")
    return AgentReply(agent=agent.view())
