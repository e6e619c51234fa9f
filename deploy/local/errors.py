"""The one error that ends a start."""


class StartError(Exception):
    """The system cannot start, or not go on. The message is written for the person at the keys."""
