"""The task service's environment."""

from decimal import Decimal

from pydantic import Field, SecretStr, field_validator

from chassis.outbound import Hosts
from chassis.settings import ServiceSettings
from contracts.base import Money
from task_svc.signing import Signer


class Settings(ServiceSettings):
    """Beside what every service reads.

    Attributes:
        default_budget: BazaarBucks that a task may cost when its maker does not say.
        price_tolerance: a bill may be so many times what was quoted before it is cut, where the
            listing declares no tolerance of its own.
        quote_ttl_s: so long a quote holds that somebody asked for.
        agent_hosts: hosts of agents, comma-separated, whose addresses may be private.
        agent_timeout_s: how long one call of an agent may take.
        agent_attempts: calls before a busy or unreachable agent is given up.
        agent_retry_s: delay before the second call; it doubles with each further one.
        offer_timeout_s: how long one round of a negotiation may take, with all attempts.
        agent_answer_bytes: the most that an agent may answer.
        agent_calls: of one agent, calls that one replica has under way; so many steps besides.
        account_calls: the same of one account.
        running_steps: steps that one replica runs at once.
        lease_s: a replica that shows no sign of life for this long loses its steps to another.
        sweep_s: how often a replica looks for steps that nobody runs; four times as often, whether
            those that it runs itself have ended elsewhere.
        call_signing_key: what the key that calls of agents are signed with is made of: 32 random
            characters or more. Several, comma-separated: the first signs, all are published.
        credentials_key: what agents' credentials are encrypted with: 32 random characters or more.
            Several, comma-separated: the first encrypts, all read. Without it none are kept.
        reconcile_s: after so many seconds, the end of an orchestrated task is asked after.
        details_days: so long after a step's end its payload and its cause are kept.
    """

    default_budget: Money = Decimal(1)
    price_tolerance: Decimal = Field(default=Decimal(1), ge=1, le=10, decimal_places=2)
    quote_ttl_s: float = Field(default=300.0, gt=0, le=86_400)
    agent_hosts: Hosts = ()
    agent_timeout_s: float = Field(default=30.0, gt=0)
    agent_attempts: int = Field(default=4, ge=1, le=20)
    agent_retry_s: float = Field(default=0.25, gt=0)
    offer_timeout_s: float = Field(default=10.0, gt=0)
    agent_answer_bytes: int = Field(default=262_144, ge=1_024)
    agent_calls: int = Field(default=64, ge=1)
    account_calls: int = Field(default=32, ge=1)
    running_steps: int = Field(default=256, ge=1)
    lease_s: float = Field(default=8.0, gt=0)
    sweep_s: float = Field(default=2.0, gt=0)
    call_signing_key: SecretStr | None = None
    credentials_key: SecretStr | None = None
    reconcile_s: float = Field(default=30.0, gt=0)
    details_days: int = Field(default=90, ge=1)

    @field_validator("call_signing_key", "credentials_key")
    @classmethod
    def _are_keys(cls, written: SecretStr | None) -> SecretStr | None:
        try:
            Signer.of(written)
        except ValueError:
            raise ValueError("each has 32 random characters or more") from None
        return written
