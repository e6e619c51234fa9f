"""Rules of the registry, without I/O: load, price, rating, and what a probe means."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import HttpUrl

from contracts.base import MAX_AMOUNT, to_micro
from contracts.errors import Invalid
from contracts.registry import AgentRepriced, AgentState, AgentView, Billing, Protocol
from contracts.task import OWN_FAULTS, FailureReason
from registry_svc.breaker import SILENCES, breaker

MOST_LOAD = 10
SURGES = ((3, Decimal(1)), (7, Decimal("1.15")), (MOST_LOAD, Decimal("1.30")))
"""Up to this load, the base price is multiplied by that."""

MOST_STARS = 5
PRIOR_STARS = Decimal("4.5")
PRIOR_BUYERS = 5
"""A new agent is rated as if so many buyers had given it `PRIOR_STARS` on average."""
STEADY = 4
"""A buyer's opinion counts half of the most that it can after so many calls."""
BUSY_SHARE = Decimal("0.25")
"""Saying "busy" counts as this much of a failure: it is honest, and the price says so too."""
OVERBILLED_STARS = 1
"""What work is worth whose bill was above what was agreed on."""
RATED_SHARE = 5
"""The stars that a payer gives for a task count as so many calls."""
NOBODY = ""
"""Whose opinion all calls are together that cost nothing: they may come from anybody."""
REFUSING: frozenset[FailureReason] = frozenset(("agent_busy", "agent_refused_price"))
"""Failures by which an agent says that it does not take the work."""
SIXTH = Decimal("0.000001")

MOST_WORD = 100
"""Characters of one skill or capability."""


def load_of(active: int, reported: int | None = None) -> int:
    """Concurrent tasks out of ten: ours, or what the agent reports (percent) when that is more.

    A price follows ours alone: what an agent says of its own load raises none.
    """
    tenths = ((reported or 0) + 5) // 10
    return min(max(active, tenths, 0), MOST_LOAD)


def dynamic_price(base: Decimal, load: int) -> Decimal:
    """BazaarBucks per call at a load of 0 to 10."""
    surge = next(factor for top, factor in SURGES if load <= top)
    return min(to_micro(base * surge), MAX_AMOUNT)


def repriced(agent_id: str, base: Decimal, was: int, load: int) -> AgentRepriced | None:
    """The event that a load of `was` became `load`; None when the price is the same at both."""
    price = dynamic_price(base, load)
    if price == dynamic_price(base, was):
        return None
    return AgentRepriced(agent_id=agent_id, load=load, base_price=base, dynamic_price=price)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What calls say of an agent, to who pays for them; outcomes add up in any order.

    Attributes:
        calls: how many; some count as less than one, some as more.
        stars: their sum, 0 to 5 for each.
        paid: how many were paid for.
    """

    calls: Decimal = Decimal(0)
    stars: Decimal = Decimal(0)
    paid: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        """Both together."""
        return Outcome(self.calls + other.calls, self.stars + other.stars, self.paid + other.paid)

    def __sub__(self, other: "Outcome") -> "Outcome":
        """What is left without the other."""
        return Outcome(self.calls - other.calls, self.stars - other.stars, self.paid - other.paid)

    def counted(self) -> tuple[Decimal, Decimal]:
        """What one buyer's outcomes add to an agent's rating: stars, and by what they are divided.

        The mean of the stars, times a weight that comes near to one with the number of calls and
        never reaches it: who calls a thousand times counts as one buyer.
        """
        over = self.calls + STEADY
        return (self.stars / over).quantize(SIXTH), (self.calls / over).quantize(SIXTH)


def rating(opinions: Decimal, weight: Decimal) -> Decimal:
    """0 to 5 stars, two decimals: the mean of what buyers think, started from `PRIOR_STARS`.

    Each buyer counts once, however often they call (`Outcome.counted`); the owner's own calls do
    not count at all, and those that cost nothing count as one buyer's together. A call that is done
    and paid is five stars, one that was billed above what was agreed on is one, one that failed by
    the agent's fault (also because it was too late) or was given back to its payer is none; being
    busy or refusing the price is a quarter of a failure. What the payer says of a task counts as
    five calls.

    Args:
        opinions: the sum of what buyers' outcomes add.
        weight: the sum of by what that is divided.
    """
    stars = PRIOR_STARS * PRIOR_BUYERS + max(opinions, Decimal(0))
    return min(
        (stars / (PRIOR_BUYERS + max(weight, Decimal(0)))).quantize(Decimal("0.01")),
        Decimal(MOST_STARS),
    )


def done(*, paid: bool, overbilled: bool) -> Outcome:
    """What a call says that was done."""
    return Outcome(Decimal(1), Decimal(OVERBILLED_STARS if overbilled else MOST_STARS), int(paid))


def undone(reason: FailureReason, *, started: bool) -> Outcome | None:
    """What a call says that came to nothing; None when that was not for the agent's sake."""
    if started and reason in OWN_FAULTS:
        return Outcome(Decimal(1))
    return Outcome(BUSY_SHARE) if started and reason in REFUSING else None


