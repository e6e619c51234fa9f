#!/usr/bin/env bash
# py-ecc: importing it raises Python's recursion limit of the whole process to 100,000. x402's EVM extra and pympp load it
# by web3, so a service that takes machine payments has that limit without asking for it: what is nested deeply is no longer
# refused with RecursionError by whatever reads it (json among others), up to a depth at which the stack is not sure to last.
# Shown on: x402[evm] 2.25.0, pympp 0.16.0, py-ecc 8.0.0, Python 3.11. Loopback not even needed, valid input only.
# Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check 'x402[evm]==2.25.0' pympp==0.16.0 py-ecc==8.0.0
cat > run.py <<'PY'
import importlib.metadata as md, subprocess, sys

print(*(f"{name} {md.version(name)}" for name in ("x402", "pympp", "py-ecc")))
found = {}
for module in ("x402", "x402.mechanisms.evm.exact.register", "mpp.methods.evm.client", "py_ecc"):
    code = f"import sys; import {module}; print(sys.getrecursionlimit())"
    found[module] = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    print(f"after import {module}: {found[module]}; before: {sys.getrecursionlimit()}")
assert sys.getrecursionlimit() == 1000
assert found["py_ecc"] == 100_000, found
assert found["x402.mechanisms.evm.exact.register"] == 100_000, found
print("as recorded")
PY
timeout 240 v/bin/python run.py
