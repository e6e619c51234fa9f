"""The local runner: the whole system on one machine, with `python -m deploy.local up`."""

from chassis.lean import without

with without("pygments", "rich"):  # for its command line
    import httpx  # noqa: F401
