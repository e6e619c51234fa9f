"""The payment service as a process: `python -m payment_svc`."""

from chassis.process import run
from payment_svc.app import build
from payment_svc.settings import Settings

run(build, Settings)
