"""Are the ports free? Asked before anything is started."""

import errno
import itertools
import random
import socket
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from deploy.local.errors import StartError


@dataclass(frozen=True)
class Claim:
    """A TCP port on 127.0.0.1 that is going to be opened."""

    port: int
    owner: str
    """Who opens it."""
    variable: str
    """The environment variable that moves it."""


def check(claims: Iterable[Claim]) -> None:
    """Raises a StartError that names every claimed port that cannot be had, and who has it."""
    by_port: dict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_port[claim.port].append(claim)
    problems = []
    for port, rivals in sorted(by_port.items()):
        names = " and ".join(f"{one.owner}, set {one.variable}" for one in rivals)
        if len(rivals) > 1:
            problems.append(f"Port {port} is asked for more than once ({names})")
        elif trouble := _trouble_with(port):
            problems.append(f"Port {port} ({names}) {trouble}")
    if problems:
        raise StartError("\n".join(problems))


# In an order of its own in every process, and none twice: who asked may not have opened it yet.
_CANDIDATES = itertools.cycle(random.sample(range(20_000, 32_000), k=12_000))


def free_port() -> int:
    """A port that nobody has at this moment, and that no outgoing connection will be given.

    Systems give outgoing connections ports from 32768 (Linux) or 49152 (IANA) on: a port up there
    may be taken between this answer and its being opened.
    """
    return next(port for port in _CANDIDATES if _trouble_with(port) is None)


def _trouble_with(port: int) -> str | None:
    with socket.socket() as probe:
        # As servers do: a connection that is still winding down does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"is in use{_by_whom(port)}"
            return f"cannot be opened: {error.strerror}"
    return None


def _by_whom(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            here = connection.laddr and connection.laddr.port == port
            if here and connection.status == psutil.CONN_LISTEN and connection.pid:
                command = " ".join(psutil.Process(connection.pid).cmdline())
                return f" by process {connection.pid} ({command[:120]})"
    except psutil.Error:
        pass  # Some systems tell this to root alone; the port is in use all the same.
    return ""
