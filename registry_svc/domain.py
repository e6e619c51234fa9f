"""The agent: what is stored of it, and how the marketplace shows that. No I/O."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from contracts.registry import AgentState, AgentView, Billing, Protocol
from registry_svc.breaker import breaker
from registry_svc.pricing import dynamic_price, load_of
from registry_svc.rating import PRIOR_STARS, rating
from registry_svc.tally import mean_ms
from registry_svc.vitals import Vitals


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as it is stored; see `registry_svc.tables` for what each column is."""

    id: str
    seq: int
    name: str
    description: str
    skills: list[str]
    capabilities: list[str]
    base_price: Decimal
    endpoint_url: str
    input_schema: dict[str, Any] | None
    negotiable: bool
    info_known: bool
    available: bool
    failing_since: datetime | None
    reported_load: int | None
    active: int
    jobs_completed: int
    response_ms: int
    faults: int
    busy: int
    silent: int = 0
    silent_at: datetime | None = None
    opinions: Decimal = Decimal(0)
    opinion_weight: Decimal = Decimal(0)
    unique_buyers: int = 0
    owner: str | None = None
    state: AgentState = "active"
    state_reason: str | None = None
    protocol: Protocol = "native"
    tool: str | None = None
    billing: dict[str, Any] | None = None
    limit_s: int | None = None
    at_once: int | None = None
    barred: bool = False
    made_with: str | None = None
    overrides: list[str] | None = None
    source_url: str | None = None
    stars: Decimal = PRIOR_STARS

    @property
    def on_sale(self) -> bool:
        """Whether it is on the market."""
        return self.state == "active"

    @property
    def vitals(self) -> Vitals:
        """What probes know of it."""
        return Vitals(self.available, self.failing_since is not None, self.reported_load)

    def view(self, now: datetime | None = None) -> AgentView:
        """The agent as the marketplace shows it now, or at another moment."""
        state, retry_at = breaker(self.silent, self.silent_at, now or datetime.now(UTC))
        load = load_of(self.active, self.reported_load)
        return AgentView(
            id=self.id,
            name=self.name,
            description=self.description,
            skills=self.skills,
            base_price=self.base_price,
            dynamic_price=dynamic_price(self.base_price, load_of(self.active)),
            load=load,
            rating=rating(self.opinions, self.opinion_weight),
            unique_buyers=self.unique_buyers,
            jobs_completed=self.jobs_completed,
            endpoint_url=self.endpoint_url,
            capabilities=self.capabilities,
            avg_response_time=mean_ms(self.response_ms, self.jobs_completed),
            availability=self.available,
            input_schema=self.input_schema,
            negotiable=self.negotiable,
            owner=self.owner,
            state=self.state,
            state_reason=self.state_reason,
            protocol=self.protocol,
            tool=self.tool,
            billing=Billing.model_validate(self.billing or {}),
            limit_s=self.limit_s,
            at_once=self.at_once,
            breaker=state,
            retry_at=retry_at,
        )
