"""What every error of the API looks like."""

import httpx


def is_error(answer: httpx.Response, status: int) -> str:
    """The sentence of an error that has this status and the shape of all errors."""
    assert answer.status_code == status, answer.text
    problem = "problem+" if status == httpx.codes.PAYMENT_REQUIRED else ""
    assert answer.headers["content-type"].startswith(f"application/{problem}json")
    said = answer.json()["error"]
    assert type(said) is str
    assert len(said.split()) > 1
    assert "Traceback" not in answer.text
    found: str = said
    return found
