"""Which services' images a change touches: `python deploy/changed.py <commit before>`, as JSON.

An image holds its own service, `contracts/` and `chassis/`; agents stand alone. Without a commit
to compare with, all are changed.
"""

import json
import subprocess
import sys
from collections.abc import Iterable

SERVICES = ("gateway", "registry_svc", "task_svc", "payment_svc", "chat_svc", "agents")
SHARED = ("contracts/", "chassis/")
ALL = ("deploy/Dockerfile", "deploy/healthy.py", ".dockerignore")


def changed(paths: Iterable[str]) -> list[str]:
    """The services whose images hold one of `paths`."""
    found = set()
    for path in paths:
        if path in ALL:
            return list(SERVICES)
        if path.startswith(SHARED):
            found |= {*SERVICES} - {"agents"}
        found |= {
            service
            for service in SERVICES
            if path.startswith((f"{service}/", f"deploy/images/{service}."))
        }
    return [service for service in SERVICES if service in found]


def _paths(before: str) -> list[str] | None:
    """What changed since `before`; None when there is no such commit, as on a first push."""
    done = subprocess.run(
        ["git", "diff", "--name-only", f"{before}...HEAD"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout.splitlines() if done.returncode == 0 else None


if __name__ == "__main__":
    paths = _paths(sys.argv[1]) if sys.argv[1:] and sys.argv[1] else None
    print(json.dumps(list(SERVICES) if paths is None else changed(paths)))
