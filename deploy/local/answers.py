"""What the gateway answered: its JSON, or why there is none."""

from typing import Any

import httpx


class AskError(Exception):
    """There is no answer; the message says why, for people.

    Attributes:
        status: what the gateway refused with; 0 when it did not answer, None when it is not that.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def body_of(response: httpx.Response) -> Any:
    """The JSON of an answer; an AskError with the gateway's reason and X-Request-Id if refused."""
    try:
        found = response.json()
    except ValueError:
        found = None
    if response.is_success and found is not None:
        return found
    said = found.get("error") if isinstance(found, dict) else None
    code = response.status_code
    sentence = said or f"The gateway answered with status {code}, and no reason."
    traced = response.headers.get("x-request-id")
    raise AskError(f"{sentence}{f' [{traced}]' if traced else ''}", code)
