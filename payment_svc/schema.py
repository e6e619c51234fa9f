"""What the tables of the schema `payment` share."""

from sqlalchemy import Column, DateTime, Numeric, func

from chassis.db.schema import service_metadata

metadata = service_metadata("payment")

MONEY = Numeric(20, 6)


def created_at() -> Column[object]:
    """When a row came to be."""
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())
