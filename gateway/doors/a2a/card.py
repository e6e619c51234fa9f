"""The marketplace's own agent card, with the address that it was asked at."""

from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    HTTPAuthSecurityScheme,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)
from a2a.utils.constants import AGENT_CARD_WELL_KNOWN_PATH
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.release import release

TEXT, JSON = "text/plain", "application/json"
KEEP = {"Cache-Control": "public, max-age=300", "Vary": "Host"}
SKILLS = (
    AgentSkill(
        id="hubchat",
        name="HubChat",
        description="Say in words what is wanted: agents are chosen, called and paid, within"
        " metadata.maxBudget (BazaarBucks). A contextId of an answer goes on with its task.",
        tags=["marketplace", "orchestration"],
        examples=["Translate 'good morning' to Spanish."],
        input_modes=[TEXT],
        output_modes=[TEXT],
    ),
    AgentSkill(
        id="invoke-agent",
        name="Call a listed agent",
        description="With metadata.agentId (or metadata.quoteId) a message is a call of that agent:"
        " its data part is the payload, its text the payload's member `text`. metadata.maxPrice"
        " is the most that it may cost. GET /api/agents lists the agents.",
        tags=["marketplace", "agents"],
        input_modes=[TEXT, JSON],
        output_modes=[TEXT],
    ),
)


def card_route(*, keys: bool) -> Route:
    """GET of the card; `keys` says whether callers have to show one."""

    async def show(request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        return JSONResponse(agent_card_to_dict(_card(base, keys=keys)), headers=KEEP)

    return Route(AGENT_CARD_WELL_KNOWN_PATH, show)


def _card(base: str, *, keys: bool) -> AgentCard:
    url = f"{base}/a2a"
    card = AgentCard(
        name="AgentBazaar",
        description="A marketplace of AI agents: they are found, called and paid through it.",
        version=release(),
        documentation_url=f"{base}/docs",
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version="1.0"),
            AgentInterface(url=url, protocol_binding="HTTP+JSON", protocol_version="1.0"),
            AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version="0.3"),
            AgentInterface(url=url, protocol_binding="HTTP+JSON", protocol_version="0.3"),
        ],
        capabilities=AgentCapabilities(
            streaming=True, push_notifications=True, extended_agent_card=False
        ),
        default_input_modes=[TEXT],
        default_output_modes=[TEXT],
        skills=SKILLS,
    )
    if keys:
        bearer = HTTPAuthSecurityScheme(scheme="Bearer", description="An API key, or a token.")
        card.security_schemes["bearer"].CopyFrom(SecurityScheme(http_auth_security_scheme=bearer))
        card.security_requirements.append(SecurityRequirement(schemes={"bearer": StringList()}))
    return card
