"""What probes know of an agent, and what one more makes of it. No I/O."""

from dataclasses import dataclass, replace


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
