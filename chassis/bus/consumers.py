"""Whether the subscribers of a service still take messages."""

from faststream.nats import NatsBroker


class Consumers:
    """The subscribers of a broker, and how many tasks each had when it began."""

    def __init__(self, broker: NatsBroker) -> None:
        """None has begun."""
        self._broker = broker
        self._at_start: dict[int, int] = {}

    def begun(self) -> None:
        """All are at work now."""
        self._at_start = {id(one): _tasks_of(one) for one in self._broker.subscribers}

    def dead(self) -> list[str]:
        """The subjects of those with fewer tasks than when they began; FastStream restarts most."""
        return [
            str(getattr(one, "subject", one))
            for one in self._broker.subscribers
            if _tasks_of(one) < self._at_start.get(id(one), 0)
        ]


def _tasks_of(subscriber: object) -> int:
    return sum(not task.done() for task in getattr(subscriber, "tasks", []))