GIVEN_BACK = Outcome(Decimal(1))
"""What a call says that was given back to its payer."""


def rated(stars: int) -> Outcome:
    """What the stars say that a payer gave for a task."""
    return Outcome(Decimal(RATED_SHARE), Decimal(RATED_SHARE * stars))


def mean_ms(response_ms: int, jobs_completed: int) -> int:
    """Mean response time in whole milliseconds, at least 1; 0 before the first job."""
    return max(1, round(response_ms / jobs_completed)) if jobs_completed else 0


@dataclass(frozen=True, slots=True)
class Tally:
    """What an event adds to an agent's counters. Tallies add up to the same in any order."""

    active: int = 0
    jobs_completed: int = 0
    response_ms: int = 0
    faults: int = 0
    busy: int = 0
    silent: int = 0
    opinions: Decimal = Decimal(0)
    opinion_weight: Decimal = Decimal(0)
    unique_buyers: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.active + other.active,
            self.jobs_completed + other.jobs_completed,
            self.response_ms + other.response_ms,
            self.faults + other.faults,
            self.busy + other.busy,
            self.silent + other.silent,
            self.opinions + other.opinions,
            self.opinion_weight + other.opinion_weight,
            self.unique_buyers + other.unique_buyers,
        )


STARTED = Tally(active=1)


def thought(now: Outcome, more: Outcome) -> Tally:
    """By how much an agent's rating moves when a buyer's outcomes have become `now` by `more`."""
    stars, weight = now.counted()
    stars_before, weight_before = (now - more).counted()
    is_new = now.paid > 0 and now.paid == more.paid
    return Tally(
        opinions=stars - stars_before,
        opinion_weight=weight - weight_before,
        unique_buyers=int(is_new),
    )


def put_right(active: int, running: int, under_way: int) -> int:
    """How many steps an agent has in hand, by what is certain.

    Args:
        active: as events were counted.
        running: as the task service counts them.
        under_way: events that may be on their way; so far apart both can be in good order.
    """
    off = running - active
    beyond = max(0, abs(off) - under_way)
    return active + (beyond if off > 0 else -beyond)


def completed(execution_time: int) -> Tally:
    """A step done in `execution_time` ms."""
    return Tally(active=-1, jobs_completed=1, response_ms=execution_time)


def failed(reason: FailureReason, *, started: bool) -> Tally | None:
    """A failed step; None when it was never started, and so says nothing about the agent."""
    if not started:
        return None
    return Tally(
        active=-1,
        faults=int(reason in OWN_FAULTS),
        busy=int(reason == "agent_busy"),
        silent=int(reason in SILENCES),
    )


@dataclass(frozen=True, slots=True)
class Vitals:
    """What probes know of an agent.

    Attributes:
        available: whether it answers.
        failing: whether its last probe failed.
        reported_load: percent, as its /health says; None when it says nothing.
    """

    available: bool
    failing: bool
    reported_load: int | None


def after_probe(before: Vitals, *, answered: bool, reported_load: int | None) -> Vitals:
    """One answer makes an agent available; the second failure in a row makes it unavailable."""
    if answered:
        return Vitals(available=True, failing=False, reported_load=reported_load)
    if before.failing:
        return Vitals(available=False, failing=True, reported_load=None)
    return replace(before, failing=True)


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


def base_url(url: HttpUrl) -> str:
    """The address that `/health`, `/info` and `/execute` are appended to.

    Raises:
        Invalid: it has a query, a fragment or credentials, which would end up in the listing.
    """
    if url.query or url.fragment or url.username or url.password:
        raise Invalid("The endpoint's URL must have no query, no fragment and no credentials.")
    return str(url).rstrip("/")


def words(given: Iterable[str]) -> list[str]:
    """Skills or capabilities, trimmed, without blanks and repeats, in the order given.

    Raises:
        Invalid: one is longer than `MOST_WORD`.
    """
    found = list(dict.fromkeys(word.strip() for word in given if word.strip()))
    if any(len(word) > MOST_WORD for word in found):
        raise Invalid(f"A skill or capability has at most {MOST_WORD} characters.")
    return found
