"""The registry as a process: `python -m registry_svc`."""

from chassis.process import run
from registry_svc.app import build
from registry_svc.settings import Settings

run(build, Settings)
