"""An A2A agent of somebody's, written with the a2a-sdk.

`python poet.py LISTEN HOST PORT NAME`: where it listens, and where its card says that it is.
"""

import sys

import uvicorn
from a2a.helpers import new_text_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from starlette.applications import Starlette


class Poet(AgentExecutor):
    """Makes a verse of whatever it hears."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Answer with a message."""
        verse = f"O {context.get_user_input()}, that I might sing of thee!"
        await event_queue.enqueue_event(new_text_message(verse))

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Nothing takes long enough for it."""


def main(listen: str, host: str, port: int, name: str) -> None:
    """Serve it."""
    described = AgentCard(
        name=name,
        description="Writes odes.",
        version="1",
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        capabilities=AgentCapabilities(streaming=False),
        skills=[AgentSkill(id=name, name=name, description="Odes.", tags=["ode"])],
        supported_interfaces=[
            AgentInterface(
                url=f"http://{host}:{port}/", protocol_binding="JSONRPC", protocol_version="1.0"
            )
        ],
    )
    handler = DefaultRequestHandler(
        agent_executor=Poet(), task_store=InMemoryTaskStore(), agent_card=described
    )
    routes = [*create_agent_card_routes(described), *create_jsonrpc_routes(handler, "/")]
    uvicorn.run(Starlette(routes=routes), host=listen, port=port, log_level="critical")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
