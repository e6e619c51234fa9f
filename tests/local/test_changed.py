"""Which images a change of the code is a reason to build."""

import json
import subprocess
import sys

import pytest

from deploy.changed import SERVICES, changed
from deploy.local.settings import PROJECT

OURS = [service for service in SERVICES if service != "agents"]


@pytest.mark.parametrize(
    ("paths", "services"),
    [
        ([], []),
        (["docs/api.md", "tests/task/plans.py", "task_svcs/x.py"], []),
        (["task_svc/saga.py"], ["task_svc"]),
        (["agents/search.py", "gateway/app.py"], ["gateway", "agents"]),
        (["contracts/base.py"], OURS),
        (["chassis/bus/calls.py", "agents/search.py"], list(SERVICES)),
        (["deploy/images/chat_svc.lock"], ["chat_svc"]),
        (["deploy/Dockerfile"], list(SERVICES)),
    ],
)
def test_an_image_is_built_when_something_in_it_changed(
    paths: list[str], services: list[str]
) -> None:
    assert changed(paths) == services


@pytest.mark.parametrize("before", ["", "0" * 40])
def test_without_a_commit_to_compare_with_all_are_built(before: str) -> None:
    said = subprocess.run(  # noqa: S603  (our own script)
        [sys.executable, "deploy/changed.py", before],
        cwd=PROJECT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(said.stdout) == list(SERVICES)
