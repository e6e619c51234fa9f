"""Whether the services answer, as the API shows it."""

from typing import Literal

from pydantic import Field

from contracts.base import Model


class ServiceHealth(Model):
    """Whether one service answers."""

    status: Literal["up", "down"]
    detail: str | None = None
    ms: int | None = None
    details: dict[str, str] = Field(default_factory=dict)


class Health(Model):
    """GET /health of the gateway: every service and whether it answers."""

    status: Literal["ok", "degraded"]
    version: str
    services: dict[str, ServiceHealth]
