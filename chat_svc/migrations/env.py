"""Alembic's environment of the chat service."""

from chassis.migrate import run_environment
from chat_svc import tables

run_environment(tables.metadata)
