"""The local runner: the whole system on one machine, with `python -m deploy.local up`."""
