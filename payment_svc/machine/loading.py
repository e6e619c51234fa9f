"""How the libraries of machine payments are loaded: without what they do to the process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_deep_as_before() -> Iterator[None]:
    """Keep Python's limit of recursion over an import.

    One of the libraries raises it to 100,000 for all that the process does. That limit is what
    refuses a message that is nested deeply; without it, who reads one may run out of stack and die.
    """
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
