"""The folder's marketplace: four services behind two gateways, and people with keys."""

from tests.complaints.conftest import alice, bob, market, running_market

__all__ = ["alice", "bob", "market", "running_market"]
