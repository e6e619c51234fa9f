"""How a refusal and a bill are told at any door: the same members under the same names."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from gateway.doors.shared.answers import Refused

PROBLEM = "agentbazaar/problem"
"""The member that a refusal is under, whole, wherever a protocol has room for members of ours."""
BILL = "agentbazaar/bill"
"""The member that a bill is under."""
OF_BILL = ("stepId", "taskId", "cost", "externalCost", "quoted", "billed")


def sentence_of(error: Refused) -> str:
    """A refusal in words that somebody can act on, also who sees nothing but the words."""
    text = error.sentence
    required, available = error.body.get("required"), error.body.get("available")
    if error.status == HTTPStatus.PAYMENT_REQUIRED and required is not None:
        have = "" if available is None else f", and {available} are there"
        text = f"{text} {required} BazaarBucks are needed{have}."
    if (wait := error.headers.get("retry-after")) is not None:
        text = f"{text} Try again in {wait} s."
    return text


def problem_of(error: Refused) -> dict[str, Any]:
    """The refusal for programs: the problem of the API, with its status in any case."""
    return {**error.body, "status": error.status}


def bill_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a call cost, from the answer of POST /api/invoke-agent."""
    return {name: result[name] for name in OF_BILL if result.get(name) is not None}
