"""Alembic's environment of the registry."""

from chassis.migrate import run_environment
from registry_svc import tables

run_environment(tables.metadata)
