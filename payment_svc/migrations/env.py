"""Alembic's environment of the payment service."""

from chassis.migrate import run_environment
from payment_svc import tables

run_environment(tables.metadata)
