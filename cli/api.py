"""Asks the gateway; what it refuses ends the command with its own sentence."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from cli.config import Config
from cli.errors import Code, Failed, refused
from deploy.local.answers import AskError, body_of

WAIT_S = 60.0
SILENCE_S = 60.0
MOST_AT_ONCE = 500
"""Items of a page of any list."""
Json = Any


class Api:
    """One gateway, asked as one caller."""

    def __init__(self, config: Config) -> None:
        """Ask where `config` says."""
        self._config = config

    def get(self, path: str, **query: Any) -> Json:
        """The JSON at an address; query parameters that are None are left out."""
        return self._ask("GET", path, params={k: v for k, v in query.items() if v is not None})

    def pages(self, path: str, most: int | None = None) -> list[Json]:
        """The first `most` items of a list, or all of it: page by page, as `Link` says."""
        found: list[Json] = []
        after: dict[str, str] | None = {}
        while after is not None and (most is None or len(found) < most):
            limit = MOST_AT_ONCE if most is None else min(most - len(found), MOST_AT_ONCE)
            answer = self._send("GET", path, params={"limit": limit} | after)
            found += _answer(answer)
            linked = answer.links.get("next")
            after = linked and {"cursor": httpx.URL(linked["url"]).params["cursor"]}
        return found

    def post(self, path: str, body: Json = None) -> Json:
        """What comes of a POST; members of the body that are None are left out."""
        return self._ask("POST", path, json=_without_none(body))

    def patch(self, path: str, body: Json) -> Json:
        """What comes of a PATCH."""
        return self._ask("PATCH", path, json=_without_none(body))

    def delete(self, path: str) -> Json:
        """What comes of a DELETE."""
        return self._ask("DELETE", path)

    def events(
        self, path: str, quiet_s: float = SILENCE_S, after: str | None = None
    ) -> Iterator[tuple[str, Json]]:
        """The events of a stream with their places, until it ends or is silent for so long.

        Args:
            path: of the stream.
            quiet_s: it is left after so many seconds without a word.
            after: the place behind which it goes on.
        """
        headers = {} if after is None else {"Last-Event-ID": after}
        with self._client(quiet_s) as client, reached(self._config.url):
            try:
                with client.stream("GET", path, headers=headers) as response:
                    if not response.is_success:
                        response.read()
                        _answer(response)
                    yield from _told(response, after or "")
            except (httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError):
                return

    def _ask(self, method: str, path: str, **more: Any) -> Json:
        return _answer(self._send(method, path, **more))

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        with self._client() as client, reached(self._config.url):
            return client.request(method, path, **more)

    def _client(self, read_s: float = WAIT_S) -> httpx.Client:
        return httpx.Client(
            base_url=self._config.url,
            headers=bearer(self._config),
            timeout=httpx.Timeout(WAIT_S, read=read_s),
            trust_env=False,
        )


def part(id_: str) -> str:
    """An id as one part of a path, whatever is in it."""
    return quote(id_, safe="").replace(".", "%2E")


def bearer(config: Config) -> dict[str, str]:
    """The header that says who asks. Raises a Failed for what can be in no header."""
    if config.key and not (config.key.isascii() and config.key.isprintable()):
        raise Failed("The key has characters that no key has; was it copied whole?", Code.UNKNOWN)
    return {"Authorization": f"Bearer {config.key}"} if config.key else {}


@contextmanager
def reached(url: str) -> Iterator[None]:
    """A gateway that cannot be reached ends the command with a sentence."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise Failed(
            f"Nobody answers at {url}. Is it running (bazaar up)? Else name it: --url, BAZAAR_URL.",
            Code.AWAY,
        ) from None
    except httpx.HTTPError as error:
        raise Failed(f"{url} did not answer: {type(error).__name__}", Code.AWAY) from None


def _told(response: httpx.Response, place: str) -> Iterator[tuple[str, Json]]:
    name = ""
    for line in response.iter_lines():
        field, _, value = line.partition(":")
        name = value.strip() if field == "event" else name if line else ""
        if field == "id":
            place = value.strip()
        if field == "data" and name != "notice":
            yield place, json.loads(value)


def _answer(response: httpx.Response) -> Json:
    try:
        return body_of(response)
    except AskError as error:
        raise refused(error) from None


def _without_none(body: Json) -> Json:
    return {k: v for k, v in body.items() if v is not None} if isinstance(body, dict) else body
