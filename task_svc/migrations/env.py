"""Alembic's environment of the task service."""

from chassis.migrate import run_environment
from task_svc import tables

run_environment(tables.metadata)
