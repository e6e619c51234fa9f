"""What an agent of our own protocol says of itself, at `/info`."""

from decimal import Decimal
from typing import Any

from pydantic import ConfigDict, Field, ValidationError, field_validator

from chassis.amounts import plain_amount
from chassis.outbound import Outbound
from contracts.base import Model, Money
from contracts.errors import BadAnswer
from contracts.registry import Billing
from registry_svc import agents_http
from registry_svc.readers.offer import Offer


class _Info(Model):
    """What is read of an /info; other members are the agent's own affair."""

    model_config = ConfigDict(alias_generator=None, extra="ignore")

    name: str = Field(min_length=1, max_length=200)
    description: str = Field(max_length=2_000)
    skills: list[str] = Field(min_length=1, max_length=50)
    capabilities: list[str] = Field(default_factory=list, max_length=50)
    base_price: Money | None = None
    billing: Billing | None = None

    @field_validator("base_price", mode="before")
    @classmethod
    def _number(cls, said: Any) -> Decimal | None:
        return None if said is None else plain_amount(said)


async def read(http: Outbound, url: str, timeout_s: float) -> list[Offer]:
    """The one offer that an agent's /info makes.

    Raises:
        BadAnswer: there is no /info, or it lacks or misstates what a listing needs.
    """
    url = url.rstrip("/")
    info = await agents_http.ask_info(http, url, timeout_s)
    try:
        said = _Info.model_validate(info)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise BadAnswer(
            f"What the agent says of its {first['loc'][0]} cannot be listed: {first['msg']}."
        ) from None
    how = agents_http.interface(info)
    return [
        Offer(
            name=said.name,
            description=said.description,
            skills=tuple(said.skills),
            base_price=said.base_price,
            endpoint_url=url,
            input_schema=how["input_schema"],
            capabilities=tuple(said.capabilities),
            negotiable=how["negotiable"],
            billing=said.billing,
        )
    ]
