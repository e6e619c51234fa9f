#!/usr/bin/env bash
# FastStream makes a unittest.mock.MagicMock for each handler of a broker, in production as well as in tests: importing
# it imports unittest.mock, and each subscriber or publisher has a recorder with a mock in it, though no test broker is
# near and `apply_types` is off. Each mock has a class of its own (some eighty attributes are set on it), so that a
# service of fifty handlers spends more time on mocks than on subscribing, each time it starts.
# Shown on: faststream 0.7.8 with nats-py 2.16.0, Python 3.11. No server is needed.
# Valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check faststream==0.7.8 nats-py==2.16.0
cat > run.py <<'PY'
import gc, importlib.metadata as md, sys
from faststream.nats import NatsBroker

print("faststream", md.version("faststream"), "nats-py", md.version("nats-py"))
imported = "unittest.mock" in sys.modules
print("unittest.mock is imported by `from faststream.nats import NatsBroker`:", imported)
assert imported
from unittest.mock import MagicMock

def mocks():
    return [one for one in gc.get_objects() if isinstance(one, MagicMock)]

broker = NatsBroker(apply_types=False)
before = len(mocks())
for number in range(20):
    @broker.subscriber(f"orders.{number}")
    async def handle(order: dict) -> None:
        pass
found = mocks()[before:]
classes = {type(one) for one in found}
print("20 subscribers, no test broker: mocks", len(found), "classes made for them", len(classes))
assert (len(found), len(classes)) == (20, 20), (len(found), len(classes))
print("as recorded")
PY
timeout 120 v/bin/python run.py
