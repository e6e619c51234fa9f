"""The `ddgs` metasearch. It runs in a short-lived child process of its own.

The library blocks, cannot be interrupted and asks several search engines in turn; a child can be
ended when the time is over, and the service stays small where there is no network.
"""

import json
import sys

from agents.engines.fulltext import Hit
from agents.engines.process import run

TIMEOUT_SECONDS = 8.0
REQUEST_TIMEOUT_SECONDS = 3
MAX_SNIPPET_CHARACTERS = 500
NOTHING_FOUND = "No results found."
"""How the library words an empty list; every other failure means that nothing was reached."""


async def search_web(query: str, limit: int) -> list[Hit]:
    """What the web has on `query`, at most `limit` hits.

    Raises UnavailableError (503) when no search engine can be reached in time.
    """
    question = json.dumps({"query": query, "limit": limit})
    answer = await run([sys.executable, "-m", __name__], question, seconds=TIMEOUT_SECONDS)
    return [Hit(**hit) for hit in json.loads(answer)]


def _main() -> None:
    """In the child: the question on standard input, the hits on standard output."""
    # Imported here: the service imports this module too, and is better off without the library.
    from ddgs import DDGS  # noqa: PLC0415 (as said above)
    from ddgs.exceptions import DDGSException  # noqa: PLC0415 (as said above)

    question = json.load(sys.stdin)
    try:
        found = DDGS(timeout=REQUEST_TIMEOUT_SECONDS).text(
            question["query"], max_results=question["limit"]
        )
    except DDGSException as error:
        if str(error) != NOTHING_FOUND:
            sys.exit(f"no search engine could be reached: {error}")
        found = []
    hits = [
        {
            "title": hit["title"],
            "snippet": hit["body"][:MAX_SNIPPET_CHARACTERS],
            "source": hit["href"],
        }
        for hit in found
    ]
    json.dump(hits, sys.stdout)


if __name__ == "__main__":
    _main()
