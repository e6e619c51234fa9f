"""Spans of time in statements, and moments by the database's clock, which all replicas share."""

from typing import Any

from sqlalchemy import func


def seconds(number: Any) -> Any:
    """A span of so many seconds; a number, or an expression that is one."""
    return func.make_interval(0, 0, 0, 0, 0, 0, number)


def days(number: int) -> Any:
    """A span of so many days."""
    return func.make_interval(0, 0, 0, number)


def after(number: Any) -> Any:
    """The moment in so many seconds."""
    return func.now() + seconds(number)
