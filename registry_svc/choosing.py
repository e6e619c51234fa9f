"""Choosing an agent: one pure function, from what agents are like to the order of trying them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from contracts.listings import Considered, Scores
from contracts.registry import AgentView, Breaker
from registry_svc.words import roots, whole

USUAL_MS = 1_000
"""An agent that takes so long has half of the points for being quick, as one that is new has."""
IN_A_SKILL, IN_A_CAPABILITY, IN_THE_DESCRIPTION = 1.0, 0.7, 0.4
"""What a word that is looked for counts, by where an agent says it."""
MOST_STARS, MOST_LOAD = 5, 10
ANSWERS: dict[Breaker, float] = {"closed": 1.0, "half_open": 0.5, "open": 0.0}
"""What the state of a breaker counts."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part of a score counts; written as `weights_from` reads it."""

    skill: float = 4
    price: float = 3
    rating: float = 2
    load: float = 1
    latency: float = 1
    breaker: float = 3

    def __str__(self) -> str:
        """Each with its name."""
        return ",".join(f"{name}={weight:g}" for name, weight in asdict(self).items())


def weights_from(value: Any) -> Any:
    """Weights from a text such as `price=3,rating=2`; those that are left out are the usual ones.

    Raises:
        ValueError: one is not known, no number, or negative; or all are 0.
    """
    if not isinstance(value, str):
        return value
    named = [part.split("=", 1) for part in value.split(",") if part.strip()]
    given = {part[0].strip(): float(part[1]) for part in named if len(part) > 1}
    if len(given) < len(named) or not given.keys() <= asdict(Weights()).keys():
        raise ValueError(f"weights look like {Weights()}")
    weights = Weights(**given)
    every = asdict(weights).values()
    if not all(0 <= weight < float("inf") for weight in every) or not any(every):
        raise ValueError("a weight is 0 or more, and one at least is not 0")
    return weights


WeightsSetting = Annotated[Weights, NoDecode, BeforeValidator(weights_from)]
"""The type of a setting that has weights."""


def ranked(
    agents: Sequence[tuple[int, AgentView]],
    words: Sequence[str],
    skill: str | None,
    weights: Weights,
) -> list[Considered]:
    """Agents with their scores, best first; those that do not answer, or are left alone, are last.

    Args:
        agents: who could be chosen, each behind its place in the order of registration.
        words: roots that are looked for; none is as good as all.
        skill: the skill that is looked for.
        weights: what counts how much.
    """
    fits = [_fit(agent, frozenset(words), skill) for _, agent in agents]
    best_fit = max(fits, default=0.0)
    cheapest = min((agent.dynamic_price for _, agent in agents), default=Decimal(0))
    found = [
        _considered(seq, agent, fit / best_fit if best_fit else 1.0, cheapest, weights)
        for (seq, agent), fit in zip(agents, fits, strict=True)
    ]
    return sorted(
        found,
        key=lambda one: (
            not one.agent.can_be_called,
            -one.score,
            one.agent.dynamic_price,
            one.agent.id,
        ),
    )


def _fit(agent: AgentView, words: frozenset[str], skill: str | None) -> float:
    if skill is None and not words:
        return 1.0
    if skill is not None:
        return float(whole(skill) in map(whole, agent.skills))
    in_skills = frozenset(root for one in (agent.name, *agent.skills) for root in roots(one))
    in_capabilities = frozenset(root for one in agent.capabilities for root in roots(one))
    described = frozenset(roots(agent.description))
    return (
        IN_A_SKILL * len(words & in_skills)
        + IN_A_CAPABILITY * len(words & in_capabilities - in_skills)
        + IN_THE_DESCRIPTION * len(words & described - in_capabilities - in_skills)
    )


def _considered(
    seq: int, agent: AgentView, fit: float, cheapest: Decimal, weights: Weights
) -> Considered:
    price = agent.dynamic_price
    scores = Scores(
        skill=fit,
        price=_share(cheapest / price) if price else 1.0,
        rating=_share(agent.rating / MOST_STARS),
        load=_share(1 - agent.load / MOST_LOAD),
        latency=_share(USUAL_MS / (USUAL_MS + (agent.avg_response_time or USUAL_MS))),
        breaker=ANSWERS[agent.breaker],
    )
    parts = {name: (getattr(scores, name), weight) for name, weight in asdict(weights).items()}
    score = _mean([*parts.values()])
    del parts["skill"]
    standing = _mean([*parts.values()])
    return Considered(agent=agent, score=score, standing=standing, seq=seq, scores=scores)


def _share(part: Decimal | float) -> float:
    return round(float(part), 4)


def _mean(parts: Sequence[tuple[float, float]]) -> float:
    whole_weight = sum(weight for _, weight in parts)
    if not whole_weight:
        return 0.0
    return _share(sum(part * weight for part, weight in parts) / whole_weight)


def why(found: Sequence[Considered], skill: str | None, max_price: Decimal | None = None) -> str:
    """In a sentence, why the first of these is the first."""
    wanted = f"has the skill “{skill}”" if skill else "fits"
    if max_price is not None:
        wanted += f" for at most {max_price.normalize():f} BazaarBucks"
    if not found:
        return f"Nobody on the market {wanted}."
    first = found[0]
    agent = first.agent
    if not agent.can_be_called:
        return f"{agent.name} {wanted}, but nobody who does is available now."
    rest = [one for one in found[1:] if one.agent.can_be_called]
    among = f": the best of {len(rest) + 1} who do, by"
    if not rest:
        away = " who does is available" if len(found) > 1 else " does"
        among = f", and nobody else{away}:"
    cheapest = all(agent.dynamic_price <= one.agent.dynamic_price for one in found)
    return (
        f"{agent.name} {wanted}{among} {agent.dynamic_price.normalize():f} BazaarBucks"
        f"{' (the lowest price)' if cheapest and rest else ''}, {agent.rating} stars, a load of"
        f" {agent.load} of {MOST_LOAD}."
    )
