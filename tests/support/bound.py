"""What a service's composition root bound to its handlers."""

from functools import partial
from typing import Any

from chassis.service import Service


def bound(service: Service, name: str) -> Any:
    """What handlers of a service get as `name`."""
    for function in service.subscribers.functions:
        if isinstance(function, partial) and name in function.keywords:
            return function.keywords[name]
    raise LookupError(name)
