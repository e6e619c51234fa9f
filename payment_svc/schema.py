"""What the tables of the schema `payment` share."""

from typing import Any

from sqlalchemy import Column, DateTime, Integer, Numeric, String, func

from chassis.db.schema import service_metadata

metadata = service_metadata("payment")

MONEY = Numeric(20, 6)


def created_at() -> Column[object]:
    """When a row came to be."""
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def tried() -> list[Column[Any]]:
    """How often Stripe was asked for what a row stands for, when it is next, and what it said."""
    return [
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("retries", Integer, nullable=False, server_default="0"),
        Column("first_attempt_at", DateTime(timezone=True)),
        Column("next_attempt_at", DateTime(timezone=True)),
        Column("note", String(500)),
    ]
