"""The task service as a process: `python -m task_svc`."""

from chassis.process import run
from task_svc.app import build
from task_svc.settings import Settings

run(build, Settings)
