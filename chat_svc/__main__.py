"""The chat service as a process: `python -m chat_svc`."""

from chassis.process import run
from chat_svc.app import build
from chat_svc.settings import Settings

run(build, Settings)
