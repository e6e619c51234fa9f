"""OpenAI's own client, with a person's key, at a gateway."""

from typing import Any

import httpx2
from openai import AsyncOpenAI

from tests.complaints.system import Person


def client_of(person: Person, number: int = 0, **more: Any) -> AsyncOpenAI:
    """The client at one of the two gateways; it tries nothing again unless it is told to."""
    http = person.at(number)
    key = http.headers["authorization"].removeprefix("Bearer ")
    options: dict[str, Any] = {"max_retries": 0, "timeout": 60, "api_key": key} | more
    inner = httpx2.AsyncClient(trust_env=False)
    return AsyncOpenAI(base_url=f"{http.base_url}/v1", http_client=inner, **options)
