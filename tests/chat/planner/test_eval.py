"""No sentence is answered worse than before: the shares that `make eval` prints have a floor."""

import pytest

from tests.chat.planner.eval.judge import cases, judge

FLOORS = {
    "given": (0.98, 0.0),
    "own": (0.98, 0.0),
    "held": (0.98, 0.0),
    "held2": (0.98, 0.0),
    "held3": (0.98, 0.0),
    "held4": (0.98, 0.0),
    "held5": (0.98, 0.0),
    "held6": (0.98, 0.0),
    "held7": (0.98, 0.0),
    "held8": (0.98, 0.0),
    "held9": (0.98, 0.0),
    "held10": (0.96, 0.0),
    "held11": (0.98, 0.0),
    "held12": (0.98, 0.0),
    "held13": (0.98, 0.0),
    "held14": (0.98, 0.0),
    "held15": (0.99, 0.0),
    "held16": (0.92, 0.01),
    "held17": (0.68, 0.01),
    "held18": (0.98, 0.0),
    "held19": (0.99, 0.0),
}
"""The least share right and the most charged unwanted, of each file of cases."""


@pytest.mark.parametrize("name", FLOORS)
def test_no_fewer_are_right_and_no_more_are_charged_unwanted(name: str) -> None:
    verdicts = [judge(case) for case in cases(name)]
    least, most = FLOORS[name]
    wrong = [(one.case.say, one.paid) for one in verdicts if not one.right]
    unwanted = [(one.case.say, one.paid) for one in verdicts if one.unwanted]
    assert 1 - len(wrong) / len(verdicts) >= least, wrong
    assert len(unwanted) / len(verdicts) <= most, unwanted
