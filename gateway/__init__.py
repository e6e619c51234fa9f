"""HTTP in front of the bus: what a browser asks becomes a request to a service, and back.

No database and no business rule is here: routes, the shape of errors, limits, and waiting for a
conversation's turn to end.
"""

from chassis.lean import without

with without("pygments", "rich"):  # for its command line
    import httpx  # noqa: F401
