#!/usr/bin/env bash
# uvloop: loop.call_at() and call_later() for a moment that has come give a plain Handle, not a TimerHandle: it has no
# when(), and asyncio's own loop gives one that has. Whoever compares the next moment with the one that is already
# waited for ("is it sooner?") meets an AttributeError, and only when two are due at once, so seldom, and under load.
# Shown on: uvloop 0.23.0, Python 3.11.
# Valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check uvloop==0.23.0
cat > run.py <<'PY'
import asyncio, importlib.metadata as md
import uvloop

async def handles():
    loop = asyncio.get_running_loop()
    due = loop.call_at(loop.time(), lambda: None)
    now = loop.call_later(0, lambda: None)
    later = loop.call_later(60, lambda: None)
    found = [hasattr(one, "when") for one in (due, now, later)]
    for one in (due, now, later):
        one.cancel()
    return found

print("uvloop", md.version("uvloop"))
seen = {}
for name, factory in (("asyncio", asyncio.new_event_loop), ("uvloop", uvloop.new_event_loop)):
    with asyncio.Runner(loop_factory=factory) as runner:
        seen[name] = runner.run(handles())
    print(name, "when() of call_at(now), call_later(0), call_later(60):", seen[name])
assert seen == {"asyncio": [True, True, True], "uvloop": [False, False, True]}, seen
print("as recorded")
PY
timeout 60 v/bin/python run.py
