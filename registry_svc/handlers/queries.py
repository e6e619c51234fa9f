"""Questions about agents; nothing here changes anything."""

from chassis.db.pages import decode_cursor, encode_cursor, fitting
from chassis.handling.injection import Reading
from contracts.envelope import Envelope
from contracts.errors import Invalid, NotFound
from contracts.registry import AgentList, AgentReply, GetAgent, ListAgents
from registry_svc import store

MOST_SEQ = 2**63 - 1


async def list_agents(request: ListAgents, tx: Reading) -> AgentList:
    """Agents on the market in the order they were registered.

    Fewer than asked for when they are heavy.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    agents = await store.page(tx.conn, _place(request.cursor), request.limit)
    shown = fitting([agent.view() for agent in agents[: request.limit]])
    more = len(shown) < len(agents)
    cursor = encode_cursor(str(agents[len(shown) - 1].seq)) if more else None
    return AgentList(agents=shown, next_cursor=cursor)


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
