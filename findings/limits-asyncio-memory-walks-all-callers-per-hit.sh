#!/usr/bin/env bash
# limits: with the storage in memory for asyncio, each hit begins a task that goes through every counter that is kept, of
# all callers, to find those that are over. So what a hit costs grows with how many others have asked in the last two
# windows, and is paid on the event loop: a limit of rate gets slower with the crowd that it is there for. The storage in
# memory without asyncio does the same walk in a thread, a hundred times a second at most, and no time is named
# for either of them in the documentation.
# Shown on: limits 5.8.0, Python 3.11; sliding window counters, other strategies share the storage.
# Loopback is not even needed; valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check limits==5.8.0
cat > run.py <<'PY'
import asyncio, importlib.metadata as md, time
from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

class Counted(dict):
    looks = 0
    def __getitem__(self, key):
        Counted.looks += 1
        return super().__getitem__(key)

async def looks_per_hit(callers, hits=50):
    storage = MemoryStorage()
    storage.expirations = Counted()
    limiter, item = SlidingWindowCounterRateLimiter(storage), parse("1000000/hour")
    for number in range(callers):
        await limiter.hit(item, str(number))
    await asyncio.sleep(0.1)
    Counted.looks, began = 0, time.process_time()
    for _ in range(hits):
        await limiter.hit(item, "0")
        await asyncio.sleep(0)  # the next request
    spent = time.process_time() - began
    return Counted.looks / hits, spent / hits * 1e6

print("limits", md.version("limits"))
for callers in (10, 1_000, 20_000):
    looks, us = asyncio.run(looks_per_hit(callers))
    print(f"{callers:6} callers known: {looks:8.0f} of their counters looked at per hit, {us:8.0f} us of processor time")
    assert looks >= 0.9 * callers, looks
print("as recorded")
PY
timeout 120 v/bin/python run.py
