"""The chat service's environment."""

from decimal import Decimal
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from chassis.settings import ServiceSettings
from contracts.base import Money


class Settings(ServiceSettings):
    """Beside what every service reads.

    Attributes:
        orchestrator: who decides: `claude`, `rules`, or `auto`: Claude when there is a key.
        anthropic_api_key: of Anthropic.
        anthropic_model: which Claude; the usual one when not set.
        anthropic_base_url: where the Messages API is, when not at Anthropic.
        default_budget: BazaarBucks that a turn's task may cost when its user does not say.
        turn_deadline_s: a turn that has no answer by then gets an honest one.
        turn_moves: moves that a turn may have; the last one has to be the answer.
        turn_tokens: input and output tokens of a turn after which the answer is asked for.
        answer_reserve_s: seconds before the deadline from which the answer is asked for.
        settlement_grace_s: how long a turn whose work is over waits for its bill, at least.
        watch_s: how often overdue turns are looked for, and those to be forgotten.
        reconcile_s: after so many seconds, what an open turn waits for is asked after.
        history_turns: earlier turns that an orchestrator is told of, at most.
        history_chars: characters of them, at most, with moves and results.
        charge_llm: whether the user pays for the language model, in BazaarBucks.
        llm_account: the agent that is paid for it.
        llm_input_usd: US dollars per million input tokens of a model without a known price.
        llm_output_usd: the same of output tokens.
        details_days: so long moves, tool calls and causes of turns are kept; messages stay.
    """

    orchestrator: Literal["auto", "claude", "rules"] = "auto"
    anthropic_api_key: SecretStr | None = None
    anthropic_model: str | None = None
    anthropic_base_url: str | None = None
    default_budget: Money = Decimal(1)
    turn_deadline_s: float = Field(default=120.0, gt=0)
    turn_moves: int = Field(default=12, ge=1)
    turn_tokens: int = Field(default=400_000, ge=1)
    answer_reserve_s: float = Field(default=20.0, ge=0)
    settlement_grace_s: float = Field(default=20.0, gt=0)
    watch_s: float = Field(default=2.0, gt=0)
    reconcile_s: float = Field(default=30.0, gt=0)
    history_turns: int = Field(default=50, ge=0, le=500)
    history_chars: int = Field(default=400_000, ge=0)
    charge_llm: bool = False
    llm_account: str = Field(default="language-model", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    llm_input_usd: Decimal = Field(default=Decimal(5), ge=0)
    llm_output_usd: Decimal = Field(default=Decimal(25), ge=0)
    details_days: int = Field(default=90, ge=1)

    @model_validator(mode="after")
    def _claude_has_a_key(self) -> "Settings":
        if self.orchestrator == "claude" and self.anthropic_api_key is None:
            raise ValueError("ORCHESTRATOR=claude needs ANTHROPIC_API_KEY")
        return self

    @property
    def chosen(self) -> Literal["claude", "rules"]:
        """Who decides."""
        if self.orchestrator == "auto":
            return "claude" if self.anthropic_api_key else "rules"
        return self.orchestrator
